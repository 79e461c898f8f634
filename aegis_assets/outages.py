"""How long calls wait for a server that is away: AEGIS_OUTAGE_SECONDS, counted from the first failure over all calls of a process.

Without the common clock each of a thousand waiting chunks would wait for the whole time anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

# A look at a clock that comes later than this finds that its own process stood still: stopped, or its machine asleep. That time is
# nobody else's fault, so it counts for no limit.
STANDSTILL_SECONDS: Final = 5.0


class OutageClock:
    """Thread-safe; one per client of a server."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._guard = threading.Lock()
        self._began: float | None = None

    def keep_waiting(self) -> bool:
        """Note a failed call, and return whether it may be repeated."""
        now = self._clock()
        with self._guard:
            if self._began is None:
                self._began = now
            return now - self._began < self._seconds

    def answered(self) -> None:
        """Note that the server is there."""
        with self._guard:
            self._began = None
