"""Demand 9: viewers who come at the same moment share one reading, and threads that need a store make one of it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from django.core.cache import cache

from aegis_assets.errors import StoreUnavailable
from tests.webadmin.conftest import browser, forget
from webadmin.console.dashboard import queries, views
from webadmin.documents import platform
from webadmin.shared_reading import shared_readings

VIEWERS = 8


def together(ask: object) -> list[object]:
    """Ask from several threads at once."""
    barrier = Barrier(VIEWERS)

    def one(_: int) -> object:
        barrier.wait()
        return ask()  # type: ignore[operator]

    with ThreadPoolExecutor(VIEWERS) as pool:
        return list(pool.map(one, range(VIEWERS)))


def test_dashboards_opened_together_ask_every_store_once(site: object, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for module, name, made in ((views, "diagnose", []), (queries, "read", queries.read())):
        monkeypatch.setattr(module, name, lambda name=name, made=made: asked.append(name) or time.sleep(0.3) or made)
    cache.clear()
    open_browser = browser(superuser=True)
    open_browser.get("/admin/dashboard/health")
    cache.clear()
    asked.clear()
    for path in ("/admin/dashboard/health", "/admin/dashboard/work"):
        assert {answer.status_code for answer in together(lambda path=path: open_browser.get(path))} == {200}
    assert asked == ["diagnose", "read"]
    cache.clear()


def test_a_reading_that_fails_is_told_to_all_who_waited_and_the_next_reads_again() -> None:
    key, asked = f"test.{uuid4()}", []

    def read() -> None:
        asked.append(1)
        time.sleep(0.2)
        raise StoreUnavailable("away")

    def ask() -> object:
        try:
            return shared_readings.get(key, read, 10.0)
        except StoreUnavailable as error:
            return error.message

    assert together(ask) == ["away"] * VIEWERS
    assert len(asked) == 1
    assert ask() == "away"
    assert len(asked) == 2


def test_threads_make_one_client_of_each_store(site: object) -> None:
    forget()
    for make in (platform.ledger, platform.bucket, platform.engine, platform.vectors, platform.graph):
        assert len({id(made) for made in together(make)}) == 1, make
