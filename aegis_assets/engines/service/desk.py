"""Blocking calls of the sandbox -> threads, a few at a time, stopped when their caller goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import TypeVar

from aegis_assets.engines.sandbox import Cancelled
from aegis_assets.errors import AegisError, EngineUnavailable

Result = TypeVar("Result")


class Desk:
    def __init__(self, at_once: int, patience: float) -> None:
        """patience: seconds that a call may wait for its turn before it is told to come back."""
        self._at_once = at_once
        self._turns = asyncio.Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="sandbox")
        self._patience = patience
        self._running = 0
        self._used = time.monotonic()

    async def run(self, call: Callable[[Event], Result]) -> Result:
        """call: takes an event that is set when nobody wants the result any more, and then ends soon."""
        try:
            async with asyncio.timeout(self._patience):  # wait_for() of Python 3.11 can swallow a cancellation
                await self._turns.acquire()
        except TimeoutError as error:
            raise EngineUnavailable("The engine server is busy with other documents.") from error
        self._running += 1
        cancelled = Event()
        try:
            work = asyncio.get_running_loop().run_in_executor(self._threads, call, cancelled)
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                cancelled.set()
                with suppress(Cancelled, AegisError):
                    await work  # the turn is free only when the child is gone
                raise
        finally:
            self._running -= 1
            self._used = time.monotonic()
            self._turns.release()

    def idle(self) -> float:
        """Seconds since the last call ended; 0 while one runs."""
        return 0.0 if self._running else time.monotonic() - self._used
