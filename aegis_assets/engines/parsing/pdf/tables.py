"""Rules and words of a page -> tables with cells: ruled grids, tables with horizontal rules alone, and aligned columns without
rules.

A frame around one text is no table, and neither is a list whose markers happen to align.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from aegis_assets.engines.parsing.pdf.geometry import Line, Rect, Sheet, Word, around, spans
from aegis_assets.engines.parsing.pdf.lines import MARKER

TOUCH = 3.0  # points; ends of rules that meet
CELL_LIMIT = 3000  # of one table on one page; more is graph paper
RULE_LIMIT = 800  # rules of one page; more is a drawing
Interval = tuple[float, float]
Item = TypeVar("Item", bound=Rect)


@dataclass(slots=True)
class Cell:
    row: int
    column: int
    rows: int
    columns: int
    text: str
    rect: Rect
    header: bool


@dataclass(slots=True)
class Grid(Rect):
    rows: int
    columns: int
    cells: list[Cell]


def ruled(sheet: Sheet, lines: Sequence[Line]) -> list[Grid]:
    """Tables drawn with rules, around some of the lines."""
    rules = sheet.rules
    level = _straightened([x for x in rules if x.width >= x.height and x.width > 8], flat=True)
    upright = _straightened([x for x in rules if x.height > x.width and x.height > 4], flat=False)
    if len(level) + len(upright) > RULE_LIMIT:
        return []
    found = []
    for flat, standing in _connected(level, upright):
        if standing:
            grid = _boxed(flat, standing, sheet, lines)
            if grid is not None:
                found.append(grid)
    free = [x for x in level if not any(grid.shared(x) or x.near(grid, 1) for grid in found)]
    return found + _between(free, sheet, lines)


def aligned(lines: Sequence[Line], sheet: Sheet) -> list[Grid]:
    """Tables without rules, in the lines of one flow: three rows or more whose cells share their columns."""
    found, run = [], list[list[Line]]()
    for row in [*_rows(lines), []]:
        cells = len(row)
        apart = bool(run and row) and row[0].t - max(x.b for x in run[-1]) > 1.6 * row[0].height
        if cells == 1 and run and not apart and any(abs(row[0].l - x.l) < 4 for x in run[-1][1:]):
            run.append(row)  # a cell's text goes on below
            continue
        if run and (cells < 2 or apart):
            grid = _columnar(run, sheet)
            if grid is not None:
                found.append(grid)
            run = []
        if cells >= 2:
            run.append(row)
    return found


def _straightened(rules: Sequence[Rect], *, flat: bool) -> list[Rect]:
    """Pieces on one line that touch are one rule: many writers draw a rule per cell."""

    def across(x: Rect) -> float:
        return (x.t + x.b) / 2 if flat else (x.l + x.r) / 2

    def start(x: Rect) -> float:
        return x.l if flat else x.t

    lanes: list[tuple[float, list[Rect]]] = []
    for rule in sorted(rules, key=across):
        if lanes and across(rule) - lanes[-1][0] < 1.5:
            lanes[-1][1].append(rule)
        else:
            lanes.append((across(rule), [rule]))
    found: list[Rect] = []
    for _, lane in lanes:
        piece: list[Rect] = []
        end = 0.0
        for rule in sorted(lane, key=start):
            if piece and start(rule) - end > TOUCH:
                found.append(around(piece))
                piece = []
            piece.append(rule)
            reached = rule.r if flat else rule.b
            end = max(end, reached) if len(piece) > 1 else reached
        found.append(around(piece))
    return found


def _connected(level: list[Rect], upright: list[Rect]) -> list[tuple[list[Rect], list[Rect]]]:
    """Groups of rules that touch, as (horizontal, vertical)."""
    groups: list[tuple[list[Rect], list[Rect]]] = []
    for index, rule in enumerate([*level, *upright]):
        touching = [g for g in groups if any(rule.near(other, TOUCH) for other in (g[1] if index < len(level) else g[0]))]
        joined: tuple[list[Rect], list[Rect]] = ([], [])
        joined[0 if index < len(level) else 1].append(rule)
        for group in touching:
            joined[0].extend(group[0])
            joined[1].extend(group[1])
        groups = [g for g in groups if not any(g is other for other in touching)]
        groups.append(joined)
    return groups


def _boxed(level: list[Rect], upright: list[Rect], sheet: Sheet, lines: Sequence[Line]) -> Grid | None:
    """A grid from rules in both directions; spanning cells are those with a rule missing between them."""
    box = around([*level, *upright])
    ys = _stops([(x.t + x.b) / 2 for x in level] + [box.t, box.b])
    xs = _stops([(x.l + x.r) / 2 for x in upright] + [box.l, box.r])
    if len(xs) < 2 or len(ys) < 2 or (len(xs) - 1) * (len(ys) - 1) < 2 or len(xs) * len(ys) > CELL_LIMIT:
        return None
    inside = sheet.words_in([line for line in lines if box.holds_centre(line)])
    rows, columns = list(pairwise(ys)), list(pairwise(xs))
    if len(rows) <= 3 and len(columns) >= 2:
        rows = _split(rows, columns, inside)
    cells = _spanning(rows, columns, level, upright)
    filled = [cell for cell in _filled(cells, inside, header=len(rows) > 1) if cell.text]
    if len(filled) < 2 or len({cell.row for cell in filled}) * len({cell.column for cell in filled}) < 2:
        return None
    return Grid(box.l, box.t, box.r, box.b, len(rows), len(columns), filled)


def _stops(values: Sequence[float]) -> list[float]:
    return [start for start, _ in spans(((value, value) for value in values), 4.0)]


def _split(rows: list[Interval], columns: list[Interval], words: Sequence[Word]) -> list[Interval]:
    """A band between two rules may hold many rows: a row begins where the first column has a word."""
    found: list[Interval] = []
    for top, bottom in rows:
        first = [w for w in words if columns[0][0] <= (w.l + w.r) / 2 <= columns[0][1] and top <= (w.t + w.b) / 2 <= bottom]
        starts = [start for start, _ in spans(((w.t, w.b) for w in first), 0.1)]
        edges = [top, *(start - 1 for start in starts[1:]), bottom]
        found.extend(pairwise(edges))
    return found


def _spanning(rows: list[Interval], columns: list[Interval], level: list[Rect], upright: list[Rect]) -> list[Cell]:
    def parted(x: float, y: float, *, by: list[Rect], flat: bool) -> bool:
        if flat:
            return any(abs((rule.t + rule.b) / 2 - y) < 3 and rule.l - 2 <= x <= rule.r + 2 for rule in by)
        return any(abs((rule.l + rule.r) / 2 - x) < 3 and rule.t - 2 <= y <= rule.b + 2 for rule in by)

    ruled_rows = {round(edge) for rule in level for edge in ((rule.t + rule.b) / 2,)}
    taken, found = set[tuple[int, int]](), []
    for r, (top, bottom) in enumerate(rows):
        for c, (left, right) in enumerate(columns):
            if (r, c) in taken:
                continue
            wide = tall = 1
            middle = (top + bottom) / 2
            while c + wide < len(columns) and (r, c + wide) not in taken:
                if parted(columns[c + wide][0], middle, by=upright, flat=False):
                    break
                wide += 1
            while r + tall < len(rows):
                edge = rows[r + tall][0]
                by_text = not any(abs(edge - y) <= 3 for y in ruled_rows)  # rows split by their text have no rule
                if by_text or parted((left + right) / 2, edge, by=level, flat=True):
                    break
                tall += 1
            taken.update((r + i, c + j) for i in range(tall) for j in range(wide))
            last_row, last_column = rows[r + tall - 1], columns[c + wide - 1]
            found.append(Cell(r, c, tall, wide, "", Rect(left, top, last_column[1], last_row[1]), False))
    return found


def _between(level: Sequence[Rect], sheet: Sheet, lines: Sequence[Line]) -> list[Grid]:
    """Tables with horizontal rules alone: three or more of equal length, and rows of several cells between them."""
    groups: list[list[Rect]] = []
    for rule in sorted((x for x in level if x.width > 60), key=lambda x: x.t):
        for group in groups:
            if abs(group[-1].l - rule.l) < 4 and abs(group[-1].r - rule.r) < 4 and rule.t - group[-1].t < 260:
                group.append(rule)
                break
        else:
            groups.append([rule])
    found = []
    for group in groups:
        box = around(group)
        if len(group) < 3 or box.height < 18:
            continue
        grid = _from_words(box, sheet.words_in([line for line in lines if box.holds_centre(line)]))
        if grid is not None and grid.columns >= 2 and grid.rows >= 2:
            found.append(grid)
    return found


def _columnar(rows: Sequence[Sequence[Line]], sheet: Sheet) -> Grid | None:
    lines = [line for row in rows for line in row]
    if len(rows) < 3 or all(line.mono for line in lines):
        return None
    if sum(bool(MARKER.match(row[0].text.strip())) and len(row) == 2 for row in rows) > 0.6 * len(rows):
        return None
    columns = spans(((line.l, line.r) for line in lines), 4.0)
    if len(columns) < 2 or sum(len(line.text) for line in lines) > 45 * len(lines):
        return None
    for start, end in columns:
        if sum(any(start - 1 <= line.l and line.r <= end + 1 for line in row) for row in rows) < 0.6 * len(rows):
            return None
    return _from_words(around(lines), sheet.words_in(lines))


def _from_words(box: Rect, words: Sequence[Word]) -> Grid | None:
    """Rows by height, columns by the gaps that run through all rows."""
    if not words:
        return None
    height = sorted(word.height for word in words)[len(words) // 2]
    rows = spans(((w.t + 0.25 * w.height, w.b - 0.25 * w.height) for w in words), 0.1)
    columns = spans(((w.l, w.r) for w in words), 0.9 * height)
    if len(columns) < 2 or len(rows) * len(columns) > CELL_LIMIT:
        return None
    cells = [
        Cell(r, c, 1, 1, "", Rect(left, top, right, bottom), False)
        for r, (top, bottom) in enumerate(rows)
        for c, (left, right) in enumerate(columns)
    ]
    filled = [cell for cell in _filled(cells, words, header=True) if cell.text]
    several = [sum(cell.row == r for cell in filled) >= 2 for r in range(len(rows))]
    if sum(several) < 0.5 * len(rows):
        return None
    return Grid(box.l, box.t, box.r, box.b, len(rows), len(columns), filled)


def _filled(cells: list[Cell], words: Sequence[Word], *, header: bool) -> list[Cell]:
    """Every word goes to the cell that holds its centre, else to the nearest: no word of a table is lost."""
    held: dict[int, list[Word]] = {}
    for word in words:
        x, y = (word.l + word.r) / 2, (word.t + word.b) / 2
        nearest = min(range(len(cells)), key=lambda i: _away(cells[i].rect, x, y))
        held.setdefault(nearest, []).append(word)
    for index, cell in enumerate(cells):
        cell.header = header and cell.row == 0
        cell.text = " ".join(word.text for row in _rows(held.get(index, ())) for word in row)
    return cells


def _away(rect: Rect, x: float, y: float) -> float:
    dx, dy = max(rect.l - x, 0.0, x - rect.r), max(rect.t - y, 0.0, y - rect.b)
    return dx * dx + dy * dy


def _rows(items: Sequence[Item]) -> list[list[Item]]:
    rows: list[list[Item]] = []
    for item in sorted(items, key=lambda x: (x.t + x.b) / 2):
        if rows and min(item.b, rows[-1][0].b) - max(item.t, rows[-1][0].t) > 0.5 * min(item.height, rows[-1][0].height):
            rows[-1].append(item)
        else:
            rows.append([item])
    return [sorted(row, key=lambda x: x.l) for row in rows]
