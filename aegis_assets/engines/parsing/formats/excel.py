"""A workbook as its sheets show it: docling's backend with tables found among the cells that exist.

docling walks every cell up to the last one, or the end of a merged range, which takes gigabytes for a sheet of two rows and a
cell at its end; a formula that no program has calculated is empty; and the column behind an empty one is another table.
"""

from __future__ import annotations

import re
import zipfile
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final, NamedTuple

from docling.backend.msexcel_backend import ExcelCell, ExcelTable, MsExcelDocumentBackend, _read_worksheets_with_clipped_ranges
from openpyxl.cell.cell import MergedCell
from openpyxl.reader.excel import ExcelReader

from aegis_assets.engines.parsing.formats.number_format import shown

_UNCALCULATED: Final = re.compile(rb"(?:</f>|<f\b[^>]*/>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
_NEIGHBOURS: Final = ((0, 1), (0, 2), (0, -1), (0, -2), (1, 0), (-1, 0))  # one empty column does not end a table
_TITLES: Final = 5  # rows above a header
_SPAN: Final = 10_000  # cells of a merged range that count for what adjoins it
Place = tuple[int, int]


class Box(NamedTuple):
    top: int
    left: int
    bottom: int
    right: int


class ExcelBackend(MsExcelDocumentBackend):
    def _formulas(self) -> Any:
        """The workbook with its formulas, where some have no value; else None. Read once."""
        if not hasattr(self, "_formula_book"):
            self._formula_book = None
            content = self.path_or_stream
            if isinstance(content, BytesIO) and _has_uncalculated(content):
                self._formula_book = _read_formulas(content)
        return self._formula_book

    def _find_data_tables(self, sheet: Any) -> tuple[list[ExcelTable], dict[Place, Any]]:
        book = self._formulas()
        texts = _texts(sheet, book[sheet.title] if book is not None and sheet.title in book.sheetnames else None)
        spans = _spans(sheet, texts)
        threads = self._parse_threaded_comments(sheet.title)
        comments = {}
        for (row, column), cell in sorted(sheet._cells.items()):
            if cell.comment is not None and str(cell.comment.text or "").strip():
                own = [(cell.comment.author or "", str(cell.comment.text).strip(), None)]
                comments[row - 1, column - 1] = threads.get(cell.coordinate) or own
        return [table for box in regions(texts, spans) for table in _tables(box, texts, spans)], comments


def _has_uncalculated(content: BytesIO) -> bool:
    with zipfile.ZipFile(content) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        return any(_UNCALCULATED.search(archive.read(name)) for name in sheets)


def _read_formulas(content: BytesIO) -> Any:
    content.seek(0)
    reader = ExcelReader(content, data_only=False)
    read_worksheets = reader.read_worksheets
    reader.read_worksheets = lambda: _read_worksheets_with_clipped_ranges(reader.wb, read_worksheets)
    reader.read()
    return reader.wb


def _texts(sheet: Any, formulas: Any) -> dict[Place, str]:
    """What each cell that holds something shows, by row and column from 0."""
    texts = {}
    for (row, column), cell in sorted(sheet._cells.items()):
        value = cell.value
        if value is None and formulas is not None:
            value = formulas._cells[row, column].value if (row, column) in formulas._cells else None
            value = getattr(value, "text", value)  # of a formula over several cells
        if value is None or isinstance(cell, MergedCell):
            continue
        text = shown(value, cell.number_format) if not isinstance(value, str) else value
        if text.strip():
            texts[row - 1, column - 1] = text
    return texts


def _spans(sheet: Any, texts: dict[Place, str]) -> dict[Place, Place]:
    """Rows and columns of merged cells, as far as there are texts."""
    bottom = max((row for row, _ in texts), default=0)
    right = max((column for _, column in texts), default=0)
    spans = {}
    for area in sheet.merged_cells.ranges:
        row, column = area.min_row - 1, area.min_col - 1
        if (row, column) in texts:
            spans[row, column] = min(area.max_row - 1, bottom) - row + 1, min(area.max_col - 1, right) - column + 1
    return spans


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
    """The box around all that adjoins, directly or through others."""
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


def _tables(box: Box, texts: dict[Place, str], spans: dict[Place, Place]) -> Iterator[ExcelTable]:
    """The table of an area; lines above its header, which have one cell each, are tables of their own."""
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
