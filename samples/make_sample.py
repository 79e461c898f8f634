"""Turns source/early-computers.md into early-computers.pdf: outline, headings, running header, lists, a ruled table, a figure.

The PDF is committed, so that the demo needs no PDF writer; this script shows where it comes from. `invariant=1` leaves the date
and the random id out of the file: the same source and libraries give the same bytes.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import Image as Bitmap
from PIL import ImageDraw, ImageFont
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    Image,
    KeepTogether,
    ListFlowable,
    ListItem,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "source" / "early-computers.md"
TARGET = HERE / "early-computers.pdf"
LEVELS = {"# ": ("Title", 0), "## ": ("Heading1", 1), "### ": ("Heading2", 2)}
STYLES = getSampleStyleSheet()
BODY = ParagraphStyle("Body", parent=STYLES["BodyText"], fontName="Times-Roman", fontSize=11.5, leading=16, spaceAfter=8)
CAPTION = ParagraphStyle("Caption", parent=BODY, fontName="Times-Italic", fontSize=9.5, alignment=1, spaceBefore=4)
HEADINGS = {name: ParagraphStyle(name, parent=STYLES[name], keepWithNext=1) for name, _ in LEVELS.values()}
CELL = ParagraphStyle("Cell", parent=BODY, fontSize=9.5, leading=12, spaceAfter=0)


class Book(BaseDocTemplate):
    """Every heading becomes a bookmark and an entry of the outline."""

    def __init__(self, target: io.BytesIO) -> None:
        super().__init__(
            target,
            pagesize=A4,
            title="Early Computers and the People Who Built Them",
            author="Aegis samples",
            subject="A short history of computing",
            invariant=1,
        )
        frame = Frame(2.5 * cm, 2.5 * cm, A4[0] - 5 * cm, A4[1] - 5 * cm, id="body")
        self.addPageTemplates([PageTemplate(id="page", frames=[frame], onPage=_furniture)])
        self._headings = 0

    def afterFlowable(self, flowable: Flowable) -> None:
        levels = dict(LEVELS.values())
        level = levels.get(getattr(getattr(flowable, "style", None), "name", ""))
        if level is None:
            return
        self._headings += 1
        key = f"heading-{self._headings}"
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(flowable.getPlainText(), key, level, closed=False)


def _furniture(canvas: Canvas, document: BaseDocTemplate) -> None:
    canvas.saveState()
    canvas.setFont("Times-Roman", 9)
    canvas.drawString(2.5 * cm, A4[1] - 1.5 * cm, "Early Computers and the People Who Built Them")
    canvas.drawCentredString(A4[0] / 2, 1.4 * cm, str(document.page))
    canvas.restoreState()


def _figure() -> bytes:
    """The five parts of the EDVAC report as a bitmap with text in it: what a describer of pictures has to read."""
    image = Bitmap.new("RGB", (1200, 620), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=36)
    boxes = {
        "INPUT": (40, 250, 290, 370),
        "MEMORY": (460, 250, 740, 370),
        "OUTPUT": (910, 250, 1160, 370),
        "CONTROL UNIT": (400, 40, 800, 150),
        "ARITHMETIC UNIT": (380, 470, 820, 580),
    }
    for name, box in boxes.items():
        draw.rectangle(box, outline="black", width=4)
        draw.text(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), name, fill="black", font=font, anchor="mm")
    for line in ((290, 310, 460, 310), (740, 310, 910, 310), (560, 370, 560, 470), (640, 470, 640, 370)):
        _arrow(draw, line)
    for start in range(152, 250, 22):
        draw.line((600, start, 600, min(start + 12, 248)), fill="black", width=4)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _arrow(draw: ImageDraw.ImageDraw, line: tuple[int, int, int, int]) -> None:
    _, top, right, bottom = line
    draw.line(line, fill="black", width=4)
    if top == bottom:
        draw.polygon([(right, bottom), (right - 20, bottom - 10), (right - 20, bottom + 10)], fill="black")
    else:
        step = 20 if bottom > top else -20
        draw.polygon([(right, bottom), (right - 10, bottom - step), (right + 10, bottom - step)], fill="black")


def _table(rows: list[str], caption: str) -> Flowable:
    cells = [[Paragraph(escape(cell.strip()), CELL) for cell in row.split("|")] for row in rows]
    table = Table(cells, colWidths=[2.9 * cm, 1.4 * cm, 3.6 * cm, 4.4 * cm, 3.6 * cm], repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.75, colors.black),
                ("BACKGROUND", (0, 0), (-1, 0), colors.Color(0.9, 0.9, 0.9)),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return KeepTogether([table, Paragraph(escape(caption), CAPTION)])


def _list(lines: list[str], ordered: bool) -> Flowable:
    items = [ListItem(Paragraph(escape(line.split(" ", 1)[1]), BODY)) for line in lines]
    return ListFlowable(items, bulletType="1" if ordered else "bullet", bulletFormat="%s." if ordered else None, leftIndent=18)


def flowables(source: str) -> Iterator[Flowable]:
    """The subset of Markdown that the source uses: headings, paragraphs, lists, !figure, !table ... !end."""
    for block in source.strip().split("\n\n"):
        lines = block.split("\n")
        marker = next((marker for marker in LEVELS if block.startswith(marker)), None)
        if marker:
            yield Paragraph(escape(block.removeprefix(marker)), HEADINGS[LEVELS[marker][0]])
        elif block.startswith("!figure "):
            image = Image(io.BytesIO(_figure()), width=13 * cm, height=6.72 * cm)
            yield KeepTogether([image, Paragraph(escape(block.removeprefix("!figure ")), CAPTION), Spacer(1, 8)])
        elif lines[0] == "!table":
            yield _table(lines[1:-1], lines[-1].removeprefix("!end "))
        elif block.startswith(("- ", "1. ")):
            yield _list(lines, ordered=block[0] == "1")
        else:
            yield Paragraph(escape(" ".join(lines)), BODY)


def build() -> bytes:
    target = io.BytesIO()
    Book(target).build(list(flowables(SOURCE.read_text(encoding="utf-8"))))
    return target.getvalue()


if __name__ == "__main__":
    TARGET.write_bytes(build())
    sys.stderr.write(f"{TARGET}: {TARGET.stat().st_size} bytes\n")
