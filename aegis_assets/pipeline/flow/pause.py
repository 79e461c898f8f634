"""An engine that stops answering: its requests pause, one at a time probes it, and a chunk is told from an outage.

Without it each of a thousand chunks would be asked for, wait for its limits of time and use up its attempts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, TypeVar

from aegis_assets.errors import AegisError, EngineFailed, EngineOverloaded, EngineUnavailable, EngineUnreachable, Superseded
from aegis_assets.outages import OutageClock

BACK_OFF: Final = (1.0, 15.0)  # seconds between two probes, first and most, doubling
FAULTS: Final = 2  # of a chunk whose engine answers other questions
Result = TypeVar("Result")
Ask = Callable[[], Awaitable[object]]


class Pause:
    """Use within one event loop."""

    def __init__(self, outage_seconds: float) -> None:
        self._outage = OutageClock(outage_seconds)
        self._failures = 0
        self._next_probe = 0.0
        self._turn = asyncio.Lock()
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._answers = False

    @asynccontextmanager
    async def request(self, require_running: Callable[[], None]) -> AsyncIterator[None]:
        """Let a request through; once one has got no answer, let them through one at a time until one of them gets one.

        require_running: raises Superseded for a request that nobody waits for any more.
        """
        async with AsyncExitStack() as turn:
            if self._failures:
                await turn.enter_async_context(self._turn)
                require_running()
                if self._failures:
                    await asyncio.sleep(max(0.0, self._next_probe - time.monotonic()))
                else:
                    await turn.aclose()
            try:
                yield
            except EngineOverloaded:  # how many requests there may be then is the limit's to find out
                raise
            except EngineFailed:
                self._answered()
                raise
            except EngineUnavailable:
                first, most = BACK_OFF
                self._next_probe = time.monotonic() + min(most, first * 2.0 ** min(self._failures, 10))
                self._failures += 1
                raise
            self._answered()

    async def through_outages(self, work: Callable[[], Awaitable[Result]], ask: Ask) -> Result:
        """Do the work, again for as long as the outage may last.

        ask: a trivial question to the engine. Raises EngineUnavailable in an outage, and EngineFailed where the engine answers the
        question and not this work: then the work is at fault.
        """
        faults = 0
        while True:
            try:
                return await work()
            except EngineUnavailable as error:
                if not error.retryable or isinstance(error, EngineUnreachable | EngineOverloaded):  # the client has waited
                    raise
                if await self._answers_now(ask):
                    faults += 1
                    if faults >= FAULTS:
                        raise EngineFailed(error.message, kind=error.kind) from error
                elif not self._outage.keep_waiting():
                    raise

    async def _answers_now(self, ask: Ask) -> bool:
        """Return whether the engine answers, with an error of its own too. Many that want to know at once ask once."""
        failed_at = time.monotonic()
        async with self._asking:
            if self._asked_at < failed_at:
                self._answers = await answers(ask)
                self._asked_at = time.monotonic()
                if self._answers:
                    self._answered()
            return self._answers

    def _answered(self) -> None:
        self._failures = 0
        self._outage.answered()


async def answers(ask: Ask) -> bool:
    """Return whether the engine answers a trivial question, be it with an error of its own. Raises what `ask` knows of a run that
    is over."""
    try:
        await ask()
    except Superseded:
        raise
    except EngineUnavailable as error:
        return not error.retryable
    except AegisError:
        return True
    return True
