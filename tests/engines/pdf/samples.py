"""PDFs made for the tests, by reportlab: what people upload, one thing per page or one kind per document."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pypdfium2
from PIL import Image
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    FrameBreak,
    NextPageTemplate,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from tests.engines.pdf.zoo import lines, photo, zoo

WIDTH, HEIGHT = A4
BODY = ParagraphStyle("body", fontName="Times-Roman", fontSize=11, leading=13.5, spaceAfter=7, alignment=4)
HEAD = ParagraphStyle("head", parent=BODY, fontName="Helvetica-Bold", fontSize=18, leading=22, spaceBefore=14, spaceAfter=8)
SUB = ParagraphStyle("sub", parent=BODY, fontName="Helvetica-Bold", fontSize=13, leading=16, spaceBefore=10, spaceAfter=5)
ITEM = ParagraphStyle("item", parent=BODY, leftIndent=18, bulletIndent=6)
WORDS = [
    "river",
    "harbour",
    "engine",
    "granite",
    "lantern",
    "meadow",
    "copper",
    "signal",
    "archive",
    "window",
    "turbine",
    "valley",
    "orchard",
    "bridge",
    "compass",
    "mineral",
    "harvest",
    "thunder",
    "pilgrim",
    "cabinet",
    "journal",
    "anchor",
    "saddle",
    "timber",
    "gravel",
    "beacon",
    "ledger",
    "quarry",
    "saffron",
    "velvet",
]


def prose(random_: random.Random, words: int) -> str:
    """Sentences of plain words; each has a capital and a full stop, so that the parts of a broken paragraph can be told."""
    found: list[str] = []
    while words > 0:
        count = min(words, random_.randint(9, 19))
        sentence = [random_.choice(WORDS) for _ in range(max(3, count))]
        found.append(" ".join(sentence).capitalize() + ".")
        words -= count
    return " ".join(found)


class Report(BaseDocTemplate):
    """With a running header, page numbers, and an outline of its headings."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), pagesize=A4, invariant=1)
        frame = Frame(70, 80, WIDTH - 140, HEIGHT - 170, id="body", leftPadding=0, rightPadding=0)
        self.addPageTemplates([PageTemplate(id="page", frames=[frame], onPage=self._edges)])

    def _edges(self, canvas: Canvas, document: Any) -> None:
        canvas.setFont("Times-Roman", 9)
        canvas.drawString(70, HEIGHT - 45, "Annual report of the harbour office")
        canvas.drawCentredString(WIDTH / 2, 40, f"{document.page}")

    def afterFlowable(self, flowable: Any) -> None:
        if isinstance(flowable, Paragraph) and flowable.style.name in ("head", "sub"):
            key = f"h{self.seq.nextf('h')}"
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(flowable.getPlainText(), key, 0 if flowable.style.name == "head" else 1)


def report(path: Path, chapters: int = 6) -> Path:
    """20 pages and more: paragraphs and lists over page breaks, headings anywhere, ruled tables, no figure."""
    rng, story = random.Random(7), list[Any]()
    for chapter in range(1, chapters + 1):
        story.append(Paragraph(f"{chapter} Chapter of {WORDS[chapter]}", HEAD))
        for section in range(1, 4):
            story.append(Paragraph(f"{chapter}.{section} Notes on {WORDS[10 + section]} {chapter}", SUB))
            story += [Paragraph(prose(rng, rng.randint(60, 190)), BODY) for _ in range(3)]
            story += [Paragraph(prose(rng, rng.randint(12, 45)), ITEM, bulletText="•") for _ in range(6)]
            if section == 2:
                story += [_ruled(rng), Spacer(1, 10)]
    Report(path).build(story)
    return path


def long_paragraph(path: Path) -> Path:
    """One paragraph over four pages between two short ones: longer than any neighbour page shows."""
    rng = random.Random(3)
    text = " ".join(rng.choice(WORDS) for _ in range(2300))
    story = [Paragraph("Before it.", BODY), Paragraph(f"Begin {text} end.", BODY), Paragraph("After it.", BODY)]
    Report(path).build(story)
    return path


def _ruled(rng: random.Random) -> Table:
    rows = [["Station", "Depth", "Flow"]] + [
        [f"{rng.choice(WORDS)} {i}", f"{rng.randint(1, 99)} m", f"{rng.randint(100, 999)}"] for i in range(5)
    ]
    style = [("GRID", (0, 0), (-1, -1), 0.5, colors.black), ("FONTSIZE", (0, 0), (-1, -1), 10)]
    return Table(rows, colWidths=[120, 80, 80], style=TableStyle(style))


def two_columns(path: Path) -> Path:
    """A paper: title and abstract across, then two columns, a figure with a caption, footnotes at the columns' ends."""
    rng = random.Random(11)
    document = BaseDocTemplate(str(path), pagesize=A4, invariant=1)
    half = (WIDTH - 140 - 18) / 2
    title = Frame(70, HEIGHT - 250, WIDTH - 140, 190, id="title", leftPadding=0, rightPadding=0)

    def columns(height: float) -> list[Frame]:
        return [Frame(70 + i * (half + 18), 70, half, height, id=f"c{i}", leftPadding=0, rightPadding=0) for i in range(2)]

    document.addPageTemplates(
        [PageTemplate(id="first", frames=[title, *columns(HEIGHT - 330)]), PageTemplate(id="rest", frames=columns(HEIGHT - 140))]
    )
    small = ParagraphStyle("small", parent=BODY, fontSize=9.5, leading=11.5)
    story: list[Any] = [
        Paragraph("On the Measurement of Harbour Lanterns", HEAD),
        Paragraph("Abstract. " + prose(rng, 90), BODY),
        NextPageTemplate("rest"),
        FrameBreak(),
    ]
    for number in range(1, 5):
        story.append(Paragraph(f"{number} Section {WORDS[number]}", SUB))
        story += [Paragraph(f"Mark{number}{i} " + prose(rng, 110), small) for i in range(4)]
    document.build(story)
    return path


def slides(path: Path) -> Path:
    """Three landscape slides: title, bullets, a picture beside two lines."""
    canvas = Canvas(str(path), pagesize=landscape(A4), invariant=1)
    for number in range(1, 4):
        canvas.setFont("Helvetica-Bold", 34)
        canvas.drawString(60, 500, f"Topic {number} of the harbour")
        canvas.setFont("Helvetica", 20)
        for i in range(4):
            canvas.drawString(70, 430 - 50 * i, f"•  Point {number}.{i} about the {WORDS[number + i]} works")
        canvas.drawImage(ImageReader(photo(number)), 520, 120, 220, 180)
        canvas.showPage()
    canvas.save()
    return path


def form(path: Path) -> Path:
    """A form in ruled boxes: label and value per row."""
    canvas = Canvas(str(path), pagesize=A4, invariant=1)
    canvas.setFont("Helvetica-Bold", 16)
    canvas.drawString(70, 760, "Application for a berth")
    canvas.setFont("Helvetica", 11)
    for i, (label, value) in enumerate(
        [("Name", "Ada Miller"), ("Vessel", "Northern Star"), ("Length", "12 m"), ("Port", "Aberdeen")]
    ):
        canvas.rect(70, 700 - 30 * i, 120, 30)
        canvas.rect(190, 700 - 30 * i, 250, 30)
        canvas.drawString(76, 710 - 30 * i, label)
        canvas.drawString(196, 710 - 30 * i, value)
    canvas.save()
    return path


def plot(path: Path) -> Path:
    """4,000 strokes and as many letters: hostile to anything quadratic."""
    rng, canvas = random.Random(5), Canvas(str(path), pagesize=A4, invariant=1)
    canvas.setFont("Helvetica", 5)
    for i in range(4000):
        x, y = rng.uniform(60, 530), rng.uniform(100, 700)
        canvas.line(x, y, x + rng.choice((0, 12)), y + 12)
        canvas.drawString(70 + 4.5 * (i % 100), 110 + 14 * (i // 100), rng.choice("xyz"))
    canvas.save()
    return path


def page_image(path: Path, page: int, scale: float = 2.0) -> Image.Image:
    with pypdfium2.PdfDocument(path) as document:
        return document[page - 1].render(scale=scale).to_pil().convert("RGB")


def scan(path: Path, source: Path, pages: Iterable[int]) -> Path:
    """Pages of a PDF as bitmaps, as a scanner makes them."""
    canvas = Canvas(str(path), pagesize=A4, invariant=1)
    for page in pages:
        canvas.drawImage(ImageReader(page_image(source, page)), 0, 0, WIDTH, HEIGHT)
        canvas.showPage()
    canvas.save()
    return path


def scan_source(path: Path) -> Path:
    """A page with few large lines: OCR takes seconds per page."""
    canvas = Canvas(str(path), pagesize=A4, invariant=1)
    canvas.setFont("Helvetica-Bold", 26)
    canvas.drawString(70, 740, "Harbour Regulations")
    canvas.setFont("Helvetica", 14)
    lines(
        canvas,
        ["Every vessel shall report to the harbour office", "before it enters the northern basin.", "Lanterns are lit at dusk."],
        70,
        690,
        20,
    )
    canvas.save()
    return path


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


__all__ = [
    "form",
    "long_paragraph",
    "page_image",
    "photo",
    "plot",
    "png",
    "report",
    "scan",
    "scan_source",
    "slides",
    "two_columns",
    "zoo",
]
