"""A workbook as its sheets show it: docling's backend with tables found among the cells that exist.

docling walks every cell up to the last one, or the end of a merged range, which takes gigabytes for a sheet of two rows and a
cell at its end; a formula that no program has calculated is empty; and the column behind an empty one is another table.
"""

from __future__ import annotations

import re
import zipfile
from io import BytesIO
from typing import Any, Final

from docling.backend.msexcel_backend import ExcelTable, MsExcelDocumentBackend, _read_worksheets_with_clipped_ranges
from openpyxl.cell.cell import MergedCell
from openpyxl.reader.excel import ExcelReader

from aegis_assets.engines.parsing.formats.number_format import shown
from aegis_assets.engines.parsing.formats.regions import regions, tables

_UNCALCULATED: Final = re.compile(rb"(?:</f>|<f\b[^>]*/>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
Place = tuple[int, int]


class ExcelBackend(MsExcelDocumentBackend):
    def _formulas(self) -> Any:
        """Return the workbook with its formulas where some have no value, else None. Read it once."""
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
        return [table for box in regions(texts, spans) for table in tables(box, texts, spans)], comments


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
    """Return what each cell that holds something shows, by row and column from 0."""
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
