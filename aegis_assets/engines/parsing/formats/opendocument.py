"""OpenDocument as its programs show it: words whole, notes behind their paragraph, cells with the text that the sheet shows.

The text of a document is made plain in its content.xml before docling reads it. A sheet's tables are found among the cells that
hold something: its rows and columns are written with repeats, which docling counts out one by one.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any, Final

from docling.backend.opendocument_backend import OdsDocumentBackend
from docling_core.types.doc import BoundingBox, CoordOrigin, DoclingDocument, ProvenanceItem, TableCell, TableData
from lxml import etree

from aegis_assets.engines.parsing.formats.regions import regions, tables

_TEXT: Final = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_CONTENT: Final = "content.xml"
_REPEATS: Final = 1000  # of a cell or row that holds something
_CELLS: Final = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")
Place = tuple[int, int]


def made_plain(content: bytes) -> bytes:
    """Return the file with spans and links dissolved and notes as paragraphs."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        root = etree.fromstring(archive.read(_CONTENT), _parser())
        for changes in [*root.iter(f"{_TEXT}tracked-changes")]:  # what was deleted
            _drop(changes)
        for ruby in [*root.iter(f"{_TEXT}ruby-text")]:
            _drop(ruby)
        _place_notes(root)
        etree.strip_tags(root, f"{_TEXT}span", f"{_TEXT}a", f"{_TEXT}ruby", f"{_TEXT}ruby-base", f"{_TEXT}meta")
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as copy:
            for info in archive.infolist():
                part = (
                    etree.tostring(root, encoding="utf-8", xml_declaration=True)
                    if info.filename == _CONTENT
                    else archive.read(info)
                )
                copy.writestr(info.filename, part)
    return buffer.getvalue()


def _parser() -> Any:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)


def _place_notes(root: Any) -> None:
    last: dict[Any, Any] = {}
    for note in [*root.iter(f"{_TEXT}note")]:
        block = next(note.iterancestors(f"{_TEXT}p", f"{_TEXT}h"), None)
        body = note.find(f"{_TEXT}note-body")
        if block is not None and body is not None:
            for paragraph in [*body]:
                last.get(block, block).addnext(paragraph)
                last[block] = paragraph
        _drop(note)


def _drop(element: Any) -> None:
    """Remove an element, and keep the text behind it."""
    parent, before = element.getparent(), element.getprevious()
    if element.tail and before is not None:
        before.tail = (before.tail or "") + element.tail
    elif element.tail:
        parent.text = (parent.text or "") + element.tail
    parent.remove(element)


class SheetBackend(OdsDocumentBackend):
    def _convert_sheet_table(self, doc: DoclingDocument, table: Any, parent: Any, page_no: int, content_layer: Any) -> None:
        texts, spans = _cells(etree.fromstring(table.serialize(with_ns=True), _parser()))
        for box in regions(texts, spans):
            for found in tables(box, texts, spans):
                cells = [
                    TableCell(
                        text=cell.text,
                        row_span=cell.row_span,
                        col_span=cell.col_span,
                        start_row_offset_idx=cell.row,
                        end_row_offset_idx=cell.row + cell.row_span,
                        start_col_offset_idx=cell.col,
                        end_col_offset_idx=cell.col + cell.col_span,
                        column_header=cell.row == 0,
                    )
                    for cell in found.data
                ]
                left, top = found.anchor
                area = (left, top, left + found.num_cols, top + found.num_rows)
                doc.add_table(
                    data=TableData(num_rows=found.num_rows, num_cols=found.num_cols, table_cells=cells),
                    parent=parent,
                    prov=ProvenanceItem(page_no=page_no, charspan=(0, 0), bbox=BoundingBox.from_tuple(area, CoordOrigin.TOPLEFT)),
                    content_layer=content_layer,
                )


def _cells(table: Any) -> tuple[dict[Place, str], dict[Place, Place]]:
    """Texts and merged areas, by row and column."""
    texts: dict[Place, str] = {}
    spans: dict[Place, Place] = {}
    top = 0
    for row in table.iter(f"{_TABLE}table-row"):
        rows = _number(row, f"{_TABLE}number-rows-repeated")
        left = 0
        for cell in row.iterchildren(*_CELLS):
            columns = _number(cell, f"{_TABLE}number-columns-repeated")
            if text := _shown(cell):
                for down in range(min(rows, _REPEATS)):
                    texts.update({(top + down, left + along): text for along in range(min(columns, _REPEATS))})
                high, wide = _number(cell, f"{_TABLE}number-rows-spanned"), _number(cell, f"{_TABLE}number-columns-spanned")
                if (high, wide) != (1, 1):
                    spans[top, left] = high, wide
            left += columns
        top += rows
    return texts, spans


def _number(element: Any, name: str) -> int:
    value = element.get(name, "1")
    return max(1, int(value)) if value.isdigit() else 1


def _shown(cell: Any) -> str:
    """Return what the sheet shows, else the value, else the formula that no program has calculated."""
    text = "\n".join("".join(_characters(paragraph)) for paragraph in cell.iterchildren(f"{_TEXT}p")).strip()
    value = text or next((cell.get(f"{_OFFICE}{name}", "") for name in _VALUES if cell.get(f"{_OFFICE}{name}")), "")
    return value or cell.get(f"{_TABLE}formula", "").partition(":")[2]


_VALUES: Final = ("string-value", "value", "date-value", "time-value", "boolean-value")


def _characters(element: Any) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag == f"{_TEXT}s":
            yield " " * min(_number(child, f"{_TEXT}c"), _REPEATS)
        elif isinstance(child.tag, str) and child.tag != f"{_OFFICE}annotation":
            yield "".join(_characters(child))
        yield child.tail or ""
