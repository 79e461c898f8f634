"""Events of documents over a real server: what they say and what they cost."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from django.test import Client

from aegis_assets.model.document import State
from aegis_assets.settings import settings
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import EMBED, RUN, dead, enriched, planned
from tests.webadmin.console.serving import Watched, connected, until, watch
from tests.webadmin.uploads import put
from webadmin.console.live import hub as live
from webadmin.console.live import views

VIEWERS = 200
TRANSACTIONS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
# Of clients that came after this test had begun: what the tests before it left behind in the worker's database is not the viewers'.
CONNECTIONS = """
SELECT count(*), count(*) FILTER (WHERE application_name = 'aegis changes')
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND backend_start > (
    SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()
)"""


def test_a_document_s_events_are_the_progress_contract_from_its_beginning_to_its_end(
    site_url: str, viewer: dict[str, str], ledger: Ledger
) -> None:
    document = put("a.md")

    def work() -> None:
        ledger.begin(document, RUN, dead)
        generation = planned(ledger, document, "k1", "k2")
        for window in ledger.windows(generation.id):
            chunks = enriched(ledger, window.id, [f"{window.ordinal} {number}" for number in range(3)])
            ledger.save_embedded(document, RUN, chunks, EMBED, 0.1)
        ledger.finish(document, RUN, State.SUCCEEDED, "")

    async def look() -> Watched:
        seen: list[Watched] = []
        async with connected() as http:
            watching = asyncio.create_task(watch(http, f"{site_url}/api/documents/{document}/events", 8, seen, cookies=viewer))
            await until(lambda: seen and seen[0].of("progress"))
            await asyncio.to_thread(work)
            await until(lambda: seen[0].of("progress")[-1]["fraction"] == 1)
            watching.cancel()
        return seen[0]

    watched = asyncio.run(look())
    assert watched.status == 200
    assert watched.headers["content-type"].startswith("text/event-stream")
    assert watched.headers["x-accel-buffering"] == "no"
    assert "no-store" in watched.headers["cache-control"]
    told = watched.of("progress")
    fractions = [one["fraction"] for one in told]
    assert fractions == sorted(fractions)
    assert told[-1] == ledger.progress(document).model_dump(mode="json")
    assert told[-1]["state"] == "succeeded"
    assert watched.last_id.isdigit()


def test_who_comes_later_is_told_nothing_older_than_the_page_that_asks(
    site_url: str, viewer: dict[str, str], ledger: Ledger, ledger_url: str
) -> None:
    """Marks change without a word where a document has said something in the same second: whoever came first is told late."""
    document = put("a.md")
    ledger.begin(document, RUN, dead)
    (window,) = ledger.windows(planned(ledger, document, "k1").id)
    enriched(ledger, window.id, ["one", "two"])

    async def look() -> list[Watched]:
        seen: list[Watched] = []
        address = f"{site_url}/api/documents/{document}/events"
        async with connected() as http:
            first = asyncio.create_task(watch(http, address, 30, seen, cookies=viewer))
            await until(lambda: seen and seen[0].of("progress"))
            with psycopg.connect(ledger_url, autocommit=True) as database:
                database.execute("UPDATE aegis_chunk_task SET state = 'running' WHERE stage = 'extract'")
            second = asyncio.create_task(watch(http, address, 30, seen, cookies=viewer))
            await until(lambda: len(seen) == 2 and seen[1].of("progress"))
            first.cancel()
            second.cancel()
        return seen

    early, late = asyncio.run(look())
    assert early.of("progress")[0]["chunks_in_flight"] == 0
    assert late.of("progress")[0]["chunks_in_flight"] == 2


def test_two_hundred_viewers_cost_the_database_what_one_does(
    site_url: str, viewer: dict[str, str], ledger: Ledger, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AEGIS_STREAMS_PER_USER", str(VIEWERS))
    settings.cache_clear()
    document, others = put("a.md"), [put(f"{number}.md") for number in range(5)]
    ledger.begin(document, RUN, dead)
    planned(ledger, document, *(f"k{number}" for number in range(50)))
    seconds, writes = 6, 30

    async def crowd() -> tuple[list[Watched], int, tuple[int, int]]:
        ids = "&".join(f"id={one}" for one in (document, *others))
        addresses = [f"{site_url}/api/documents/{document}/events", f"{site_url}/api/documents/events?{ids}"]
        seen: list[Watched] = []
        deadline = asyncio.get_running_loop().time() + 60
        with psycopg.connect(ledger_url, autocommit=True) as database:
            async with connected() as http:
                watching = [
                    asyncio.create_task(watch(http, addresses[number % 2], 120, seen, cookies=viewer)) for number in range(VIEWERS)
                ]
                most = 0
                while sum(bool(one.of("progress") or one.of("standing")) for one in seen) < VIEWERS:
                    assert asyncio.get_running_loop().time() < deadline
                    most = max(most, (database.execute(CONNECTIONS).fetchone() or (0,))[0])
                    await asyncio.sleep(0.05)
                assert most < 60, "they come all at once, as after a restart"
                await asyncio.sleep(2)  # what the log-ins cost has been counted
                before = database.execute(TRANSACTIONS).fetchone()
                for number in range(writes):
                    database.execute("UPDATE aegis_document SET fraction = %s WHERE id = %s", (0.1 + number / 100, document))
                    await asyncio.sleep(seconds / writes)
                await asyncio.sleep(1.5)  # PostgreSQL counts with a delay of a second
                after = database.execute(TRANSACTIONS).fetchone()
                connections = database.execute(CONNECTIONS).fetchone()
                for one in watching:
                    one.cancel()
        assert before is not None
        assert after is not None
        assert connections is not None
        return seen, after[0] - before[0] - writes, connections

    seen, transactions, (connections, listening) = asyncio.run(crowd())
    assert {watched.status for watched in seen} == {200}
    assert transactions < 20 * seconds, f"{transactions} transactions in {seconds} s for {VIEWERS} viewers"
    assert listening == 1
    assert connections < 10, f"{connections} connections for {VIEWERS} viewers"
    last = 0.1 + (writes - 1) / 100
    assert all((watched.of("progress") or watched.of("standing"))[-1]["fraction"] >= last for watched in seen[::2])
    lists = [watched for watched in seen if watched.of("standing")]
    assert len(lists) == VIEWERS // 2
    assert all(
        {one["document"] for one in watched.of("standing")} == {str(one) for one in (document, *others)} for watched in lists
    )
    moves = [[one["fraction"] for one in watched.of("standing") if one["document"] == str(document)] for watched in lists]
    assert all(fractions == sorted(fractions) and len(fractions) > 3 for fractions in moves)


def test_a_viewer_who_comes_again_is_told_only_what_may_be_new(
    site_url: str, viewer: dict[str, str], ledger: Ledger, ledger_url: str
) -> None:
    old, fresh, gone = put("old.md"), put("fresh.md"), uuid4()
    with psycopg.connect(ledger_url, autocommit=True) as database:
        database.execute("ALTER TABLE aegis_document DISABLE TRIGGER aegis_document_transition")
        database.execute("UPDATE aegis_document SET updated_at = now() - interval '1 hour' WHERE id = %s", (old,))
        database.execute("ALTER TABLE aegis_document ENABLE TRIGGER aegis_document_transition")
    address = f"{site_url}/api/documents/events?id={old}&id={fresh}&id={gone}"

    async def twice() -> tuple[Watched, Watched]:
        async with connected() as http:
            first = await watch(http, address, 2.5, [], cookies=viewer)
            second = await watch(http, address, 2.5, [], cookies=viewer, headers={"Last-Event-ID": first.last_id})
        return first, second

    first, second = asyncio.run(twice())
    assert {one["document"] for one in first.of("standing")} == {str(old), str(fresh)}
    assert {one["document"] for one in second.of("standing")} == {str(fresh)}
    assert first.of("gone") == second.of("gone") == [{"document": str(gone)}]


def test_a_silent_stream_beats(site_url: str, viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "BEAT_SECONDS", 0.2)
    document = put("a.md")

    async def look() -> Watched:
        async with connected() as http:
            return await watch(http, f"{site_url}/api/documents/{document}/events", 2.5, [], cookies=viewer)

    assert len(asyncio.run(look()).of("beat")) > 4


def test_what_is_asked_wrongly_gets_a_sentence_and_no_stream(admin: Client) -> None:
    for path, status in (
        (f"/api/documents/{uuid4()}/events", 404),
        ("/api/documents/events", 400),
        ("/api/documents/events?id=x", 400),
        ("/api/documents/events?" + "&".join(f"id={uuid4()}" for _ in range(501)), 400),
    ):
        answer = admin.get(path)
        assert (answer.status_code, list(answer.json())) == (status, ["error"]), path


def test_viewers_who_read_nothing_or_vanish_delay_nobody(
    site_url: str, viewer: dict[str, str], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They send a request and never read a byte of the answer, or hang up in the middle."""
    monkeypatch.setattr(live, "LINGER_SECONDS", 0.1)
    document = put("a.md")
    place = urlsplit(site_url)
    jar = "; ".join(f"{name}={value}" for name, value in viewer.items())
    asked = f"GET /api/documents/{document}/events HTTP/1.1\r\nHost: localhost\r\nCookie: {jar}\r\n\r\n".encode()
    lines = [socket.create_connection((place.hostname or "", place.port or 0), 10) for _ in range(20)]
    for line in lines:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        line.sendall(asked)

    async def look() -> Watched:
        seen: list[Watched] = []
        async with connected() as http:
            watching = asyncio.create_task(watch(http, f"{site_url}/api/documents/{document}/events", 20, seen, cookies=viewer))
            await until(lambda: seen and seen[0].of("progress"))
            for line in lines[:10]:
                line.close()
            await asyncio.to_thread(ledger.begin, document, RUN, dead)
            await until(lambda: seen[0].of("progress")[-1]["state"] == "running", 4)
            watching.cancel()
        return seen[0]

    assert asyncio.run(look()).status == 200
    for line in lines:
        line.close()


def test_the_listening_connection_goes_with_the_last_viewer(
    site_url: str, viewer: dict[str, str], ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LINGER_SECONDS", 0.2)
    document = put("a.md")

    async def look() -> None:
        with psycopg.connect(ledger_url, autocommit=True) as database:

            def listening() -> int:
                row = database.execute(CONNECTIONS).fetchone()
                return row[1] if row else 0

            async with connected() as http:
                address = f"{site_url}/api/documents/{document}/events"
                watching = asyncio.create_task(watch(http, address, 20, [], cookies=viewer))
                await until(lambda: listening() == 1)
                watching.cancel()
                await until(lambda: listening() == 0)

    asyncio.run(look())
