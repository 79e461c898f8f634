"""A document's work and the lanes that do it -> the seconds that it takes when nothing else costs anything: the physical bound.

Every window goes parse -> pictures -> chunk -> (embed beside extract). Parsers take windows in order. Pictures and chunks share the
slots of the language model: pictures first, because a window's chunks wait for them, then chunks in document order. No slot is
idle while anything waits for it, and nothing waits for anything else. So the bound is the slowest lane plus the filling before it
and the draining after it that the windows themselves force.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

Then = Callable[[], None]


@dataclass(frozen=True)
class Window:
    """Seconds of each piece of work. pictures and chunks: one per picture and per chunk; chunk: of cutting the window's text."""

    parse: float
    pictures: tuple[float, ...]
    chunk: float
    embed: float
    chunks: tuple[float, ...]

    @property
    def total(self) -> float:
        return self.parse + sum(self.pictures) + self.chunk + self.embed + sum(self.chunks)


@dataclass(frozen=True)
class Lanes:
    parsers: int = 1
    chunkers: int = 2
    embedders: int = 1
    slots: int = 4


@dataclass(frozen=True)
class Span:
    lane: str
    window: int
    start: float
    end: float


@dataclass
class _Lane:
    """Workers, and who waits, by rank."""

    name: str
    free: int
    waiting: list[tuple[tuple[int, ...], int, int, float, Then]] = field(default_factory=list)


def sequential(windows: Sequence[Window]) -> float:
    """One thing after the other, as a loop would."""
    return sum(window.total for window in windows)


def bound(windows: Sequence[Window], lanes: Lanes) -> float:
    return max((span.end for span in simulate(windows, lanes)), default=0.0)


def simulate(windows: Sequence[Window], lanes: Lanes) -> list[Span]:
    """When each piece of work runs. Lanes: parse, chunk, embed, llm."""
    return _Simulation(windows, lanes).run()


class _Simulation:
    def __init__(self, windows: Sequence[Window], lanes: Lanes) -> None:
        self._windows = windows
        self._parse = _Lane("parse", lanes.parsers)
        self._chunk = _Lane("chunk", lanes.chunkers)
        self._embed = _Lane("embed", lanes.embedders)
        self._llm = _Lane("llm", lanes.slots)
        self._now = 0.0
        self._order = count()
        self._ends: list[tuple[float, int, _Lane, Then]] = []
        self._spans: list[Span] = []

    def run(self) -> list[Span]:
        for number, window in enumerate(self._windows):
            self._ask(self._parse, (number,), number, window.parse, partial(self._parsed, number))
        while self._ends:
            self._now, _, lane, then = heapq.heappop(self._ends)
            lane.free += 1
            then()
            self._serve(lane)
        return self._spans

    def _parsed(self, number: int) -> None:
        pictures = self._windows[number].pictures
        left = len(pictures)

        def seen() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self._pictured(number)

        for seconds in pictures:
            self._ask(self._llm, (0, number), number, seconds, seen)
        if not pictures:
            self._pictured(number)

    def _pictured(self, number: int) -> None:
        self._ask(self._chunk, (number,), number, self._windows[number].chunk, partial(self._chunked, number))

    def _chunked(self, number: int) -> None:
        window = self._windows[number]
        self._ask(self._embed, (number,), number, window.embed, _nothing)
        for seconds in window.chunks:
            self._ask(self._llm, (1, number), number, seconds, _nothing)

    def _ask(self, lane: _Lane, rank: tuple[int, ...], window: int, seconds: float, then: Then) -> None:
        heapq.heappush(lane.waiting, (rank, next(self._order), window, seconds, then))
        self._serve(lane)

    def _serve(self, lane: _Lane) -> None:
        while lane.free and lane.waiting:
            _, _, window, seconds, then = heapq.heappop(lane.waiting)
            lane.free -= 1
            self._spans.append(Span(lane.name, window, self._now, self._now + seconds))
            heapq.heappush(self._ends, (self._now + seconds, next(self._order), lane, then))


def _nothing() -> None:
    pass
