"""A table into texts of at most n tokens, row by row, each beginning with the header.

A row is one line, its cells parted by ' | '. docling's triplets ('row, column = value') repeat the header in every cell, which
triples the tokens, and its column-wise split drops cells of uneven rows. A row that does not fit is cut by tokens, its header
before each part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from aegis_assets.engines.parsing.tokens import Tokens

_BETWEEN: Final = " | "


def lines(data: Any) -> tuple[list[str], list[str]]:
    """Header lines and body lines. A merged cell stands once, at its upper left corner."""
    grid: dict[int, dict[int, str]] = {}
    header: set[int] = set()
    for cell in data.table_cells:
        text = " ".join(cell.text.split())
        grid.setdefault(cell.start_row_offset_idx, {})[cell.start_col_offset_idx] = text
        if cell.column_header:
            header.update(range(cell.start_row_offset_idx, cell.end_row_offset_idx))
    leading = 0
    while leading in header:
        leading += 1
    # Without a mark the first row is the header, as people write tables.
    leading = min(leading or 1, max(grid, default=0)) if grid else 0
    rows = {number: _line(cells) for number, cells in sorted(grid.items()) if any(cells.values())}
    return [line for number, line in rows.items() if number < leading], [line for number, line in rows.items() if number >= leading]


def _line(cells: dict[int, str]) -> str:
    last = max(column for column, text in cells.items() if text)
    return _BETWEEN.join(cells.get(column, "") for column in range(last + 1)) if last < 10 * len(cells) + 10 else _sparse(cells)


def _sparse(cells: dict[int, str]) -> str:
    """A row with a cell in column 16,000 and nothing between: places would be all its text."""
    return _BETWEEN.join(text for _, text in sorted(cells.items()) if text)


def table_pieces(data: Any, captions: Sequence[str], tokens: Tokens, room: int) -> Iterator[str]:
    """room: tokens of one text. Nothing for a table without text and captions."""
    header, body = lines(data)
    top = "\n".join(header)
    size = tokens.count(top) + 1 if header else 0
    if size > room // 2:  # too long to be repeated
        header, body, top, size = [], [*header, *body], "", 0
    rows = [*captions, *header, *body] if not body else [*captions, *body]
    if not body:
        top, size = "", 0
    begun: list[str] = []
    left = room - size
    for row, length in zip(rows, tokens.counts(rows), strict=True):
        if length + 1 > left and begun:
            yield _with(top, begun)
            begun, left = [], room - size
        if length + 1 > left:
            yield from (_with(top, [part.strip()]) for part in tokens.split(row, max(1, room - size - 1)) if part.strip())
            continue
        begun.append(row)
        left -= length + 1
    if begun:
        yield _with(top, begun)


def _with(top: str, rows: list[str]) -> str:
    return "\n".join([top, *rows] if top else rows)
