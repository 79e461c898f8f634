"""A PDF with one thing per page, for the tests of the layout rules."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Table, TableStyle

WIDTH, HEIGHT = A4


def photo(seed: int) -> Image.Image:
    rng = random.Random(seed)
    image = Image.new("RGB", (440, 360), (200, 220, 240))
    draw = ImageDraw.Draw(image)
    for _ in range(25):
        x, y = rng.randint(0, 400), rng.randint(0, 320)
        draw.ellipse((x, y, x + 40, y + 40), fill=(rng.randint(0, 255), rng.randint(0, 255), 90))
    return image


def zoo(path: Path) -> Path:
    """A thing per page: 1 spanning cells, 2 unruled table, 3 code, 4 footnote, 5 figures, 6 nothing, 7 booktabs, 8 /Rotate."""
    canvas = Canvas(str(path), pagesize=A4, invariant=1)
    for draw in (_spans, _unruled, _code, _footnote, _figures, _nothing, _booktabs, _turned):
        canvas.setFont("Times-Roman", 11)
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return path


def lines(canvas: Canvas, lines: Iterable[str], x: float, y: float, step: float = 14) -> float:
    for line in lines:
        canvas.drawString(x, y, line)
        y -= step
    return y


def _spans(canvas: Canvas) -> None:
    rows = [["Quarter", "Ships", ""], ["", "in", "out"], ["First", "12", "14"], ["Second", "15", "11"]]
    style = [("GRID", (0, 0), (-1, -1), 0.7, colors.black), ("SPAN", (1, 0), (2, 0)), ("SPAN", (0, 0), (0, 1))]
    table = Table(rows, colWidths=[100, 70, 70], style=TableStyle(style))
    table.wrapOn(canvas, 400, 400)
    table.drawOn(canvas, 100, 600)


def _unruled(canvas: Canvas) -> None:
    canvas.drawString(70, 760, "The depths of the basins were measured twice, in spring and in autumn of the year:")
    for i, row in enumerate(
        [("Basin", "Spring", "Autumn"), ("North", "11.2", "10.9"), ("South", "9.7", "9.9"), ("East", "14.0", "13.5")]
    ):
        for x, text in zip((100, 220, 320), row, strict=True):
            canvas.drawString(x, 720 - 18 * i, text)
    canvas.drawString(70, 620, "After that nobody measured them again, although the harbour office had asked for it.")


def _code(canvas: Canvas) -> None:
    canvas.drawString(70, 760, "The following function returns the depth of a basin in metres:")
    canvas.setFont("Courier", 10)
    lines(
        canvas, ["def depth(basin):", "    for reading in basin:", "        if reading:", "            return reading"], 90, 730, 12
    )
    canvas.setFont("Times-Roman", 11)
    canvas.drawString(70, 660, "It is called once per hour.")


def _footnote(canvas: Canvas) -> None:
    lines(
        canvas,
        ["The harbour was dredged in the spring of that year, and the work took four months,", "which was longer than planned.1"],
        70,
        760,
    )
    canvas.setFont("Times-Roman", 8.5)
    canvas.drawString(70, 90, "1 The reasons are given in the report of the commission.")


def _figures(canvas: Canvas) -> None:
    canvas.drawString(70, 780, "Two figures follow, the first a photograph and the second a drawing by the engineer.")
    canvas.drawImage(ImageReader(photo(5)), 120, 560, 240, 190)
    canvas.drawString(120, 540, "Figure 1: The lanterns of the northern pier at night.")
    for i in range(7):
        canvas.line(120 + 30 * i, 330, 150 + 25 * i, 480 - 12 * i)
    canvas.circle(230, 400, 60)
    canvas.rect(110, 320, 240, 180)
    canvas.drawString(120, 300, "Figure 2: The crane seen from the side.")
    canvas.drawImage(ImageReader(photo(6)), 500, 700, 12, 12)


def _nothing(canvas: Canvas) -> None:
    pass


def _booktabs(canvas: Canvas) -> None:
    canvas.drawString(100, 705, "Table 1: Tides.")
    for y in (690, 670, 612):
        canvas.line(100, y, 340, y)
    for i, row in enumerate(
        [("Port", "High", "Low"), ("Leith", "5.6", "0.8"), ("Wick", "3.5", "0.7"), ("Tobermory", "4.4", "0.6")]
    ):
        for x, text in zip((105, 210, 290), row, strict=True):
            canvas.drawString(x, 676 - 18 * i - (2 if i else 0), text)


def _turned(canvas: Canvas) -> None:
    canvas.setPageRotation(90)
    canvas.saveState()
    canvas.translate(WIDTH, 0)
    canvas.rotate(90)
    lines(
        canvas,
        ["This page lies on its side in the file and is shown upright,", "so its lines are read from left to right as any others."],
        80,
        WIDTH - 80,
    )
    canvas.restoreState()
