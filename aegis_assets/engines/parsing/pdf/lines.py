"""Cells of docling-parse and runs of pdfium -> visual lines with their font size; pixels of a scan -> the same by OCR."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from aegis_assets.engines.parsing.ocr import Reading
from aegis_assets.engines.parsing.pdf.geometry import Line, Word
from aegis_assets.engines.parsing.pdf.measure import BOLD, MONO, Run, plain_font

MARKER = re.compile(
    r"^([•·▪◦‣∙●○■□►➢✓–—*-]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)]|\([ivx]+\)|\[\d+\]|(\d{1,3}\.)*\d{1,3}\.?|[A-Z](\.\d{1,3})+)$"
)
# \x02 and the soft hyphen are hyphens at a line's end; the rest are bullets of symbol fonts.
REPLACED = str.maketrans({"\t": " ", "\x02": "-", "\u00ad": "-", "\uf0b7": "•", "\uf0a7": "▪", "\uf076": "•", "\uf0d8": "►"})
BUCKET = 12.0  # points; runs are looked up by height
WORD_GAP = 0.12  # of the letters' height; smaller gaps join letters of one word
LINE_GAP = 0.75  # larger gaps separate columns and table cells


class Fonts:
    """The run at a place of the page, which knows the true size of its font."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._buckets: dict[int, list[Run]] = defaultdict(list)
        for run in runs:
            for bucket in range(int(run.t // BUCKET), int(run.b // BUCKET) + 1):
                self._buckets[bucket].append(run)

    def at(self, l: float, t: float, r: float, b: float) -> Run | None:  # noqa: E741
        """The run that covers most of the box, None where there is none."""
        middle = (t + b) / 2
        best: Run | None = None
        most = 0.0
        for run in self._buckets.get(int(middle // BUCKET), ()):
            if run.t - 3 <= middle <= run.b + 3:
                covered = min(r, run.r) - max(l, run.l)
                if covered > most:
                    best, most = run, covered
        return best


def from_cells(cells: Iterable[Any], fonts: Fonts) -> list[Line]:
    """docling-parse text cells, top-left origin -> lines. Cells on one baseline are joined: a cell ends where the font changes."""
    pieces = []
    for cell in cells:
        box, text = cell.rect.to_bounding_box(), _clean(cell.text)
        if not text.strip() or box.width <= 0 or box.height <= 0:
            continue
        run = fonts.at(box.l, box.t, box.r, box.b)
        font = run.font if run is not None else plain_font(getattr(cell, "font_name", "") or "")
        upright = abs(cell.rect.r_y1 - cell.rect.r_y0) <= abs(cell.rect.r_x1 - cell.rect.r_x0)
        size = run.size if run is not None and run.size > 0 else round(1.1 * box.height, 1)
        pieces.append(
            Line(box.l, box.t, box.r, box.b, text, size, bool(BOLD.search(font)), bool(MONO.search(font)), upright=upright)
        )
    return joined(pieces)


def words_of(cells: Iterable[Any]) -> list[Word]:
    found = []
    for cell in cells:
        box, text = cell.rect.to_bounding_box(), _clean(cell.text).strip()
        if text and box.width > 0 and box.height > 0:
            found.append(Word(box.l, box.t, box.r, box.b, text))
    return found


def joined(pieces: Sequence[Line]) -> list[Line]:
    """Pieces side by side on one baseline become one line, from left to right."""
    rows: list[list[Line]] = []
    for piece in sorted((x for x in pieces if x.upright), key=lambda x: ((x.t + x.b) / 2, x.l)):
        for row in reversed(rows[-4:]):
            overlap = min(row[0].b, piece.b) - max(row[0].t, piece.t)
            if overlap > 0.5 * min(row[0].height, piece.height):
                row.append(piece)
                break
        else:
            rows.append([piece])
    found = [line for row in rows for line in _row(sorted(row, key=lambda x: x.l))]
    return found + [x for x in pieces if not x.upright]


def _row(row: Sequence[Line]) -> list[Line]:
    found: list[Line] = []
    for piece in row:
        if found and _continues(found[-1], piece):
            found[-1] = _both(found[-1], piece)
        else:
            found.append(piece)
    return found


def _continues(left: Line, right: Line) -> bool:
    gap, height = right.l - left.r, min(left.height, right.height)
    if gap < -0.5 * height:
        return False
    return gap < LINE_GAP * height or (gap < 3.0 * height and bool(MARKER.match(left.text.strip())))


def _both(left: Line, right: Line) -> Line:
    space = "" if right.l - left.r < WORD_GAP * left.height or left.text.endswith(" ") or right.text.startswith(" ") else " "
    longer = left if len(left.text) >= len(right.text) else right
    return Line(
        left.l,
        min(left.t, right.t),
        right.r if right.r > left.r else left.r,
        max(left.b, right.b),
        left.text + space + right.text,
        longer.size,
        left.bold and right.bold,
        longer.mono,
        left.ocr,
    )


def body_size(lines: Sequence[Line]) -> float:
    """The size of most characters of one page."""
    sizes = Counter[float]()
    for line in lines:
        if line.upright and not line.mono:
            sizes[round(line.size * 2) / 2] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 10.0


def from_readings(found: Iterable[Reading], scale: float) -> tuple[list[Line], list[Word]]:
    """Of a scan with `scale` pixels per point. The size of a line is guessed from its height; equal heights are evened out."""
    words, pieces = [], []
    for x in found:
        box = (x.l / scale, x.t / scale, x.r / scale, x.b / scale)
        words.append(Word(*box, x.text))
        pieces.append(
            Line(*box, x.text, round(0.8 * (box[3] - box[1]), 1), ocr=True, upright=box[3] - box[1] <= 2 * (box[2] - box[0]))
        )
    usual = median(piece.size for piece in pieces) if pieces else 10.0
    for piece in pieces:  # the detector's boxes vary by a few pixels from line to line
        if abs(piece.size - usual) < 0.25 * usual:
            piece.size = usual
    return joined(pieces), words


def _clean(text: str) -> str:
    """Without control characters and lone surrogates, which break JSON readers and terminals."""
    text = text.translate(REPLACED)
    return text if text.isprintable() else "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cs"))
