"""What PostgreSQL says of changed documents, and what a listener makes of a broken connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from uuid import UUID

import psycopg
import pytest

from aegis_assets.model.document import State
from aegis_assets.stores.changes import CHANNEL, LISTEN, changes
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import RUN, dead, enriched, planned, register, running

BREAK = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'aegis changes' AND datname = current_database()"""


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    opened = Ledger(ledger_url)
    yield opened
    opened.close()


@pytest.fixture
def heard(ledger_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        connection.execute(LISTEN)
        yield connection


def words(connection: psycopg.Connection) -> list[UUID]:
    """All that was said until now: what is committed has been said before the next statement is answered."""
    connection.execute("SELECT 1")
    return [UUID(notify.payload) for notify in connection.notifies(timeout=0.05)]


def test_the_channel_is_the_one_that_the_trigger_speaks_on(ledger: Ledger, heard: psycopg.Connection) -> None:
    assert CHANNEL in LISTEN
    assert words(heard) == []
    document = register(ledger).document
    assert words(heard) == [document]


def test_each_change_that_is_shown_is_said_and_no_other(ledger: Ledger, heard: psycopg.Connection) -> None:
    document = register(ledger).document
    ledger.begin(document, RUN, dead)
    assert set(words(heard)) == {document}
    with ledger.connection() as connection:
        connection.execute("UPDATE aegis_document SET cancel_requested = true, media_type = 'x' WHERE id = %s", (document,))
    assert words(heard) == []
    ledger.finish(document, RUN, State.SUCCEEDED, "")
    assert words(heard) == [document]
    with ledger.connection() as connection:
        connection.execute("DELETE FROM aegis_run_document WHERE document_id = %s", (document,))
        connection.execute("DELETE FROM aegis_document WHERE id = %s", (document,))
    assert words(heard) == [document]


def test_many_results_within_a_second_say_one_word(ledger: Ledger, heard: psycopg.Connection) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1")
    (window,) = ledger.windows(generation.id)
    chunks = enriched(ledger, window.id, [str(number) for number in range(40)])
    words(heard)
    for chunk in chunks:
        ledger.save_embedded(document, RUN, [chunk], "embed-1", 0.01)
    assert len(words(heard)) <= 2


async def take(source: AsyncIterator[UUID | None]) -> UUID | None:
    return await asyncio.wait_for(anext(source), 10)


def test_a_listener_hears_ids_and_after_a_broken_connection_that_it_may_have_missed_some(ledger: Ledger, ledger_url: str) -> None:
    async def listen() -> None:
        async with aclosing(changes(ledger_url)) as source:
            assert await take(source) is None, "what was before it listened is unknown to it"
            document = (await asyncio.to_thread(register, ledger)).document
            assert await take(source) == document
            with ledger.connection() as connection:
                connection.execute(BREAK)
            assert await take(source) is None
            second = (await asyncio.to_thread(register, ledger, "b.md", "two")).document
            assert await take(source) == second

    asyncio.run(listen())


def test_a_listener_waits_for_a_server_that_is_away() -> None:
    async def listen() -> None:
        async with aclosing(changes("postgresql://aegis@127.0.0.1:9/none")) as source:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(source), 1.2)

    asyncio.run(listen())
