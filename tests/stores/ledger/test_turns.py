"""Whose turn it is to publish in a collection."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from aegis_assets.errors import StoreUnavailable
from aegis_assets.stores.ledger import Ledger, graph_view

WAITING = "application_name = 'aegis publish' AND wait_event_type = 'Lock'"
HOLDING = "application_name = 'aegis publish' AND wait_event_type IS DISTINCT FROM 'Lock'"


def end(ledger: Ledger, which: str) -> None:
    """As PostgreSQL does to every session when it is restarted."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with ledger.connection() as connection:
            query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND {which}"
            if connection.execute(query).fetchall():  # type: ignore[arg-type]
                return
        time.sleep(0.05)
    raise AssertionError("there was no such session")


@contextmanager
def turn_of_another(ledger: Ledger, collection) -> Iterator[threading.Event]:  # type: ignore[no-untyped-def]
    """Set the event to end it."""
    taken, over = threading.Event(), threading.Event()

    def hold() -> None:
        with ledger.publishing(collection):
            taken.set()
            over.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(60)
    try:
        yield over
    finally:
        over.set()
        thread.join(20)


def test_who_waits_while_postgresql_restarts_waits_on(ledger: Ledger) -> None:
    collection, had = uuid4(), threading.Event()

    def wait() -> None:
        with ledger.publishing(collection):
            had.set()

    with turn_of_another(ledger, collection) as over:
        waiter = threading.Thread(target=wait)
        waiter.start()
        end(ledger, WAITING)
        assert not had.wait(0.3)
        over.set()
        assert had.wait(20)
        waiter.join(20)


def test_who_waits_too_long_is_told_what_to_do(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = uuid4()
    with turn_of_another(ledger, collection):
        monkeypatch.setattr(graph_view, "TURN_SECONDS", 1)
        with pytest.raises(StoreUnavailable, match="Retry publishes this one"), ledger.publishing(collection):
            raise AssertionError("nobody gave it the turn")


def test_a_turn_that_was_lost_is_noticed(ledger: Ledger) -> None:
    with ledger.publishing(uuid4()) as still_held:
        still_held()
        end(ledger, HOLDING)
        with pytest.raises(StoreUnavailable):
            still_held()
