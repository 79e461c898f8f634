"""A table into texts of at most n tokens, row by row, each beginning with the header.

A row is one line, its cells parted by ' | '. docling's triplets ('row, column = value') repeat the header in every cell, which
triples the tokens, and its column-wise split drops cells of uneven rows. A row that does not fit is cut by tokens, its header
before each part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from aegis_assets.engines.parsing.tokens import Tokens

_BETWEEN: Final = " | "


class Line(NamedTuple):
    """A row as text. labelled: with the labels that are merged over it from rows above, for the row that begins a chunk."""

    text: str
    labelled: str


def lines(data: Any) -> tuple[list[str], list[Line]]:
    """Header lines and body lines. A merged cell stands once, at its upper left corner."""
    grid: dict[int, dict[int, str]] = {}
    labels: dict[int, dict[int, str]] = {}
    header: set[int] = set()
    for cell in data.table_cells:
        text = " ".join(cell.text.split())
        grid.setdefault(cell.start_row_offset_idx, {})[cell.start_col_offset_idx] = text
        if text:
            for row in range(cell.start_row_offset_idx + 1, min(cell.end_row_offset_idx, data.num_rows)):
                labels.setdefault(row, {})[cell.start_col_offset_idx] = text
        if cell.column_header:
            header.update(range(cell.start_row_offset_idx, cell.end_row_offset_idx))
    leading = 0
    while leading in header:
        leading += 1
    # Without a mark the first row is the header, as people write tables.
    leading = min(leading or 1, max(grid, default=0)) if grid else 0
    rows = {
        number: Line(_line(cells), _line({**cells, **labels[number]}) if number in labels else _line(cells))
        for number, cells in sorted(grid.items())
        if any(cells.values())
    }
    return [line.text for number, line in rows.items() if number < leading], [
        line for number, line in rows.items() if number >= leading
    ]


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
    if size > room // 2 or not body:  # too long to be repeated, or all there is
        body = [*(Line(line, line) for line in header), *body]
        top, size = "", 0
    begun: list[str] = []
    left = room - size
    for row in [*(Line(caption, caption) for caption in captions), *body]:
        text = row.text if begun else row.labelled
        length = tokens.count(text)
        if length + 1 > left and begun:
            yield _with(top, begun)
            begun, left, text = [], room - size, row.labelled
            length = tokens.count(text)
        if length + 1 > left:
            yield from (_with(top, [part]) for part in _parts(text, tokens, max(1, room - size - 1)))
            continue
        begun.append(text)
        left -= length + 1
    if begun:
        yield _with(top, begun)


def _parts(row: str, tokens: Tokens, room: int) -> Iterator[str]:
    """A row longer than a chunk, in parts. Its first cell, such as a question, stands before each where it is short."""
    label, between, _ = row.partition(_BETWEEN)
    again = f"{label}{between}" if between and tokens.count(label) <= room // 4 else ""
    parts = [part.strip() for part in tokens.split(row.removeprefix(again), max(1, room - tokens.count(again) - 1))]
    yield from (again + part for part in parts if part)


def _with(top: str, rows: list[str]) -> str:
    return "\n".join([top, *rows] if top else rows)
