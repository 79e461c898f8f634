"""Plain text and CSV into docling documents, without a parser between: what stands in the file is the text.

docling reads plain text as Markdown, which eats `*`, `_` and `<`, and builds a typed object for every cell of a CSV, a kilobyte
each. So text becomes one item per paragraph, and a CSV is kept as rows until the window that needs them is parsed.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from aegis_assets.engines.parsing.tree import Assembly, Tree

_DELIMITERS: Final = ",;\t|"
_SAMPLE: Final = 65_536
_TITLES: Final = 5  # lines above a header
_PARAGRAPH: Final = re.compile(r"\n(?:[ \t]*\n)+")  # a line after an empty one keeps its indentation
# A cell this long is a field whose quote was never closed: the csv module would otherwise stop at 128 kB.
_FIELD: Final = 2**31 - 1
Rows = list[list[str]]


def text_tree(text: str) -> Tree:
    """One text item per paragraph; lines within a paragraph stay as they are."""
    assembly = Assembly()
    texts: list[dict[str, Any]] = []
    for number, paragraph in enumerate(part.strip("\n") for part in _PARAGRAPH.split(text) if part.strip()):
        texts.append(
            {
                "self_ref": f"#/texts/{number}",
                "parent": {"$ref": "#/body"},
                "children": [],
                "content_layer": "body",
                "label": "text",
                "prov": [],
                "orig": paragraph,
                "text": paragraph,
            }
        )
    assembly.tree["texts"] = texts
    assembly.tree["body"]["children"] = [{"$ref": item["self_ref"]} for item in texts]
    return assembly.tree


def read_rows(text: str) -> Iterator[list[str]]:
    """Rows of a CSV, blank ones left out. Never fails: a quote that is never closed makes one long cell."""
    csv.field_size_limit(_FIELD)
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text[:_SAMPLE]), skipinitialspace=True, strict=False):
        if any(cell.strip() for cell in row):
            yield row


def _delimiter(sample: str) -> str:
    """The one that cuts most of the first lines into the same number of cells. csv.Sniffer takes letters for delimiters."""
    best, score = ",", (0.0, 0)
    for mark in _DELIMITERS:
        widths = [len(row) for row in csv.reader(sample.split("\n")[:50], delimiter=mark, strict=False) if row]
        common = max(set(widths), key=widths.count, default=1)
        if common > 1 and (widths.count(common) / len(widths), common) > score:
            best, score = mark, (widths.count(common) / len(widths), common)
    return best


def header_at(rows: Rows) -> int:
    """The index of the header: lines with one cell above the first row with several are titles."""
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows[: _TITLES + 2]]
    at = next((number for number, count in enumerate(filled) if count > 1), 0)
    return at if at <= _TITLES and at + 1 < len(rows) else 0


def table_tree(rows: Rows, titles: Sequence[list[str]] = ()) -> Tree:
    """Return the titles as a text, and one table; its first row is the header."""
    width = max((len(row) for row in rows), default=0)
    cells = [
        {
            "text": text,
            "row_span": 1,
            "col_span": 1,
            "start_row_offset_idx": number,
            "end_row_offset_idx": number + 1,
            "start_col_offset_idx": column,
            "end_col_offset_idx": column + 1,
            "column_header": number == 0,
            "row_header": False,
            "row_section": False,
        }
        for number, row in enumerate(rows)
        for column, text in enumerate(row)
    ]
    assembly = Assembly()
    if titles:
        text = "\n".join(" ".join(cell.strip() for cell in row if cell.strip()) for row in titles)
        assembly._append({"label": "text", "content_layer": "body", "prov": [], "orig": text, "text": text}, "texts", "#/body")
    item = {
        "label": "table",
        "content_layer": "body",
        "prov": [],
        "captions": [],
        "references": [],
        "footnotes": [],
        "data": {"table_cells": cells, "num_rows": len(rows), "num_cols": width},
    }
    assembly._append(item, "tables", "#/body")
    return assembly.tree


def expand(line: Tree) -> Tree:
    """A line of the sections file: a docling document, or the rows that become one."""
    return table_tree([line["header"], *line["rows"]], line.get("titles", [])) if "rows" in line else line
