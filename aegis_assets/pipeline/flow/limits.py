"""Numbers that an operator changes while documents run: read again every second, and gates that follow them.

An asyncio.Semaphore will not do: it cannot be made narrower while it is held.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from aegis_assets.errors import StoreUnavailable

LOOK_SECONDS: Final = 1.0


class Changes:
    """What the console changed, at most `LOOK_SECONDS` old. A ledger that is away changes nothing."""

    def __init__(self) -> None:
        self.numbers: Mapping[str, int] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    @property
    def stale(self) -> bool:
        return time.monotonic() - self._read_at >= LOOK_SECONDS

    def look(self, read: Callable[[], Mapping[str, int]]) -> None:
        """Blocks. Whoever comes meanwhile waits for the answer of whoever asked first."""
        with self._lock:
            if not self.stale:
                return
            try:
                self.numbers = read()
            except StoreUnavailable:
                return
            self._read_at = time.monotonic()


class Gate:
    """As many at once as `capacity` says now, first come, first served. Where it falls, nobody inside is sent away; where it rises,
    `widen` lets in who waits."""

    def __init__(self, capacity: Callable[[], int]) -> None:
        self._capacity = capacity
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self.widen()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._leave()  # let in and cancelled at once
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def widen(self) -> None:
        while self._waiting and self._inside < self._capacity():
            turn = self._waiting.popleft()
            if not turn.done():
                self._inside += 1
                turn.set_result(None)

    def _leave(self) -> None:
        self._inside -= 1
        self.widen()
