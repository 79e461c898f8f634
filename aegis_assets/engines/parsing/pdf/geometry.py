"""Rectangles, words and lines of one page, in points from its top left corner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Rect:
    l: float  # noqa: E741
    t: float
    r: float
    b: float

    @property
    def width(self) -> float:
        return self.r - self.l

    @property
    def height(self) -> float:
        return self.b - self.t

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    def holds_centre(self, other: Rect, pad: float = 2.0) -> bool:
        x, y = (other.l + other.r) / 2, (other.t + other.b) / 2
        return self.l - pad <= x <= self.r + pad and self.t - pad <= y <= self.b + pad

    def near(self, other: Rect, pad: float) -> bool:
        return self.l - pad < other.r and other.l - pad < self.r and self.t - pad < other.b and other.t - pad < self.b

    def shared(self, other: Rect) -> float:
        """The part of this rectangle that lies in the other, 0 to 1."""
        width = min(self.r, other.r) - max(self.l, other.l)
        height = min(self.b, other.b) - max(self.t, other.t)
        return width * height / self.area if width > 0 and height > 0 and self.area > 0 else 0.0


@dataclass(slots=True)
class Word(Rect):
    text: str


@dataclass(slots=True)
class Line(Rect):
    """A visual line of one column. size: font size in points; on a scan, the height of the letters. ocr: read from pixels."""

    text: str
    size: float
    bold: bool = False
    mono: bool = False
    ocr: bool = False
    upright: bool = True


@dataclass(slots=True)
class Sheet:
    """What is on one page. rules: thin lines. shapes: boxes of connected drawings. body: size of running text on this page.

    turned: degrees by which a scan was turned anticlockwise to be read; all places, width and height are those of the turned page.
    read_words: called when a table needs them; on most pages nothing does, and their objects would cost a third of the parse.
    """

    number: int
    width: float
    height: float
    lines: list[Line]
    rules: list[Rect]
    shapes: list[Rect]
    bitmaps: list[Rect]
    body: float = 10.0
    scanned: bool = False
    turned: int = 0
    read_words: Callable[[], list[Word]] = list
    _words: list[Word] | None = None

    def words_in(self, lines: Sequence[Line]) -> list[Word]:
        """The words of these lines: a table takes whole lines, so that no word stands in it and in the text beside it."""
        box = around(lines) if lines else Rect(0, 0, 0, 0)
        if self._words is None:
            self._words = self.read_words()
        near = [word for word in self._words if box.holds_centre(word)]
        return [word for word in near if any(line.holds_centre(word, 1.0) for line in lines)]


def around(rects: Iterable[Rect]) -> Rect:
    found = list(rects)
    return Rect(min(x.l for x in found), min(x.t for x in found), max(x.r for x in found), max(x.b for x in found))


def merged(rects: Sequence[Rect], pad: float, limit: int = 600) -> list[Rect]:
    """Rectangles closer than pad become one. More than `limit` are a plot: one rectangle around all."""
    if len(rects) > limit:
        return [around(rects)]
    found, changed = list(rects), True
    while changed:
        changed, kept = False, list[Rect]()
        for rect in found:
            for index, other in enumerate(kept):
                if rect.near(other, pad):
                    kept[index], changed = around((rect, other)), True
                    break
            else:
                kept.append(rect)
        found = kept
    return found


def spans(intervals: Iterable[tuple[float, float]], gap: float) -> list[tuple[float, float]]:
    """Intervals closer than gap are joined, in order."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(intervals):
        if found and start - found[-1][1] < gap:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def in_rows(items: Iterable[Rect]) -> list[Rect]:
    """Top to bottom, and left to right where lines stand on one row: letters of two fonts do not begin at one height."""
    rows: list[list[Rect]] = []
    for item in sorted(items, key=lambda x: (x.t, x.l)):
        if rows and isinstance(item, Line) and isinstance(rows[-1][0], Line):
            first = rows[-1][0]
            if min(item.b, first.b) - max(item.t, first.t) > 0.5 * min(item.height, first.height):
                rows[-1].append(item)
                continue
        rows.append([item])
    return [item for row in rows for item in sorted(row, key=lambda x: x.l)]
