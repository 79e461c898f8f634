"""Steps as threads: side by side within their lanes, failing alone, stopped when the run is."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._utils.interrupts import capture_interrupts

from aegis_assets.dagster_ext.threads import ThreadedExecutor
from aegis_assets.errors import Superseded
from aegis_assets.pipeline.flow import loop

SEEN: dict[str, int] = {"now": 0, "most": 0, "done": 0}
GUARD = threading.Lock()
MEETING = threading.Barrier(3)


@dg.executor(requirements=[])
def threads(_: dg.InitExecutorContext) -> dg.Executor:
    return ThreadedExecutor(8, [{"key": "lane", "value": "few", "limit": 3}])


@dg.op(out=dg.DynamicOut(int))
def numbers() -> Iterator[dg.DynamicOutput[int]]:
    for number in range(6):
        yield dg.DynamicOutput(number, mapping_key=f"n{number}")


@dg.op(tags={"lane": "few"})
def meet(number: int) -> int:
    """Passes only three at a time, and only when three are there."""
    with GUARD:
        SEEN["now"] += 1
        SEEN["most"] = max(SEEN["most"], SEEN["now"])
    MEETING.wait(20)
    with GUARD:
        SEEN["now"] -= 1
    return number


@dg.op(tags={"lane": "few"})
def odd_ones_fail(number: int) -> int:
    if number % 2:
        raise ValueError(number)
    with GUARD:
        SEEN["done"] += 1
    return number


@dg.op
def total(values: list[int]) -> int:
    return sum(values)


@dg.op
def wait_for_ever() -> None:
    async def never() -> None:
        SEEN["now"] = 1
        await asyncio.Event().wait()

    loop.wait_for(never())


@dg.job(executor_def=threads)
def side_by_side() -> None:
    total(numbers().map(meet).collect())


@dg.job(executor_def=threads)
def some_fail() -> None:
    total(numbers().map(odd_ones_fail).collect())


@dg.job(executor_def=threads)
def endless() -> None:
    wait_for_ever()


@pytest.fixture(autouse=True)
def fresh() -> None:
    SEEN.update(now=0, most=0, done=0)
    MEETING.reset()


def test_mapped_steps_run_side_by_side_and_never_more_than_their_lane_has() -> None:
    with dg.instance_for_test() as instance, dg.execute_job(dg.reconstructable(side_by_side), instance=instance) as result:
        assert result.success
        assert result.output_for_node("total") == 15
    assert SEEN["most"] == 3


def test_a_step_that_fails_fails_the_run_and_not_its_siblings() -> None:
    with dg.instance_for_test() as instance, dg.execute_job(dg.reconstructable(some_fail), instance=instance) as result:
        assert not result.success
        assert sorted(event.step_key or "" for event in result.get_step_failure_events()) == [
            f"odd_ones_fail[n{number}]" for number in (1, 3, 5)
        ]
    assert SEEN["done"] == 3


def test_a_run_that_is_stopped_stops_what_it_waits_for() -> None:
    def stop() -> None:
        while not SEEN["now"]:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop, daemon=True).start()
    with dg.instance_for_test() as instance:
        with capture_interrupts(), suppress(DagsterExecutionInterruptedError):
            dg.execute_job(dg.reconstructable(endless), instance=instance)
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.FAILURE  # CANCELED where someone asked Dagster for it
    assert not loop._waiting


def test_the_loop_gives_back_what_the_work_raises() -> None:
    async def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        loop.wait_for(fails())


def test_work_that_is_stopped_says_so() -> None:
    begun = threading.Event()

    async def never() -> None:
        begun.set()
        await asyncio.Event().wait()

    def stop() -> None:
        begun.wait(10)
        loop.stop_all()

    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(Superseded):
        loop.wait_for(never())


def test_what_has_begun_ahead_is_taken_and_not_done_again() -> None:
    began: list[str] = []
    go_on = threading.Event()

    async def work(name: str) -> None:
        began.append(name)
        await asyncio.to_thread(go_on.wait, 10)

    loop.ahead(("run", "w0"), work("ahead"), most=1)
    loop.ahead(("run", "w1"), work("too many"), most=1)
    deadline = time.monotonic() + 60
    while not began:
        assert time.monotonic() < deadline
    go_on.set()
    loop.take(("run", "w0"), work("again"))
    loop.take(("run", "w1"), work("by its step"))
    assert began == ["ahead", "by its step"]


def test_what_has_begun_ahead_stops_with_the_run() -> None:
    stopped = threading.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.set()
            raise

    async def nothing() -> None:
        raise AssertionError("it was begun already")

    loop.ahead(("run", "w0"), work(), most=1)
    time.sleep(0.1)
    loop.stop_all()
    assert stopped.wait(10)
    with pytest.raises(Superseded):
        loop.take(("run", "w0"), nothing())


def test_what_fails_ahead_fails_its_step() -> None:
    async def work() -> None:
        raise ValueError("no")

    async def nothing() -> None:
        raise AssertionError("it was begun already")

    loop.ahead(("run", "w0"), work(), most=1)
    with pytest.raises(ValueError, match="no"):
        loop.take(("run", "w0"), nothing())
