"""A sheet (lines, rules, drawings of a page) and the document's facts -> labelled blocks in reading order, without a model.

All that decides a label is on the page itself or in the facts, never in the window: so a page is laid out alike in any window.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from aegis_assets.engines.parsing.pdf import tables
from aegis_assets.engines.parsing.pdf.columns import flows
from aegis_assets.engines.parsing.pdf.facts import NUMBERED, Facts, letters, without_digits
from aegis_assets.engines.parsing.pdf.geometry import Line, Rect, Sheet, around, in_rows, merged
from aegis_assets.engines.parsing.pdf.lines import MARKER

HEADING, TEXT, LIST, CODE, CAPTION = "section_header", "text", "list_item", "code", "caption"
FOOTNOTE, TABLE, PICTURE, HEADER, FOOTER = "footnote", "table", "picture", "page_header", "page_footer"

CAPTIONED = re.compile(
    r"^(figure|fig\.|table|listing|exhibit|algorithm|scheme|abbildung|abb\.|tabelle|tab\.)\s*\d+([.:\-]\d+)*\s*([:.\-–|]|$|\s[A-Z])",
    re.I,
)
LEADER = re.compile(r"(\.\s?){4,}\s*\w{0,6}\s*$")
ITEM = re.compile(r"^([•·▪◦‣∙●○■□►➢✓–—*-]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)]|\([ivx]+\)|\[\d+\])\s+\S")
CHAPTER = re.compile(r"^(chapter|appendix|part|kapitel|anhang|teil)\s+([\dIVXL]{1,4}|[A-Z])$", re.I)  # its title is the next line
PAGE_NUMBER = re.compile(r"^[-–—\s]*(page|seite|p\.)?\s*(\d{1,4}|[ivxlc]{1,7})(\s*(of|/|von)\s*\d{1,4})?[-–—\s.]*$", re.I)
NOTE = re.compile(r"^(\d{1,2}|[*†‡§¶]|\[\d{1,2}\])\s*\S")
BAND = 0.08  # of the height; a lone page number stands in it


@dataclass(slots=True)
class Block:
    label: str
    rect: Rect
    lines: list[Line] = field(default_factory=list)
    grid: tables.Grid | None = None
    inner: list[Block] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(line.text for line in self.lines)


@dataclass(slots=True)
class Graphic(Rect):
    block: Block


def blocks(sheet: Sheet, facts: Facts) -> list[Block]:
    """Headers first, then the flows of the page, footers last."""
    head, rest, foot = _furniture(sheet, facts)
    grids = tables.ruled(sheet, rest) if not sheet.scanned else []
    figures = [x for x in _figures(sheet, grids, rest, facts) if not any(x.shared(grid) > 0.6 for grid in grids)]
    grids = [x for x in grids if not any(x.shared(figure) > 0.6 for figure in figures)]
    placed: list[Graphic] = []
    for rect in [*grids, *figures]:
        inside = [line for line in rest if rect.holds_centre(line)]
        taken = {id(line) for line in inside}
        rest = [line for line in rest if id(line) not in taken]
        block = Block(TABLE, rect, grid=rect) if isinstance(rect, tables.Grid) else Block(PICTURE, rect)
        if block.label == PICTURE and inside:
            block.inner = [Block(TEXT, around(inside), sorted(inside, key=lambda x: (x.t, x.l)))]
        placed.append(Graphic(rect.l, rect.t, rect.r, rect.b, block))
    upright = [line for line in rest if line.upright]
    found = [block for flow in flows([*upright, *placed]) for block in _flow(flow, sheet, facts)]
    turned = [Block(TEXT, around([line]), [line]) for line in rest if not line.upright]
    return [*head, *found, *turned, *foot]


def _furniture(sheet: Sheet, facts: Facts) -> tuple[list[Block], list[Line], list[Block]]:
    """Running headers, what is left, running footers."""
    head, rest, foot = list[Block](), list[Line](), list[Block]()
    recurring = set(facts.furniture)
    for line in sheet.lines:
        known = without_digits(line.text) in recurring
        lone = bool(PAGE_NUMBER.match(line.text.strip()))
        upper, lower = line.b < BAND * sheet.height, line.t > (1 - BAND) * sheet.height
        if facts.outlined(sheet.number, line.text) is not None and line.size > 1.2 * sheet.body:
            rest.append(line)
        elif line.b <= facts.top or (upper and lone) or (known and line.b < 0.15 * sheet.height):
            head.append(Block(HEADER, around([line]), [line]))
        elif line.t >= sheet.height - facts.bottom or (lower and lone) or (known and line.t > 0.85 * sheet.height):
            foot.append(Block(FOOTER, around([line]), [line]))
        else:
            rest.append(line)
    return head, rest, foot


def _figures(sheet: Sheet, grids: Sequence[tables.Grid], lines: Sequence[Line], facts: Facts) -> list[Rect]:
    """Bitmaps and vector drawings, without logos in the running header and frames around text."""
    page = sheet.width * sheet.height
    if sheet.scanned:
        return sheet.bitmaps
    found = [x for x in sheet.bitmaps if x.width > 24 and x.height > 24 and x.area < 0.9 * page]
    drawn = [x for x in sheet.shapes if x.width > 3 and x.height > 3 and not any(x.shared(grid) > 0.5 for grid in grids)]
    for rect in merged(drawn, 6.0):
        inside = [line for line in lines if rect.holds_centre(line)]
        ink = sum(line.width * line.height for line in inside) / max(1.0, rect.area)
        framed = [line for line in inside if line.mono or line.width > 0.55 * rect.width]
        if not 0.01 * page <= rect.area < 0.85 * page or min(rect.width, rect.height) <= 30:
            continue
        if ink < 0.35 and len(framed) < 0.5 * max(1, len(inside)):
            found.append(rect)
    found = [x for x in merged(found, 1.0) if x.area >= 0.002 * page]
    return [_clipped(x, sheet) for x in found if not (x.b <= facts.top or x.t >= sheet.height - facts.bottom)]


def _clipped(rect: Rect, sheet: Sheet) -> Rect:
    return Rect(max(0.0, rect.l), max(0.0, rect.t), min(sheet.width, rect.r), min(sheet.height, rect.b))


def _flow(items: Sequence[Rect], sheet: Sheet, facts: Facts) -> list[Block]:
    """The blocks of one column. Aligned columns become tables before the rest becomes paragraphs."""
    lines = [x for x in items if isinstance(x, Line)]
    leaders = sum(bool(LEADER.search(line.text)) for line in lines)
    grids = tables.aligned([line for line in lines if not line.mono], sheet) if leaders < 4 else []
    queue: list[Rect] = [x for x in items if not (isinstance(x, Line) and any(grid.holds_centre(x, 0.5) for grid in grids))]
    queue += [Graphic(grid.l, grid.t, grid.r, grid.b, Block(TABLE, grid, grid=grid)) for grid in grids]
    found: list[Block] = []
    stretch: list[Line] = []
    for item in in_rows(queue):
        if isinstance(item, Line):
            stretch.append(item)
            continue
        found += _paragraphs(stretch, sheet, facts)
        stretch = []
        if isinstance(item, Graphic):
            found.append(item.block)
    return found + _paragraphs(stretch, sheet, facts)


def _paragraphs(lines: Sequence[Line], sheet: Sheet, facts: Facts) -> list[Block]:
    if not lines:
        return []
    gaps = [b.t - a.b for a, b in pairwise(lines) if -2 < b.t - a.b < 1.5 * sheet.body]
    lead = median(gaps) if gaps else 0.2 * sheet.body
    found: list[Block] = []
    for index, line in enumerate(lines):
        label = _label(lines, index, found[-1] if found else None, lead, sheet, facts)
        if found and _goes_on(found[-1], line, label, lead, sheet.body):
            found[-1].lines.append(line)
            found[-1].rect = around((found[-1].rect, line))
        else:
            found.append(Block(label, around([line]), [line]))
    return found


def _label(lines: Sequence[Line], index: int, last: Block | None, lead: float, sheet: Sheet, facts: Facts) -> str:
    line = lines[index]
    text = line.text.strip()
    close = last is not None and line.t - last.lines[-1].b < lead + 1.5
    if _is_heading(lines, index, lead, sheet, facts):
        return HEADING
    if CAPTIONED.match(text) and not (last is not None and last.label == TEXT and close):
        return CAPTION
    if line.mono and not (close and last is not None and _mid_sentence(last, line, lines)):
        return CODE
    if line.size <= 0.92 * sheet.body and line.t > 0.6 * sheet.height and NOTE.match(text) and not (last and last.label == CAPTION):
        return FOOTNOTE
    if ITEM.match(text) or (MARKER.match(text) and not text[0].isalpha()):
        return LIST
    return TEXT


def _mid_sentence(last: Block, line: Line, lines: Sequence[Line]) -> bool:
    """A line of a paragraph that happens to be code throughout: the line before it is full, and both begin at one edge."""
    edge = max(x.r for x in lines)
    full = last.lines[-1].r > edge - 0.12 * (edge - min(x.l for x in lines))
    return last.label in (TEXT, LIST, FOOTNOTE) and full and abs(line.l - last.lines[-1].l) < 2


def _is_heading(lines: Sequence[Line], index: int, lead: float, sheet: Sheet, facts: Facts) -> bool:
    line = lines[index]
    text = line.text.strip()
    if len(text) > 150 or line.mono or not any(c.isalpha() for c in text) or LEADER.search(text) or len(letters(text)) < 2:
        return False
    if facts.outlined(sheet.number, text) is not None:
        return True
    ratio, bold, stack = line.size / sheet.body, line.bold and not facts.body_bold, _stack(lines, index)
    if ITEM.match(text) and not NUMBERED.match(text):
        return False
    known = line.size in {size for size, _ in facts.levels} and text[-1] not in ".,;" and stack <= 2
    large = ratio >= 1.35 or (ratio >= 1.12 and (bold or known))
    if large and stack <= 3 and len(text) < 110:
        return not line.ocr or _alone(lines, index, 0.3 * sheet.body + lead)
    if NUMBERED.match(text) and (bold or ratio >= 1.12) and ratio >= 0.95 and stack <= 3 and len(text) < 90:
        return True
    plain = text[0].isupper() and text[-1] not in ".,;:?!" and len(text) < 80 and ratio >= 0.97
    return bold and plain and stack == 1 and _alone(lines, index, 0.25 * sheet.body + lead)


def _stack(lines: Sequence[Line], index: int) -> int:
    """How many lines of the same type stand close together here: more than three in large type are text, not a heading."""
    count = 1
    for step in (-1, 1):
        at = index
        while count < 5 and 0 <= at + step < len(lines):
            one, two = lines[at], lines[at + step]
            apart = max(one.t, two.t) - min(one.b, two.b)
            if abs(one.size - two.size) > 0.3 or one.bold != two.bold or apart > 0.7 * one.size:
                break
            count, at = count + 1, at + step
    return count


def _alone(lines: Sequence[Line], index: int, gap: float) -> bool:
    """With space above."""
    return index == 0 or lines[index].t - lines[index - 1].b >= gap


def _goes_on(block: Block, line: Line, label: str, lead: float, body: float) -> bool:
    """Whether the line belongs to the block before it."""
    last = block.lines[-1]
    gap = line.t - last.b
    if abs((line.t + line.b) - (last.t + last.b)) < 0.9 * max(line.height, last.height) and line.l > last.l:
        return True  # one row of a listing or a form
    if label == CODE and block.label == CODE:
        return gap < 1.8 * body
    if block.label == label == HEADING and CHAPTER.match(block.text.strip()):
        return gap < 4 * last.size
    if block.label == HEADING or label == HEADING:
        return label == block.label and abs(line.size - last.size) < 0.5 and gap < 0.8 * line.size and _wraps(block, line)
    if gap > max(lead + 0.3 * body, 0.55 * body) or label in (LIST, CAPTION, FOOTNOTE) or CODE in (label, block.label):
        return False
    if abs(line.size - last.size) > 0.12 * last.size and not (line.ocr or block.label == LIST):
        return False
    left = min(x.l for x in block.lines[1:]) if len(block.lines) > 1 else last.l
    if block.label == TEXT and len(block.lines) > 1:
        return not (line.l - left > 8 and line.l > last.l + 8)  # an indented first line begins a paragraph
    if block.label == LIST and len(block.lines) > 1:
        return line.l > block.lines[0].l - 2
    return True


def _wraps(block: Block, line: Line) -> bool:
    """A heading over two lines, and not two headings of one level: the second is neither numbered nor listed in the outline."""
    return not NUMBERED.match(line.text) and len(block.text) + len(line.text) < 200
