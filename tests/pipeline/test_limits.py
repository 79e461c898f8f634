"""Gates follow the number that they are given, and what was changed is read at most once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from aegis_assets.errors import StoreUnavailable
from aegis_assets.pipeline.flow import limits
from aegis_assets.pipeline.flow.limits import LOOK_SECONDS, Changes, Gate
from aegis_assets.pipeline.flow.platform import Numbers, Platform
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import RUN, running

NUMBERS = Numbers(parallel_chunks_per_doc=2, embedding_batch_size=16, window_pages=16, window_chunks=64)


class Number:
    def __init__(self, value: int) -> None:
        self.value = value

    def __call__(self) -> int:
        return self.value


async def crowd(gate: Gate, count: int) -> tuple[list[int], list[asyncio.Task[None]], list[asyncio.Event]]:
    inside: list[int] = []
    ends = [asyncio.Event() for _ in range(count)]

    async def one(number: int) -> None:
        async with gate:
            inside.append(number)
            await ends[number].wait()
        inside.remove(number)

    tasks = [asyncio.create_task(one(number)) for number in range(count)]
    await asyncio.sleep(0.01)
    return inside, tasks, ends


def test_a_gate_lets_in_as_many_as_it_may_in_the_order_in_which_they_came() -> None:
    async def go() -> None:
        inside, tasks, ends = await crowd(Gate(Number(2)), 4)
        assert inside == [0, 1]
        ends[1].set()
        await asyncio.sleep(0.01)
        assert inside == [0, 2]
        for end in ends:
            end.set()
        await asyncio.gather(*tasks)
        assert inside == []

    asyncio.run(go())


def test_a_gate_widens_and_narrows_under_those_who_are_inside() -> None:
    async def go() -> None:
        number = Number(2)
        gate = Gate(number)
        inside, tasks, ends = await crowd(gate, 6)
        number.value = 4
        gate.widen()
        await asyncio.sleep(0.01)
        assert inside == [0, 1, 2, 3]
        number.value = 1
        for end in ends[:3]:
            end.set()
        await asyncio.sleep(0.01)
        assert inside == [3], "three left, and nobody came in their place"
        for end in ends:
            end.set()
        await asyncio.gather(*tasks)

    asyncio.run(go())


def test_who_is_cancelled_while_waiting_or_as_it_is_let_in_takes_no_place() -> None:
    async def go() -> None:
        gate = Gate(Number(1))
        inside, tasks, ends = await crowd(gate, 3)
        tasks[1].cancel()
        await asyncio.sleep(0.01)
        ends[0].set()
        await asyncio.sleep(0)  # 2 is let in, and cancelled before it runs
        tasks[2].cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        assert inside == []
        async with asyncio.timeout(1), gate:
            pass

    asyncio.run(go())


def test_changes_are_read_once_for_all_who_ask_and_kept_while_the_ledger_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    changes = Changes()

    def answer() -> Mapping[str, int]:
        read.append(1)
        return {"parallel_chunks_per_doc": 7}

    def away() -> Mapping[str, int]:
        raise StoreUnavailable("The ledger is away.")

    changes.look(answer)
    changes.look(answer)
    assert len(read) == 1
    monkeypatch.setattr(limits, "LOOK_SECONDS", 0.0)
    changes.look(away)
    assert changes.numbers == {"parallel_chunks_per_doc": 7}


def test_a_running_document_takes_more_chunks_within_two_seconds_of_the_change(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    rest: Any = dict.fromkeys(("bucket", "parser", "vision", "embedder", "extractor", "vectors", "graph", "leases", "fetch"), None)
    platform = Platform(ledger=ledger, numbers=NUMBERS, **rest)
    document = running(ledger)

    def change() -> None:
        with ledger.connection() as connection:
            connection.execute("INSERT INTO aegis_limit (name, value) VALUES ('parallel_chunks_per_doc', 5), ('window_pages', 1)")

    async def go() -> None:
        async with platform.asking(document, RUN):
            inside, tasks, ends = await crowd(platform.gate(document), 6)
            await asyncio.sleep(LOOK_SECONDS)
            assert inside == [0, 1]
            await asyncio.to_thread(change)
            async with asyncio.timeout(2):
                while len(inside) < 5:
                    await asyncio.sleep(0.05)
            for end in ends:
                end.set()
            await asyncio.gather(*tasks)

    try:
        asyncio.run(go())
    finally:
        ledger.close()
    assert platform.now() == Numbers(5, 16, 16, 64), "how a document is cut does not change under it"
