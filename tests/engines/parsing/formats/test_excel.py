"""A workbook is read as its sheets show it."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime, time, timedelta

import openpyxl
import pytest

from aegis_assets.engines.parsing.formats.number_format import shown
from tests.engines.parsing.conftest import Way

Run = Callable[..., Way]


def saved(book: openpyxl.Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def sheet(*rows: list[object]) -> tuple[openpyxl.Workbook, openpyxl.worksheet.worksheet.Worksheet]:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    return book, book.active


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (0.075, "0.0%", "7.5%"),
        (1234.5, '"€"#,##0.00', "€1,234.50"),
        (1234.5, "#,##0.00\\ [$€-407]", "1,234.50 €"),
        (-5.5, "#,##0.00;(#,##0.00)", "(5.50)"),
        (42, "00000", "00042"),
        (123456789, "000-00-0000", "123-45-6789"),
        (0.1 + 0.2, "General", "0.3"),
        (1.234567890123457e19, "0", "12345678901234600000"),
        (12345, "0.00E+00", "1.23E+04"),
        (2_500_000, '0.0,,"M"', "2.5M"),
        (0.5, "# ?/?", "0.5"),
        (3, "0.##", "3"),
        (datetime(2026, 3, 15, 9, 5), "dd.mm.yyyy hh:mm", "15.03.2026 09:05"),
        (datetime(2026, 3, 15, 15, 5), "d mmm yy h:mm AM/PM", "15 Mar 26 3:05 PM"),
        (time(9, 30), "hh:mm", "09:30"),
        (timedelta(hours=27, minutes=5), "[h]:mm", "27:05"),
        (True, "General", "TRUE"),
    ],
)
def test_values_are_shown_by_their_format(value: object, code: str, text: str) -> None:
    assert shown(value, code) == text


def test_a_cell_is_what_the_sheet_shows(way: Run) -> None:
    book, page = sheet(["Name", "Value"], ["Share", 0.125], ["Plate", 7])
    page["B2"].number_format, page["B3"].number_format = "0.0%", "0000"
    text = way(saved(book), "a.xlsx").text
    assert "Share | 12.5%" in text
    assert "Plate | 0007" in text


def test_a_formula_without_a_value_is_shown_itself(way: Run) -> None:
    book, _ = sheet(["Item", "Sum"], ["Ropes", 3], ["All", "=SUM(B2:B2)"])
    assert "All | =SUM(B2:B2)" in way(saved(book), "a.xlsx").text


def test_one_empty_column_does_not_split_a_table_and_two_do(way: Run) -> None:
    book, page = sheet(["Port", "Ships", None, "Crew"], ["Riga", 4, None, 9])
    page["H1"], page["H2"] = "Other", "table"
    lines = way(saved(book), "a.xlsx").text.split("\n")
    assert "Port | Ships | Crew" in lines
    assert "Riga | 4 | 9" in lines
    assert "Other" in lines


def test_lines_above_the_header_are_no_header(way: Run) -> None:
    book, _ = sheet(
        ["Report of the harbour"], ["Port", "Ships"], *([f"Port {number} of the long coast", number] for number in range(90))
    )
    chunks = way(saved(book), "a.xlsx").chunks
    assert len(chunks) > 1
    assert all("Port | Ships" in draft.text for draft in chunks)


def test_a_sheet_with_a_cell_at_its_end_is_read_at_once(way: Run) -> None:
    book, page = sheet(["Key", "Word"], ["k", "compass"])
    page["A1048576"] = "The last row"
    page.merge_cells("A3:XFD3")
    text = way(saved(book), "a.xlsx").text
    assert "k | compass" in text
    assert "The last row" in text
