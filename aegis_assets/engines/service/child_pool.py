"""Calls that would spend their time on a fresh child -> children that are kept, for one call after another of the same owner.

docling's own models take seconds to load, and a child that begins anew takes several times what reading a page of Markdown does.
What a hostile document did to its child must not meet the next one: so the owner is one document, and the owner of several are
only files that Python alone reads (`parsing/textual.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from threading import Lock
from typing import Final

from aegis_assets.engines.sandbox import Child

CALLS: Final = 40  # then a fresh child: a parser's memory grows with the pages that it has seen


class ChildPool:
    """Thread-safe. A child whose call failed, in any way, is not seen again."""

    def __init__(self, start: Callable[[], Child], most: int, grown_mb: float = inf, calls: int | None = None) -> None:
        """most: children, busy and idle together, unless more calls than that come at once: one that is idle ends for one that is
        needed. grown_mb: a child that holds so much more than it began with after a call takes no further one. calls: after which
        a child is replaced, None for `CALLS`."""
        self._start = start
        self._most = most
        self._grown = grown_mb
        self._calls = calls
        self._lock = Lock()
        self._idle: list[tuple[str, Child]] = []  # the last used at the end
        self._busy = 0
        self._used = time.monotonic()

    @contextmanager
    def child(self, owner: str) -> Iterator[Child]:
        """For one call; nobody else has it meanwhile."""
        one, ended = self._taken(owner)
        kept = False
        try:
            _end(ended)  # before another is started: the limit is one on memory
            one = one or self._start()
            yield one
            kept = self._well(one)
        finally:
            self._put_back(owner, one, kept)

    def rest(self, seconds: float = 0.0) -> None:
        """End the children, with their memory, where none was asked for within so many seconds."""
        with self._lock:
            if time.monotonic() - self._used < seconds:
                return
            ended, self._idle = self._idle, []
        _end([child for _, child in ended])

    def _taken(self, wanted: str) -> tuple[Child | None, list[Child]]:
        """One that is idle, or none and those that make room for a fresh one. It counts as busy from now on."""
        with self._lock:
            self._used = time.monotonic()
            self._busy += 1
            for place, (owner, child) in enumerate(self._idle):
                if owner == wanted and child.alive():
                    del self._idle[place]
                    return child, []
            return None, self._surplus()

    def _well(self, child: Child) -> bool:
        return child.calls < (self._calls or CALLS) and not child.closed and child.alive() and child.grown_mb() <= self._grown

    def _put_back(self, owner: str, child: Child | None, kept: bool) -> None:
        """child: none where it could not be started."""
        if child is not None and not kept:
            _end([child])
        with self._lock:
            self._used = time.monotonic()
            self._busy -= 1
            if child is not None and kept:
                self._idle.append((owner, child))
            ended = self._surplus()
        _end(ended)

    def _surplus(self) -> list[Child]:
        """With the lock: the idle ones beyond the limit, the oldest first, no longer ours."""
        beyond = min(len(self._idle), max(0, self._busy + len(self._idle) - self._most))
        ended, self._idle = self._idle[:beyond], self._idle[beyond:]
        return [child for _, child in ended]


def _end(children: Iterable[Child]) -> None:
    for child in children:
        with suppress(OSError):
            child.kill()
