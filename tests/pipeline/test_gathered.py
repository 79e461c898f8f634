"""Many results in few writes, none waiting for company, none taking others down."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from itertools import chain

import pytest

from aegis_assets.errors import Superseded
from aegis_assets.pipeline.flow.gathered import Gathered

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Store:
    """Writes while `open` is set; refuses what is negative, as a transaction does: whole."""

    def __init__(self) -> None:
        self.writes: list[list[int]] = []
        self.open = threading.Event()
        self.begun = threading.Event()

    def write(self, items: Sequence[int]) -> None:
        self.begun.set()
        assert self.open.wait(10)
        if min(items) < 0:
            raise ValueError(min(items))
        self.writes.append(list(items))


async def test_what_arrives_during_a_write_goes_together_into_the_next() -> None:
    store = Store()
    gathered = Gathered(store.write)
    first = asyncio.create_task(gathered.add(0))
    await asyncio.to_thread(store.begun.wait, 10)
    others = [asyncio.create_task(gathered.add(number)) for number in range(1, 100)]
    await asyncio.sleep(0)
    store.open.set()
    await asyncio.gather(first, *others)
    assert [len(write) for write in store.writes] == [1, 64, 35]
    assert [*chain(*store.writes)] == list(range(100))


async def test_one_that_cannot_be_written_fails_alone() -> None:
    store = Store()
    store.open.set()
    gathered = Gathered(store.write)
    results = await asyncio.gather(*(gathered.add(number) for number in (1, -2, 3)), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), ValueError, type(None)]
    assert sorted([*chain(*store.writes)]) == [1, 3]


async def test_a_run_that_lost_the_document_is_told_so_for_all() -> None:
    def refuse(_: Sequence[int]) -> None:
        calls.append(1)
        raise Superseded("Another run has taken over this document.")

    calls: list[int] = []
    gathered = Gathered(refuse)
    results = await asyncio.gather(*(gathered.add(number) for number in range(5)), return_exceptions=True)
    assert all(isinstance(result, Superseded) for result in results)
    assert len(calls) <= 2


async def test_an_adder_that_was_cancelled_does_not_stop_the_others() -> None:
    store = Store()
    gathered = Gathered(store.write)
    lost, kept = asyncio.create_task(gathered.add(1)), asyncio.create_task(gathered.add(2))
    await asyncio.sleep(0)
    lost.cancel()
    store.open.set()
    await kept
    with pytest.raises(asyncio.CancelledError):
        await lost
    assert [*chain(*store.writes)] == [1, 2]
