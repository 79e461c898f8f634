"""OpenDocument is read as its programs show it."""

from __future__ import annotations

import io
from collections.abc import Callable

import odfdo

from tests.engines.parsing.conftest import Way

Run = Callable[..., Way]


def saved(document: odfdo.Document) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def text(*blocks: str) -> bytes:
    document = odfdo.Document("text")
    document.body.clear()
    for block in blocks:
        document.body.append(odfdo.Element.from_tag(block))
    return saved(document)


def sheet(*rows: str) -> bytes:
    document = odfdo.Document("spreadsheet")
    document.body.clear()
    document.body.append(odfdo.Element.from_tag(f'<table:table table:name="S">{"".join(rows)}</table:table>'))
    return saved(document)


def row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


def cell(words: str = "", attributes: str = "") -> str:
    return f"<table:table-cell {attributes}>{f'<text:p>{words}</text:p>' if words else ''}</table:table-cell>"


def test_words_stay_whole_and_notes_follow_their_paragraph(way: Run) -> None:
    note = (
        '<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation>'
        "<text:note-body><text:p>Words of the note.</text:p></text:note-body></text:note>"
    )
    start = f"<text:span>T</text:span>ramway of CO<text:span>2</text:span>{note}"
    first = f'<text:p>{start}, <text:a xlink:href="x">link</text:a>ed.</text:p>'
    assert way(text(first, "<text:p>Next.</text:p>"), "a.odt").text == "Tramway of CO2, linked.\nWords of the note.\nNext."


def test_a_cell_is_what_the_sheet_shows(way: Run) -> None:
    share = 'office:value-type="percentage" office:value="0.075"'
    content = sheet(
        row(cell("Port"), cell("Share"), cell(), cell("Crew")),
        row(cell("Riga"), cell("7.5%", share), cell(), cell("9", 'office:value-type="float" office:value="9"')),
        row(cell("All"), cell("", 'table:formula="of:=SUM([.B2:.B2])"'), cell(), cell("9")),
    )
    lines = way(content, "a.ods").text.split("\n")
    assert lines[-3:] == ["Port | Share | Crew", "Riga | 7.5% | 9", "All | =SUM([.B2:.B2]) | 9"]


def test_a_sheet_with_a_cell_at_its_end_is_read_at_once(way: Run) -> None:
    gap = row(cell("", 'table:number-columns-repeated="16384"'), attributes='table:number-rows-repeated="1048570"')
    assert "The last row" in way(sheet(row(cell("Key"), cell("Word")), gap, row(cell("The last row"))), "a.ods").text
