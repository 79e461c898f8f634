"""Lines and boxes of a page -> flows in reading order: what stands in one column between two things that cross all columns.

A gutter counts only between two sides of running text. Rows of short cells are a table or a form, and are read across.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from aegis_assets.engines.parsing.pdf.geometry import Line, Rect, in_rows

STEP = 3.0
GUTTER = 7.0  # points, the narrowest
LIMIT = 3000  # items of one page; more is a drawing made of letters


def flows(items: Sequence[Rect], depth: int = 0) -> list[list[Rect]]:
    """Each flow from top to bottom; flows in reading order."""
    gutter = _gutter(items) if depth < 3 and 6 <= len(items) <= LIMIT else None
    if gutter is None:
        return [in_rows(items)] if items else []
    found: list[list[Rect]] = []
    wide: list[Rect] = []
    sides: tuple[list[Rect], list[Rect]] = ([], [])

    def close_sides() -> None:
        for side in sides:
            found.extend(flows(side, depth + 1))
            side.clear()

    ordered = in_rows(items)
    for index, item in enumerate(ordered):
        if _crosses(item, gutter) or _tail_of(item, wide, ordered[index + 1 : index + 8]):
            close_sides()
            wide.append(item)
            continue
        if wide:
            found.append(wide)
            wide = []
        sides[0 if item.r <= gutter + 2 else 1].append(item)
    close_sides()
    if wide:
        found.append(wide)
    return found


def _crosses(item: Rect, gutter: float) -> bool:
    return item.l < gutter - 2 and item.r > gutter + 2


def _tail_of(item: Rect, wide: Sequence[Rect], after: Sequence[Rect]) -> bool:
    """The short last line of a paragraph that crosses the gutter: right below it, with nothing beside."""
    if not wide or item.t - wide[-1].b > 0.6 * item.height or abs(item.l - wide[-1].l) > 40:
        return False
    return not any(other.t < item.b - 2 for other in after)


def _gutter(items: Sequence[Rect]) -> float | None:
    """The x of the best gutter, None where the items are one column."""
    left, right = min(x.l for x in items), max(x.r for x in items)
    best: tuple[int, float] | None = None
    x = left + 0.2 * (right - left)
    while x < left + 0.8 * (right - left):
        score = _score(items, x, left, right)
        if score and (best is None or score > best[0]):
            best = (score, x)
        x += STEP
    return best[1] if best else None


def _score(items: Sequence[Rect], x: float, left: float, right: float) -> int:
    """How many items a gutter at x parts, 0 where it is none."""
    before = [item for item in items if item.r <= x + 2]
    after = [item for item in items if item.l >= x - 2]
    crossing = len(items) - len(before) - len(after)
    fewer = min(len(before), len(after))
    if fewer < 3 or fewer < 0.12 * len(items) or crossing > 0.6 * len(items):
        return 0
    if min(item.l for item in after) - max(item.r for item in before) < GUTTER:
        return 0
    shared = min(max(i.b for i in before), max(i.b for i in after)) - max(min(i.t for i in before), min(i.t for i in after))
    shorter = min(max(i.b for i in side) - min(i.t for i in side) for side in (before, after))
    if shared < 0.4 * shorter:
        return 0
    running = _running(before, max(i.r for i in before) - left) and _running(after, right - min(i.l for i in after))
    return 2 * fewer - crossing if running and 2 * fewer > crossing else int(running)


def _running(side: Sequence[Rect], width: float) -> bool:
    """Running text: lines that fill their side and hold more than a word."""
    lines = [x for x in side if isinstance(x, Line)]
    if not lines:
        return True
    return median(x.width for x in lines) >= 0.4 * width and median(len(x.text) for x in lines) >= 12
