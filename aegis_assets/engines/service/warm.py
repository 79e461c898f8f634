"""Calls that would spend their time on a fresh child -> children that are kept, for one call after another of the same owner.

docling's own models take seconds to load, and a child that begins anew takes several times what reading a page of Markdown does.
What a hostile document did to its child must not meet the next one: so the owner is one document, and the owner of several are
only files that Python alone reads (`parsing/textual.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from threading import Lock
from typing import Final

from aegis_assets.engines.sandbox import Child

CALLS: Final = 40  # then a fresh child: a parser's memory grows with the pages that it has seen


class Warm:
    """Thread-safe. A child whose call failed, in any way, is not seen again."""

    def __init__(self, start: Callable[[], Child], idle_at_most: int, grown_mb: float = inf) -> None:
        """grown_mb: a child that holds so much more than it began with after a call takes no further one."""
        self._start = start
        self._most = idle_at_most
        self._grown = grown_mb
        self._lock = Lock()
        self._idle: list[tuple[str, Child]] = []
        self._used = time.monotonic()

    @contextmanager
    def child(self, owner: str) -> Iterator[Child]:
        """For one call; nobody else has it meanwhile."""
        one = self._taken(owner) or self._start()
        try:
            yield one
        except BaseException:
            _end(one)
            raise
        self._put_back(owner, one)

    def rest(self, seconds: float = 0.0) -> None:
        """End the children, with their memory, where none was asked for within so many seconds."""
        with self._lock:
            if time.monotonic() - self._used < seconds:
                return
            ended, self._idle = self._idle, []
        for _, child in ended:
            _end(child)

    def _taken(self, wanted: str) -> Child | None:
        with self._lock:
            self._used = time.monotonic()
            for place, (owner, child) in enumerate(self._idle):
                if owner == wanted and child.alive():
                    del self._idle[place]
                    return child
            return None

    def _put_back(self, owner: str, child: Child) -> None:
        spent = child.calls >= CALLS or child.closed or not child.alive() or child.grown_mb() > self._grown
        ended = [child] if spent else []
        with self._lock:
            self._used = time.monotonic()
            if not spent:
                self._idle.append((owner, child))
            while len(self._idle) > self._most:
                ended.append(self._idle.pop(0)[1])
        for one in ended:
            _end(one)


def _end(child: Child) -> None:
    with suppress(OSError):
        child.kill()
