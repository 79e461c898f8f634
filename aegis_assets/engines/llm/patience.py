"""How long a request may take: until its first token, between two tokens, and from the first to the last.

A request that waits in a server's queue is no failure: a limit on the whole call threw away the work of five requests out of nine
where a server with one slot was asked eight times at once. So the wait for the first token has a limit of its own, which starts
anew whenever the server makes progress with another request of ours: as long as it does, the queue moves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from pydantic import BaseModel, ConfigDict, PositiveFloat

from aegis_assets.engines.llm.faults import Server, TimedOut
from aegis_assets.pipeline.ports import Permit
from aegis_assets.settings import Settings

MAX_RESTARTS: Final = 24  # of the wait for a first token: a request that a server has lost ends while others go on


class Limits(BaseModel):
    """Seconds. first_token: without progress of any of our requests. gap: between two tokens. answer: from first to last."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    first_token: PositiveFloat = 1800.0
    gap: PositiveFloat = 60.0
    answer: PositiveFloat = 180.0

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        return cls(first_token=settings.llm_first_token_timeout, gap=settings.llm_token_gap, answer=settings.ollama_timeout)


class Watch:
    """The clock of one request. `token` costs an assignment; one timer fires when a limit could have passed."""

    def __init__(self, limits: Limits, permit: Permit, timeout: asyncio.Timeout) -> None:
        self.limits = limits
        self._permit = permit
        self._timeout = timeout
        self._began = time.monotonic()
        self._first: float | None = None
        self._last = self._began
        self._timer: asyncio.TimerHandle | None = None
        self._arm(limits.first_token)

    @property
    def answering(self) -> bool:
        return self._first is not None

    @property
    def in_gap(self) -> bool:
        """Whether the limit that passes next is the one between two tokens."""
        return self._first is not None and self._last + self.limits.gap < self._first + self.limits.answer

    def token(self) -> None:
        """Note that a token has come, here and in the permit."""
        self._last = time.monotonic()
        if self._first is not None:
            self._permit.progress()
            return
        self._first = self._last
        self._permit.first_token()
        self._arm(min(self.limits.gap, self.limits.answer))

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, seconds: float) -> None:
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        left = self._due() - time.monotonic()
        if left > 0:
            self._arm(left)
        else:
            self._timeout.reschedule(asyncio.get_running_loop().time())

    def _due(self) -> float:
        if self._first is not None:
            return min(self._last + self.limits.gap, self._first + self.limits.answer)
        moved = max(self._began, self._permit.last_progress())
        return min(moved + self.limits.first_token, self._began + MAX_RESTARTS * self.limits.first_token)


@asynccontextmanager
async def watched(limits: Limits, permit: Permit, server: Server) -> AsyncIterator[Watch]:
    """Cancel what runs inside, and raise TimedOut, when one of the limits passes."""
    timeout = asyncio.timeout(None)
    try:
        async with timeout:
            watch = Watch(limits, permit, timeout)
            try:
                yield watch
            finally:
                watch.stop()
    except TimeoutError as error:
        if not timeout.expired():
            raise
        if not watch.answering:
            permit.refused()
        raise _timed_out(watch, server) from error


def _timed_out(watch: Watch, server: Server) -> TimedOut:
    limits = watch.limits
    if not watch.answering:
        return TimedOut(
            f"{server.place} did not begin to answer within {limits.first_token:g} seconds, nor made progress with another request;"
            " the request was cancelled (AEGIS_LLM_FIRST_TOKEN_TIMEOUT)."
        )
    if watch.in_gap:
        return TimedOut(
            f"{server.place} stopped in the middle of an answer for {limits.gap:g} seconds; the request was cancelled"
            " (AEGIS_LLM_TOKEN_GAP)."
        )
    return TimedOut(
        f"{server.place} did not end its answer within {limits.answer:g} seconds of the first token; the request was cancelled"
        " (AEGIS_OLLAMA_TIMEOUT)."
    )
