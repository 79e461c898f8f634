"""Leases on a real PostgreSQL, over several processes."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from uuid import UUID, uuid4

import psycopg
import pytest

from aegis_assets.errors import EngineUnavailable, Misconfigured, StoreUnavailable
from aegis_assets.settings import ROOT
from aegis_assets.stores import lease_session
from aegis_assets.stores.leases import Leases

A, B = UUID(int=1), UUID(int=2)
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def leases(url: str, **capacities: int) -> AsyncIterator[Leases]:
    opened = Leases(url, capacities)
    try:
        yield opened
    finally:
        await opened.close()


@contextmanager
def other_process(url: str, resource: str, weight: int, capacity: int, owner: UUID) -> Iterator[subprocess.Popen[str]]:
    """It holds the lease when this yields."""
    words = [sys.executable, "-m", "tests.stores.lease_worker", url, resource, str(weight), str(capacity), str(owner)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


async def until(true: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not come about"
        await asyncio.sleep(0.02)


def rows(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT resource, weight, held FROM aegis_lease ORDER BY requested_at").fetchall()


async def test_two_hundred_tasks_never_pass_four_slots(ledger_url: str) -> None:
    inside = most = 0
    async with leases(ledger_url, ollama=4) as slots:

        async def task(owner: UUID) -> None:
            nonlocal inside, most
            async with slots.hold("ollama", 1, owner):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.01)
                inside -= 1

        await asyncio.gather(*(task(UUID(int=number % 5)) for number in range(200)))
    assert most == 4
    assert rows(ledger_url) == []


async def test_processes_share_the_capacity(ledger_url: str) -> None:
    with other_process(ledger_url, "ollama", 2, 3, A):
        async with leases(ledger_url, ollama=3) as slots, slots.hold("ollama", 1, B):
            waiting = asyncio.create_task(enter(slots, "ollama", 1, B))
            await until(lambda: rows(ledger_url) == [("ollama", 2, True), ("ollama", 1, True), ("ollama", 1, False)])
            assert not waiting.done()
            waiting.cancel()
            await asyncio.wait([waiting])
            assert rows(ledger_url) == [("ollama", 2, True), ("ollama", 1, True)]


async def test_a_killed_holder_frees_its_lease(ledger_url: str) -> None:
    with other_process(ledger_url, "vram", 5000, 5500, A) as holder:
        async with leases(ledger_url, vram=5500) as slots:
            waiting = asyncio.create_task(enter(slots, "vram", 1000, B))
            await until(lambda: ("vram", 1000, False) in rows(ledger_url))
            holder.send_signal(signal.SIGKILL)
            await asyncio.wait_for(waiting, 15)
    assert rows(ledger_url) == []


async def test_a_stopped_waiter_of_another_process_does_not_block_the_queue(ledger_url: str) -> None:
    async with leases(ledger_url, ollama=1) as slots:
        async with slots.hold("ollama", 1, A):
            words = [sys.executable, "-m", "tests.stores.lease_worker", ledger_url, "ollama", "1", "1", str(B)]
            process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            await until(lambda: len(rows(ledger_url)) == 2)
            process.kill()
            process.communicate()
            after = asyncio.create_task(enter(slots, "ollama", 1, A))
            await until(lambda: rows(ledger_url) == [("ollama", 1, True), ("ollama", 1, False)])
        await asyncio.wait_for(after, 15)


async def test_a_slot_goes_to_the_document_that_holds_least(ledger_url: str) -> None:
    order: list[str] = []
    async with leases(ledger_url, ollama=2) as slots:

        async def work(name: str, owner: UUID, done: asyncio.Event) -> None:
            async with slots.hold("ollama", 1, owner):
                order.append(name)
                await done.wait()

        first, second, never = asyncio.Event(), asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(work("a1", A, first)), asyncio.create_task(work("a2", A, second))]
        await until(lambda: order == ["a1", "a2"])
        for name, owner in (("a3", A), ("a4", A), ("b1", B)):
            tasks.append(asyncio.create_task(work(name, owner, never)))
            await until(partial(waits, ledger_url, len(tasks)))
        first.set()
        await until(lambda: len(order) == 3)
        assert order[2] == "b1"
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert rows(ledger_url) == []


async def test_weights_add_up_and_a_heavy_request_is_not_starved(ledger_url: str) -> None:
    async with leases(ledger_url, vram=10) as slots:
        async with slots.hold("vram", 6, A):
            heavy = asyncio.create_task(enter(slots, "vram", 8, B))
            await until(lambda: ("vram", 8, False) in rows(ledger_url))
            light = asyncio.create_task(enter(slots, "vram", 1, B))
            await until(lambda: ("vram", 1, False) in rows(ledger_url))
            assert not heavy.done()
            assert not light.done()
        await asyncio.wait_for(asyncio.gather(heavy, light), 10)


async def test_more_than_there_ever_is_is_refused_by_the_name_of_the_setting(ledger_url: str) -> None:
    async with leases(ledger_url, vram=10) as slots:
        with pytest.raises(Misconfigured, match="vram_budget_mb allows 10"):
            await enter(slots, "vram", 11, A)
        with pytest.raises(Misconfigured):
            await enter(slots, "unknown", 1, A)
    assert rows(ledger_url) == []


async def test_a_raised_limit_acts_on_who_waits(ledger_url: str) -> None:
    async with leases(ledger_url, ollama=1) as slots, slots.hold("ollama", 1, A):
        waiting = asyncio.create_task(enter(slots, "ollama", 1, A))
        await until(lambda: len(rows(ledger_url)) == 2)
        set_limit(ledger_url, "ollama_max_concurrent", 2)
        await asyncio.wait_for(waiting, 15)
        assert slots.capacities() == {"ollama": 2}


async def test_a_lowered_limit_holds_back_the_next(ledger_url: str) -> None:
    async with leases(ledger_url, ollama=2) as slots, slots.hold("ollama", 1, A):
        set_limit(ledger_url, "ollama_max_concurrent", 1)
        slots.announce()
        waiting = asyncio.create_task(enter(slots, "ollama", 1, A))
        await until(lambda: ("ollama", 1, False) in rows(ledger_url))
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_a_limit_lowered_below_a_waiting_request_refuses_it(ledger_url: str) -> None:
    async with leases(ledger_url, vram=10) as slots, slots.hold("vram", 5, A):
        waiting = asyncio.create_task(enter(slots, "vram", 8, B))
        await until(lambda: len(rows(ledger_url)) == 2)
        set_limit(ledger_url, "vram_budget_mb", 6)
        slots.announce()
        with pytest.raises(Misconfigured):
            await asyncio.wait_for(waiting, 15)


async def test_a_cancelled_wait_leaves_no_row_and_passes_the_slot_on(ledger_url: str) -> None:
    async with leases(ledger_url, ollama=1) as slots:
        async with slots.hold("ollama", 1, A):
            gone = asyncio.create_task(enter(slots, "ollama", 1, A))
            await until(lambda: len(rows(ledger_url)) == 2)
            gone.cancel()
            await asyncio.wait([gone])
        await asyncio.wait_for(enter(slots, "ollama", 1, B), 10)
    assert rows(ledger_url) == []


async def test_a_wait_for_a_slot_that_nobody_gives_back_has_an_end_and_leaves_no_row(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with leases(ledger_url, ollama=1) as slots, slots.hold("ollama", 1, A):
        monkeypatch.setattr(lease_session, "WAIT_SECONDS", 0.2)
        with pytest.raises(EngineUnavailable, match="No slot was free"):
            await enter(slots, "ollama", 1, B)
        assert rows(ledger_url) == [("ollama", 1, True)]
    assert rows(ledger_url) == []


async def test_tasks_cancelled_at_any_moment_leave_nothing(ledger_url: str) -> None:
    async with leases(ledger_url, ollama=3) as slots:

        async def work(owner: UUID) -> None:
            async with slots.hold("ollama", 1, owner):
                await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(work(UUID(int=number % 3))) for number in range(60)]
        for steps, task in enumerate(tasks):
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.wait_for(enter(slots, "ollama", 3, A), 10)
    assert rows(ledger_url) == []


async def test_an_error_inside_gives_the_lease_back(ledger_url: str) -> None:
    async with leases(ledger_url, ollama=1) as slots:
        with pytest.raises(ZeroDivisionError):
            async with slots.hold("ollama", 1, A):
                _ = 1 / 0
        assert rows(ledger_url) == []


async def test_a_cut_connection_keeps_what_is_held_and_wakes_who_waits(ledger_url: str) -> None:
    async with leases(ledger_url, ollama=1) as slots:
        async with slots.hold("ollama", 1, A):
            waiting = asyncio.create_task(enter(slots, "ollama", 1, B))
            await until(lambda: len(rows(ledger_url)) == 2)
            cut_connections(ledger_url)
            await until(lambda: [row.held for row in slots.holders()] == [True, False])
        await asyncio.wait_for(waiting, 15)
    assert rows(ledger_url) == []


async def test_holders_tell_who_holds_and_who_waits_and_leave_out_the_dead(ledger_url: str) -> None:
    with psycopg.connect(ledger_url) as connection:
        connection.execute(
            "INSERT INTO aegis_lease (id, resource, weight, owner, session, held) VALUES (%s, 'ollama', 1, %s, 12345, true)",
            (uuid4(), A),
        )
    async with leases(ledger_url, ollama=1) as slots, slots.hold("ollama", 1, A):
        waiting = asyncio.create_task(enter(slots, "ollama", 1, B))
        await until(lambda: len(slots.holders()) == 2)
        holding, other = slots.holders()
        assert (holding.owner, holding.held, other.owner, other.held) == (A, True, B, False)
        assert holding.granted_at is not None
        assert ":" in holding.holder
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_a_ledger_that_is_away_is_said_in_a_sentence() -> None:
    async with leases("postgresql://nobody@127.0.0.1:1/nothing", ollama=1) as slots:
        with pytest.raises(StoreUnavailable):
            await enter(slots, "ollama", 1, A)


def test_each_event_loop_has_its_own_session_which_ends_with_it(ledger_url: str) -> None:
    slots = Leases(ledger_url, {"ollama": 1})
    for _ in range(3):
        asyncio.run(enter(slots, "ollama", 1, A))
    with psycopg.connect(ledger_url) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aegis leases' AND datname = current_database()"

        async def gone() -> None:
            await until(lambda: connection.execute(query).fetchone() == (0,))

        asyncio.run(gone())


def waits(url: str, number: int) -> bool:
    return len(rows(url)) == number


async def enter(slots: Leases, resource: str, weight: int, owner: UUID) -> None:
    async with slots.hold(resource, weight, owner):
        pass


def set_limit(url: str, name: str, value: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO aegis_limit (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value",
            (name, value),
        )


def cut_connections(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'aegis leases' AND datname = current_database()"
        )
