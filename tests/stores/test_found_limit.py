"""The limit that is found out, on a real PostgreSQL: what permits report moves it, over processes and runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import psycopg
import pytest

from aegis_assets.errors import Misconfigured
from aegis_assets.model.lease import FoundLimitRow
from aegis_assets.pipeline.concurrency_limit import START
from aegis_assets.pipeline.ports import Permit
from aegis_assets.settings import Settings
from aegis_assets.stores.leases import Leases, language_model_server

A, B = UUID(int=1), UUID(int=2)
SERVER = "qwen3:32b at http://gpu:11434"
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def found(url: str, ceiling: int = 8, server: str = SERVER, choice: str = "auto") -> Leases:
    return Leases(url, {"ollama": ceiling, "vram": 5500}, {"ollama": server}, choice)


@asynccontextmanager
async def leases(url: str, **how: str | int) -> AsyncIterator[Leases]:
    opened = found(url, **how)  # type: ignore[arg-type]
    try:
        yield opened
    finally:
        await opened.close()


class Slots:
    """A server that works on some requests at once and lets the others wait, and a client that reports what a real one reports."""

    def __init__(self, slots: int, prompt: float = 0.02, seconds: float = 0.12) -> None:
        self.free = asyncio.Semaphore(slots)
        self.prompt, self.seconds = prompt, seconds

    async def answer(self, permit: Permit) -> None:
        async with self.free:
            await asyncio.sleep(self.prompt)
            permit.first_token()
            for _ in range(4):
                await asyncio.sleep((self.seconds - self.prompt) / 4)
                permit.progress()
            permit.finished(40)


async def ask(held: Leases, server: Slots, requests: int, owner: UUID = A) -> None:
    async def request() -> None:
        async with held.hold("ollama", 1, owner) as permit:
            await server.answer(permit)

    await asyncio.gather(*(request() for _ in range(requests)))


async def until(true: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not come about"
        await asyncio.sleep(0.02)


def limit(held: Leases) -> int:
    return held.found_limit("ollama").limit


def execute(url: str, statement: str, *values: object) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement, values)


def choose(url: str, word: int) -> None:
    execute(url, "INSERT INTO aegis_limit (name, value) VALUES ('ollama_limit', %s)", word)


async def test_a_server_that_nobody_has_asked_yet_gets_a_few_requests(ledger_url: str) -> None:
    async with leases(ledger_url) as held:
        assert held.found_limit("ollama") == FoundLimitRow(server=SERVER, auto=True, limit=START, ceiling=8, answered=0)
        inside = most = 0

        async def silent() -> None:
            nonlocal inside, most
            async with held.hold("ollama", 1, A):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.02)
                inside -= 1

        await asyncio.gather(*(silent() for _ in range(40)))
        assert most == START
        assert limit(held) == START, "requests that report nothing leave it as it is"


async def test_it_falls_on_a_server_with_one_slot_and_is_remembered_by_the_next_process(ledger_url: str) -> None:
    async with leases(ledger_url) as held:
        server = Slots(1)
        while limit(held) > 2:
            await ask(held, server, 12)
        row = held.found_limit("ollama")
        assert (row.limit, row.ceiling) == (2, 8)
        assert row.answered >= 12
    async with leases(ledger_url) as next_process:
        assert limit(next_process) == 2
    async with leases(ledger_url, server="other") as other:
        assert limit(other) == START, "another server"


async def test_it_rises_to_the_ceiling_of_a_server_with_as_many_slots(ledger_url: str) -> None:
    async with leases(ledger_url) as held:
        server = Slots(8)
        while limit(held) < 8:
            await ask(held, server, 16)
        execute(ledger_url, "INSERT INTO aegis_limit (name, value) VALUES ('ollama_max_concurrent', 3)")
        assert held.found_limit("ollama").limit == 3


async def test_two_processes_find_out_one_limit_together(ledger_url: str) -> None:
    async with leases(ledger_url) as one, leases(ledger_url) as other:
        server = Slots(1)
        while limit(one) > 2:
            await asyncio.gather(ask(one, server, 8, A), ask(other, server, 8, B))
        assert limit(other) == 2


async def test_a_refusal_halves_it_once_for_all_that_were_in_flight(ledger_url: str) -> None:
    async with leases(ledger_url) as held:
        execute(
            ledger_url,
            "INSERT INTO aegis_concurrency (resource, server, value, since, due, state)"
            """ VALUES ('ollama', %s, 8, 'epoch', 100, '{"value": 8, "due": 100}')""",
            SERVER,
        )
        inside = asyncio.Barrier(8)

        async def refused() -> None:
            async with held.hold("ollama", 1, A) as permit:
                await inside.wait()
                permit.refused()

        await asyncio.gather(*(refused() for _ in range(8)))
        await until(lambda: limit(held) < 8)
        assert limit(held) == 4


async def test_fixed_uses_the_whole_ceiling_and_the_console_changes_it_for_who_waits(ledger_url: str) -> None:
    execute(
        ledger_url,
        "INSERT INTO aegis_concurrency (resource, server, value, since, due) VALUES ('ollama', %s, 1, 'epoch', 4)",
        SERVER,
    )
    async with leases(ledger_url) as held, held.hold("ollama", 1, A):
        waiting = asyncio.create_task(enter(held, "ollama"))
        await until(lambda: len(held.holders()) == 2)
        choose(ledger_url, 0)
        held.announce()
        await asyncio.wait_for(waiting, 15)
        assert held.found_limit("ollama") == FoundLimitRow(server=SERVER, auto=False, limit=8, ceiling=8, answered=0)
    async with leases(ledger_url, choice="fixed") as held:
        execute(ledger_url, "DELETE FROM aegis_limit")
        assert limit(held) == 8
        choose(ledger_url, 1)
        assert limit(held) == 1


async def test_with_a_fixed_limit_answers_are_counted_and_decide_nothing(ledger_url: str) -> None:
    async with leases(ledger_url, choice="fixed") as held:
        await ask(held, Slots(1, seconds=0.03), 24)
        assert held.found_limit("ollama") == FoundLimitRow(server=SERVER, auto=False, limit=8, ceiling=8, answered=24)
    with psycopg.connect(ledger_url) as connection:
        assert connection.execute("SELECT count(*) FROM aegis_concurrency WHERE version > 0").fetchone() == (0,)


async def test_a_call_heavier_than_the_limit_found_out_goes_alone(ledger_url: str) -> None:
    async with leases(ledger_url) as held:
        execute(
            ledger_url,
            "INSERT INTO aegis_concurrency (resource, server, value, since, due) VALUES ('ollama', %s, 1, 'epoch', 4)",
            SERVER,
        )
        async with held.hold("ollama", 1, A):
            heavy = asyncio.create_task(enter(held, "ollama", 5))
            await until(lambda: len(held.holders()) == 2)
            assert not heavy.done()
        await asyncio.wait_for(heavy, 15)
        with pytest.raises(Misconfigured, match="allows 8"):
            await enter(held, "ollama", 9)


async def test_a_state_that_another_version_wrote_is_begun_anew(ledger_url: str) -> None:
    execute(
        ledger_url,
        "INSERT INTO aegis_concurrency (resource, server, value, since, due, decided_at, state)"
        """ VALUES ('ollama', %s, 8, 'epoch', 1, 'epoch', '{"value": "many"}')""",
        SERVER,
    )
    async with leases(ledger_url) as held:
        await ask(held, Slots(8, seconds=0.03), 1)
        await until(lambda: limit(held) == START)


async def test_the_progress_of_another_process_is_known(ledger_url: str) -> None:
    async with leases(ledger_url) as one, leases(ledger_url) as other, one.hold("ollama", 1, A) as waits:
        async with other.hold("ollama", 1, B) as works:
            sent = waits.last_progress()
            works.first_token()
            assert works.last_progress() > sent
            await until(lambda: waits.last_progress() > sent)
        assert waits.last_progress() <= time.monotonic()


async def test_without_a_connection_a_process_knows_its_own_progress(ledger_url: str) -> None:
    async with leases(ledger_url) as held, held.hold("ollama", 1, A) as one, held.hold("ollama", 1, A) as other:
        cut_connections(ledger_url)
        before = one.last_progress()
        other.progress()
        assert one.last_progress() > before


async def test_what_was_answered_long_ago_is_forgotten(ledger_url: str) -> None:
    from aegis_assets.stores import lease_limit

    async with leases(ledger_url) as held:
        await ask(held, Slots(8, seconds=0.03), 3)
        execute(ledger_url, "UPDATE aegis_answer SET ended_at = ended_at - interval '11 min'")
        session = held._session()
        async with held.hold("ollama", 1, A):
            [progress] = session._progress.values()
            progress.forgotten -= lease_limit.FORGET_SECONDS
            with psycopg.connect(ledger_url, autocommit=True) as connection:
                await until(lambda: connection.execute("SELECT count(*) FROM aegis_answer").fetchone() == (0,))


async def test_tables_of_an_older_version_are_said_in_a_sentence(ledger_url: str) -> None:
    execute(ledger_url, "ALTER TABLE aegis_concurrency RENAME TO aegis_concurrency_away")
    try:
        async with leases(ledger_url) as held:
            with pytest.raises(Misconfigured, match="migrate"):
                await enter(held, "ollama")
    finally:
        execute(ledger_url, "ALTER TABLE aegis_concurrency_away RENAME TO aegis_concurrency")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://user:secret@gpu:11434/", "m at http://gpu:11434"),
        ("gpu:11434", "m at gpu:11434"),
        ("https://llm/ollama?key=secret", "m at https://llm/ollama"),
        ("", ""),
    ],
)
def test_a_server_is_named_without_secrets(url: str, name: str) -> None:
    assert language_model_server(Settings(ollama_url=url, ollama_model="m")) == name
    assert language_model_server(Settings(llm_url=url, llm_model="m", extractor="openai")) == name


async def enter(held: Leases, resource: str, weight: int = 1) -> None:
    async with held.hold(resource, weight, A):
        pass


def cut_connections(url: str) -> None:
    execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'aegis leases' AND datname = current_database()",
    )
