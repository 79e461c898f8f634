"""What lies around every route of the engine server: a small application with real HTTP and a real child, and no model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import httpx
import pytest
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aegis_assets.engines.sandbox import Limits, Sandbox
from aegis_assets.engines.service.bounded_executor import BoundedExecutor
from aegis_assets.engines.service.requests import as_error, as_json, read, seconds_waited, while_connected
from aegis_assets.engines.service.wire import BUSY, WAITED
from aegis_assets.errors import AegisError, EngineUnavailable
from tests.engines.sandbox_jobs import hang, name_of
from tests.engines.test_sandbox import gone, until
from tests.in_thread import in_thread


class Body(BaseModel):
    file: str


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """POST {"file"} hangs in a child that writes its pid there."""
    sandbox = Sandbox()

    async def handler(request: Request) -> Response:
        try:
            body = await read(request, Body, limit_mb=1)
        except AegisError as error:
            return as_error(error)

        def call(cancelled: Event) -> BaseModel:
            return Body.model_validate(
                sandbox.run(name_of(hang), body.model_dump(), tmp_path, Limits(60, 1000), "Parsing", cancelled).result
            )

        async def work() -> Response:
            return as_json(await BoundedExecutor(1, patience=60).run(call))

        return await while_connected(request, work())

    with in_thread(Starlette(routes=[Route("/", handler, methods=["POST"])])) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_caller_that_hangs_up_takes_the_parse_with_it(address: str, tmp_path: Path) -> None:
    file = tmp_path / "pid"

    async def give_up() -> int:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            call = asyncio.create_task(client.post(address, json={"file": str(file)}))
            while not file.exists():
                await asyncio.sleep(0.02)
            pid = int(file.read_text())
            assert not gone(pid)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            return pid

    pid = asyncio.run(give_up())
    until(lambda: gone(pid))


def test_a_request_that_is_too_large_is_refused(address: str) -> None:
    response = httpx.post(address, content=b'{"file": "' + b"x" * 2**21 + b'"}', trust_env=False)
    assert (response.status_code, response.json()["kind"]) == (400, "bad_input")
    assert "1 MB" in response.json()["message"]


def test_a_caller_waits_for_its_turn_and_is_sent_away_when_that_takes_too_long() -> None:
    async def two() -> None:
        desk = BoundedExecutor(1, patience=0.2)
        release = Event()
        first = asyncio.create_task(desk.run(lambda _: release.wait(20)))
        await asyncio.sleep(0)
        with pytest.raises(EngineUnavailable, match="busy") as caught:
            await desk.run(lambda _: True)
        assert caught.value.kind == BUSY
        release.set()
        assert await first
        assert await desk.run(lambda _: "next") == "next"

    asyncio.run(two())


def test_a_caller_who_was_sent_away_keeps_its_place_in_the_queue() -> None:
    async def three() -> list[str]:
        desk, order, release = BoundedExecutor(1, patience=20), list[str](), Event()
        first = asyncio.create_task(desk.run(lambda _: release.wait(20)))
        await asyncio.sleep(0)
        later = [asyncio.create_task(desk.run(lambda _: order.append("came just now")))]
        await asyncio.sleep(0)
        later.append(asyncio.create_task(desk.run(lambda _: order.append("came back"), waited=60.0)))
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(first, *later)
        return order

    assert asyncio.run(three()) == ["came back", "came just now"]


def test_a_slot_that_is_given_to_a_caller_who_just_went_is_given_to_the_next() -> None:
    async def three() -> str:
        desk, release = BoundedExecutor(1, patience=20), Event()
        first = asyncio.create_task(desk.run(lambda _: release.wait(20)))
        await asyncio.sleep(0)
        gone = asyncio.create_task(desk.run(lambda _: "gone"))
        await asyncio.sleep(0)
        desk._give_slot()  # as the end of the first does
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        desk._free -= 1  # for the first still runs
        last = asyncio.create_task(desk.run(lambda _: "last"))
        await asyncio.sleep(0)
        release.set()
        await first
        return await last

    assert asyncio.run(three()) == "last"


@pytest.mark.parametrize(("said", "seconds"), [("12.5", 12.5), ("", 0.0), ("nan", 0.0), ("inf", 0.0), ("-1", 0.0), ("soon", 0.0)])
def test_what_a_caller_says_of_its_waiting_is_a_number_of_seconds_or_nothing(said: str, seconds: float) -> None:
    request = Request({"type": "http", "headers": [(WAITED.lower().encode(), said.encode())]})
    assert seconds_waited(request) == seconds


def test_a_turn_is_free_again_only_when_the_cancelled_work_has_ended() -> None:
    async def cancel() -> list[str]:
        desk = BoundedExecutor(1, patience=20)
        order: list[str] = []

        def slow(cancelled: Event) -> None:
            cancelled.wait(20)
            time.sleep(0.1)  # a child takes a moment to die
            order.append("ended")

        first = asyncio.create_task(desk.run(slow))
        await asyncio.sleep(0)
        second = asyncio.create_task(desk.run(lambda _: order.append("second")))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        return order

    assert asyncio.run(cancel()) == ["ended", "second"]


def test_idle_is_zero_while_work_runs() -> None:
    async def look() -> tuple[float, float]:
        desk = BoundedExecutor(1, patience=1)
        during = await desk.run(lambda _: desk.idle())
        await asyncio.sleep(0.01)
        return during, desk.idle()

    during, after = asyncio.run(look())
    assert during == 0.0
    assert after > 0.0
