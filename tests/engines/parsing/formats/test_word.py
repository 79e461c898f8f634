"""A Word file is read as Word shows it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import docx
import openpyxl
import pytest
from docx.opc.constants import CONTENT_TYPE, RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from tests.engines.parsing.conftest import Way

Run = Callable[..., Way]
W = nsdecls("w", "r")


def paragraph(inner: str, properties: str = "") -> str:
    return f"<w:p {W}><w:pPr>{properties}</w:pPr>{inner}</w:p>"


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def table(*rows: str) -> str:
    grid = "<w:tblGrid><w:gridCol/><w:gridCol/></w:tblGrid>"
    return f"<w:tbl {W}><w:tblPr/>{grid}{''.join(rows)}</w:tbl>"


def row(*cells: str, properties: str = "") -> str:
    return f"<w:tr>{properties}{''.join(f'<w:tc>{cell}</w:tc>' for cell in cells)}</w:tr>"


def made(*blocks: str, before: Callable[[Any], None] | None = None) -> bytes:
    document = docx.Document()
    if before is not None:
        before(document)
    for block in blocks:
        document.element.body.sectPr.addprevious(parse_xml(block))
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def test_words_stay_whole_whatever_is_bold_in_them(way: Run) -> None:
    text = way(
        made(
            paragraph(run("T", "<w:b/>") + run("ramway of CO") + run("2", '<w:vertAlign w:val="subscript"/>') + run(" , end")),
            paragraph('<w:hyperlink r:id="rId99">' + run("lin") + "</w:hyperlink>" + run("ked")),
        ),
        "a.docx",
    ).text
    assert "Tramway of CO2 , end" in text
    assert "linked" in text


def test_tracked_changes_are_accepted(way: Run) -> None:
    gone = f"<w:del>{run('old ')}</w:del>".replace("w:t>", "w:delText>").replace("<w:t ", "<w:delText ")
    text = way(
        made(
            paragraph(run("Price ") + gone + f"<w:ins>{run('new')}</w:ins>"),
            paragraph(f"<w:moveFrom>{run('Moved words.')}</w:moveFrom>"),
            paragraph(run("Between.")),
            paragraph(f"<w:moveTo>{run('Moved words.')}</w:moveTo>"),
            paragraph(run("First half "), "<w:rPr><w:del/></w:rPr>"),
            paragraph(run("second half.")),
            table(
                row(paragraph(run("Item")), paragraph(run("Fee"))),
                row(paragraph(run("Mooring")), paragraph(f"<w:ins>{run('77 euros')}</w:ins>")),
                row(paragraph(run("Deleted row")), paragraph(run("1")), properties="<w:trPr><w:del/></w:trPr>"),
            ),
        ),
        "a.docx",
    ).text
    assert "Price new" in text
    assert "old" not in text
    assert text.index("Between.") < text.index("Moved words.")
    assert text.count("Moved words.") == 1
    assert "First half second half." in text
    assert "Mooring | 77 euros" in text
    assert "Deleted row" not in text


@pytest.mark.parametrize(
    "wrapped",
    [
        "<w:sdt><w:sdtContent>{}</w:sdtContent></w:sdt>",
        '<w:bdo w:val="ltr">{}</w:bdo>',
        "<w:customXml>{}</w:customXml>",
        "<w:r><w:ruby><w:rt><w:r><w:t>above</w:t></w:r></w:rt><w:rubyBase>{}</w:rubyBase></w:ruby></w:r>",
    ],
)
def test_wrapped_runs_are_read(way: Run, wrapped: str) -> None:
    assert (
        "The city Kyoto is old."
        in way(made(paragraph(run("The city ") + wrapped.format(run("Kyoto")) + run(" is old."))), "a").text
    )


def test_content_controls_in_tables_are_read(way: Run) -> None:
    control = "<w:sdt><w:sdtContent>{}</w:sdtContent></w:sdt>"
    rows = [
        row(paragraph(run("Quay")), paragraph(run("Depth"))),
        control.format(row(paragraph(run("East")), paragraph(run("3 m")))),
        row(paragraph(run("West")), control.format(paragraph(run("5 m")))),
    ]
    text = way(made(table(*rows)), "a").text
    assert "East | 3 m" in text
    assert "West | 5 m" in text


def test_notes_stand_behind_their_paragraph(way: Run) -> None:
    def add(document: Any) -> None:
        for kind, tag in ((RELATIONSHIP_TYPE.FOOTNOTES, "footnote"), (RELATIONSHIP_TYPE.ENDNOTES, "endnote")):
            note = f'<w:{tag} w:id="2"><w:p>{run(f"Text of the {tag}.")}</w:p></w:{tag}>'
            content = f"<w:{tag}s {W}>{note}</w:{tag}s>".encode()
            part = Part(PackURI(f"/word/{tag}s.xml"), CONTENT_TYPE.WML_FOOTNOTES, content, document.part.package)
            document.part.relate_to(part, kind)

    marks = '<w:r><w:footnoteReference w:id="2"/></w:r>' + run(" more.") + '<w:r><w:endnoteReference w:id="2"/></w:r>'
    text = way(made(paragraph(run("Claim") + marks), paragraph(run("Next.")), before=add), "a").text
    assert text.split("\n") == ["Claim more.", "Text of the footnote.", "Text of the endnote.", "Next."] or (
        text.index("Claim more.") < text.index("Text of the footnote.") < text.index("Next.")
        and text.index("Text of the endnote.") < text.index("Next.")
    )


def test_a_letterhead_is_read_and_a_running_header_is_not(way: Run) -> None:
    def add(document: Any) -> None:
        section = document.sections[0]
        section.different_first_page_header_footer = True
        section.first_page_header.paragraphs[0].text = "Keel Shipyard, Stralsund"
        section.first_page_footer.paragraphs[0].text = "IBAN DE00 1234"
        section.header.paragraphs[0].text = "Running words"

    text = way(made(paragraph(run("Dear Ms Roth")), before=add), "a").text
    assert text.index("Keel Shipyard") < text.index("Dear Ms Roth") < text.index("IBAN DE00 1234")
    assert "Running words" not in text


def test_a_table_in_a_cell_is_read_once(way: Run) -> None:
    inner = table(row(paragraph(run("Hour")), paragraph(run("Room"))), row(paragraph(run("Nine")), paragraph(run("B12"))))
    course = row(paragraph(run("Optics")), paragraph("") + inner + paragraph(""))
    text = way(made(table(row(paragraph(run("Course")), paragraph(run("Plan"))), course)), "a").text
    assert "Hour | Room\nNine | B12" in text
    assert text.count("B12") == 1


def test_headings_have_the_numbers_that_word_shows(way: Run) -> None:
    def add(document: Any) -> None:
        numbering = document.part.numbering_part.element
        level = '<w:lvl w:ilvl="{0}"><w:start w:val="{1}"/><w:numFmt w:val="decimal"/><w:lvlText w:val="{2}"/></w:lvl>'
        levels = level.format(0, 5, "%1") + level.format(1, 1, "%1.%2")
        numbering.insert(0, parse_xml(f'<w:abstractNum {W} w:abstractNumId="77">{levels}</w:abstractNum>'))
        numbering.append(parse_xml(f'<w:num {W} w:numId="77"><w:abstractNumId w:val="77"/></w:num>'))

    def heading(text: str, level: int) -> str:
        number = f'<w:numPr><w:ilvl w:val="{level - 1}"/><w:numId w:val="77"/></w:numPr>'
        return paragraph(run(text), f'<w:pStyle w:val="Heading{level}"/>{number}')

    done = way(
        made(
            heading("Hull", 1), heading("Keel", 2), paragraph(run("Oak.")), heading("Mast", 1), paragraph(run("Ash.")), before=add
        ),
        "a",
    )
    assert [draft.headings for draft in done.chunks] == [("5 Hull", "5.1 Keel"), ("6 Mast",)]


def test_an_embedded_workbook_is_read(way: Run) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Pump", "Flow"])  # type: ignore[union-attr]
    book.active.append(["P-4", "12 l/s"])  # type: ignore[union-attr]
    buffer = io.BytesIO()
    book.save(buffer)

    def add(document: Any) -> None:
        part = Part(PackURI("/word/embeddings/flows.xlsx"), CONTENT_TYPE.SML_SHEET, buffer.getvalue(), document.part.package)
        document.part.relate_to(part, RELATIONSHIP_TYPE.PACKAGE)

    done = way(made(paragraph(run("See the sheet.")), before=add), "a")
    found = next(draft for draft in done.chunks if "P-4 | 12 l/s" in draft.text)
    assert found.headings[:1] == ("flows.xlsx",)
    assert found.pages == ()
