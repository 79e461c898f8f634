"""How long calls wait for a server that is away: AEGIS_OUTAGE_SECONDS, counted from the first failure over all calls of a process.

Without the common clock each of a thousand waiting chunks would wait for the whole time anew.
"""

from __future__ import annotations

import threading
import time


class OutageClock:
    """Thread-safe; one per client of a server."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._guard = threading.Lock()
        self._began: float | None = None

    def keep_waiting(self) -> bool:
        """Note a failed call, and return whether it may be repeated."""
        now = time.monotonic()
        with self._guard:
            if self._began is None:
                self._began = now
            return now - self._began < self._seconds

    def answered(self) -> None:
        """Note that the server is there."""
        with self._guard:
            self._began = None
