"""Rows of tables say what they belong to, in every chunk."""

from __future__ import annotations

import io
from collections.abc import Callable

import docx
import openpyxl

from tests.engines.parsing.conftest import Way

Run = Callable[..., Way]


def saved(document: object) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)  # type: ignore[attr-defined]
    return buffer.getvalue()


def test_a_label_merged_over_rows_begins_every_chunk_of_them(way: Run) -> None:
    document = docx.Document()
    table = document.add_table(81, 2)
    cells = [row.cells for row in table.rows]
    for number, (_, cell) in enumerate(cells):
        cell.text = f"Halt number {number} with some words about its shelter and the clock there" if number else "Halt"
    cells[0][0].text = "Line"
    for first, label in ((1, "Bus Amber"), (41, "Bus Teal")):
        cells[first][0].merge(cells[first + 39][0]).text = label
    for window in (10_000, 1_000):
        chunks = way(saved(document), "a.docx", window_tokens=window).chunks
        for number in (30, 70):
            label = "Bus Amber" if number < 41 else "Bus Teal"
            assert [label in draft.text for draft in chunks if f"Halt number {number} " in draft.text] == [True]


def test_the_first_cell_of_a_row_longer_than_a_chunk_stands_in_each_part(way: Run) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Question", "Answer"])  # type: ignore[union-attr]
    book.active.append(["How long?", "It lasts and lasts. " * 200 + "The end."])  # type: ignore[union-attr]
    chunks = way(saved(book), "a.xlsx").chunks
    assert len(chunks) > 2
    assert all("Question | Answer\nHow long? | " in draft.text for draft in chunks)


def test_the_header_of_a_csv_may_stand_below_its_title(way: Run) -> None:
    rows = "".join(f"Gauge number {number} on the long quay,{number}\n" for number in range(90))
    chunks = way(f"Levels of the harbour\n\nGauge,Level\n{rows}", "a.csv").chunks
    assert len(chunks) > 1
    assert all("Gauge | Level" in draft.text for draft in chunks)
    assert ["Levels of the harbour" in draft.text for draft in chunks].count(True) == 1
