"""Blocking calls of the sandbox -> threads, a few at a time, stopped when their caller goes."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from threading import Event
from typing import TypeVar

from aegis_assets.engines.sandbox import Cancelled
from aegis_assets.engines.service.wire import BUSY
from aegis_assets.errors import AegisError, EngineUnavailable

Result = TypeVar("Result")


class BoundedExecutor:
    """A slot that is free goes to the caller who has waited longest, also where that one was sent away and came back."""

    def __init__(self, at_once: int, patience: float) -> None:
        """patience: seconds that a call may wait for a slot before it is told to come back."""
        self._free = at_once
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="sandbox")
        self._patience = patience
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []  # a heap by the moment when each came first
        self._numbers = count()
        self._running = 0
        self._used = time.monotonic()

    async def run(self, call: Callable[[Event], Result], waited: float = 0.0) -> Result:
        """call: takes an event that is set when nobody wants the result any more, and then ends soon.

        waited: seconds that the caller has waited before, in requests that were sent away. Raises EngineUnavailable of kind `BUSY`.
        """
        await self._take_slot(waited)
        self._running += 1
        cancelled = Event()
        try:
            work = asyncio.get_running_loop().run_in_executor(self._threads, call, cancelled)
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                cancelled.set()
                with suppress(Cancelled, AegisError):
                    await work  # the slot is free only when the child is gone
                raise
        finally:
            self._running -= 1
            self._used = time.monotonic()
            self._give_slot()

    def idle(self) -> float:
        """Seconds since the last call ended; 0 while one runs."""
        return 0.0 if self._running else time.monotonic() - self._used

    async def _take_slot(self, waited: float) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (time.monotonic() - waited, next(self._numbers), turn))
        try:
            async with asyncio.timeout(self._patience):  # wait_for() of Python 3.11 can swallow a cancellation
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if not turn.cancelled():
                self._give_slot()  # it was given and given up at the same moment
            if isinstance(error, TimeoutError):
                raise EngineUnavailable("The engine server is busy with other documents.", kind=BUSY) from error
            raise

    def _give_slot(self) -> None:
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
