"""Cells of a sheet that hold something into the tables that they form."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from docling.backend.msexcel_backend import ExcelCell, ExcelTable

_NEIGHBOURS: Final = ((0, 1), (0, 2), (0, -1), (0, -2), (1, 0), (-1, 0))  # one empty column does not end a table
_TITLES: Final = 5  # rows above a header
_SPAN: Final = 10_000  # cells of a merged range that count for what adjoins it
Place = tuple[int, int]


class Box(NamedTuple):
    top: int
    left: int
    bottom: int
    right: int


def regions(texts: dict[Place, str], spans: dict[Place, Place]) -> Iterator[Box]:
    """Areas of texts that adjoin each other, in reading order. What lies within an area is part of it."""
    owner: dict[Place, Place] = {place: place for place in texts}
    for (row, column), (rows, columns) in spans.items():
        if rows * columns <= _SPAN:
            for below in range(row, row + rows):
                for beside in range(column, column + columns):
                    owner.setdefault((below, beside), (row, column))
    by_row: dict[int, list[int]] = {}
    for row, column in sorted(texts):
        by_row.setdefault(row, []).append(column)
    numbers = sorted(by_row)
    seen: set[Place] = set()
    for start in sorted(texts):
        if start in seen:
            continue
        box = _grown(start, owner)
        for row in numbers[bisect_left(numbers, box.top) : bisect_right(numbers, box.bottom)]:
            along = by_row[row]
            seen.update((row, column) for column in along[bisect_left(along, box.left) : bisect_right(along, box.right)])
        yield box


def _grown(start: Place, owner: dict[Place, Place]) -> Box:
    """Return the box around all that adjoins, directly or through others."""
    reached, queue = {start}, deque([start])
    top, left = bottom, right = start
    while queue:
        row, column = queue.popleft()
        top, bottom, left, right = min(top, row), max(bottom, row), min(left, column), max(right, column)
        for down, along in _NEIGHBOURS:
            place = row + down, column + along
            if place in owner and place not in reached:
                reached.add(place)
                queue.append(place)
    return Box(top, left, bottom, right)


def tables(box: Box, texts: dict[Place, str], spans: dict[Place, Place]) -> Iterator[ExcelTable]:
    """Return the table of an area; lines above its header, which have one cell each, are tables of their own."""
    cells: dict[int, dict[int, str]] = {}
    for place in _inside(box, texts):
        cells.setdefault(place[0], {})[place[1]] = texts[place]
    rows = sorted(cells)
    wide = next((number for number, row in enumerate(rows) if len(cells[row]) > 1), 0)
    titles = rows[:wide] if wide <= _TITLES and len(rows) > wide + 1 else []
    for row in titles:
        yield _table({row: cells.pop(row)}, {})
    yield _table(cells, spans)


def _inside(box: Box, texts: dict[Place, str]) -> Iterator[Place]:
    area = (box.bottom - box.top + 1) * (box.right - box.left + 1)
    if area > len(texts):
        yield from (place for place in texts if box.top <= place[0] <= box.bottom and box.left <= place[1] <= box.right)
        return
    for row in range(box.top, box.bottom + 1):
        yield from ((row, column) for column in range(box.left, box.right + 1) if (row, column) in texts)


def _table(cells: dict[int, dict[int, str]], spans: dict[Place, Place]) -> ExcelTable:
    """Rows and columns without text are left out."""
    rows = {row: number for number, row in enumerate(sorted(cells))}
    columns = {column: number for number, column in enumerate(sorted({column for row in cells.values() for column in row}))}
    data = []
    for row, texts in sorted(cells.items()):
        for column, text in sorted(texts.items()):
            high, wide = spans.get((row, column), (1, 1))
            data.append(
                ExcelCell(
                    row=rows[row],
                    col=columns[column],
                    text=text,
                    row_span=max(1, sum(row <= other < row + high for other in rows)) if high > 1 else 1,
                    col_span=max(1, sum(column <= other < column + wide for other in columns)) if wide > 1 else 1,
                )
            )
    return ExcelTable(anchor=(min(columns), min(rows)), num_rows=len(rows), num_cols=len(columns), data=data)
