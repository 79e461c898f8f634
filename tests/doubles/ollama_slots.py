"""The slots of a model server (OLLAMA_NUM_PARALLEL), its queue, and an exact account of how busy they were.

One event loop drives it, so nothing here needs a lock. A slot that is given back goes straight to the longest waiter: between two
waiting requests a slot is idle for no time at all, and every idle slot-second in the account is the client's doing.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class QueueFull(Exception):
    """OLLAMA_MAX_QUEUE requests wait already."""


class Slots:
    """idle slot-seconds are counted from the first request's arrival to the last one's end, and not before or after."""

    def __init__(self, count: int, max_queue: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.count = count
        self.max_queue = max_queue
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.busy = 0
        self.restart()

    def restart(self) -> None:
        """A new account. What is in flight stays in flight."""
        self.busy_seconds = self.queue_seconds = self._idle_seconds = self._idle_at_last_end = 0.0
        self.max_busy = self.busy
        self.max_waiting = len(self._waiting)
        self._first_arrival: float | None = None
        self._last_end: float | None = None
        self._last_tick = self._clock()

    def resize(self, count: int, max_queue: int) -> None:
        self._tick()
        self.count, self.max_queue = count, max_queue
        while self._waiting and self.busy < self.count:
            self._grant()

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        await self._acquire()
        try:
            yield
        finally:
            self._release()

    async def _acquire(self) -> None:
        self._tick()
        if self._first_arrival is None:
            self._first_arrival = self._last_tick
        if self.busy < self.count:
            self.busy += 1
            self.max_busy = max(self.max_busy, self.busy)
            return
        if len(self._waiting) >= self.max_queue:
            raise QueueFull
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self.max_waiting = max(self.max_waiting, len(self._waiting))
        arrived = self._last_tick
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise
        finally:
            self.queue_seconds += self._clock() - arrived

    def _release(self) -> None:
        self._tick()
        self.busy -= 1
        self._idle_at_last_end, self._last_end = self._idle_seconds, self._last_tick
        while self._waiting and self.busy < self.count:
            self._grant()

    def _grant(self) -> None:
        turn = self._waiting.popleft()
        if not turn.done():
            self.busy += 1
            self.max_busy = max(self.max_busy, self.busy)
            turn.set_result(None)

    def _tick(self) -> None:
        now = self._clock()
        passed = now - self._last_tick
        self.busy_seconds += self.busy * passed
        if self._first_arrival is not None:
            self._idle_seconds += max(0, self.count - self.busy) * passed
        self._last_tick = now

    def account(self) -> dict[str, float | int]:
        self._tick()
        first, last = self._first_arrival, self._last_end
        return {
            "slots": self.count,
            "in_flight": self.busy,
            "waiting": len(self._waiting),
            "max_concurrency": self.max_busy,
            "max_waiting": self.max_waiting,
            "queue_seconds": self.queue_seconds,
            "busy_slot_seconds": self.busy_seconds,
            "idle_slot_seconds": self._idle_at_last_end,
            "span_seconds": last - first if first is not None and last is not None and last > first else 0.0,
        }
