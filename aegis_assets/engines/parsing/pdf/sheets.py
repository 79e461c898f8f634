"""A docling page with its backend -> a sheet for the layout: lines with font sizes, words, rules, drawings; OCR where there is
no text.

docling lays a page out before it is read by OCR. Here OCR comes first, so that a scan is laid out by the same rules as text.
"""

from __future__ import annotations

from typing import Any

from aegis_assets.engines.parsing.pdf.backend import ParsedPage
from aegis_assets.engines.parsing.pdf.facts import Facts
from aegis_assets.engines.parsing.pdf.geometry import Rect, Sheet, around
from aegis_assets.engines.parsing.pdf.lines import Fonts, body_size, from_cells, from_pixels, words_of
from aegis_assets.engines.parsing.pdf.render import Pages

SCAN_SCALE = 2.5  # pixels per point: 180 dpi
SCAN_LETTERS = 40  # fewer, on a page covered by a bitmap, are a stamp on a scan
OUTLINED = 60  # drawings on a page without any text: letters drawn as paths
THIN = 2.5  # points; filled boxes thinner than this are rules
DRAWINGS = 3000  # beyond this a page is a plot, and its rules draw no table


def sheet_of(page: Any, pages: Pages, facts: Facts) -> Sheet:
    """page: docling's, with its backend. Fills page.parsed_page, for the links in it."""
    backend = page._backend
    page.parsed_page = parsed = backend.get_segmented_page()
    width, height = page.size.width, page.size.height
    bitmaps = [Rect(x.l, x.t, x.r, x.b) for x in backend.get_bitmap_rects()]
    shapes = [Rect(x.l, x.t, x.r, x.b) for x in backend.get_connected_shape_bounding_boxes() or []]
    sheet = Sheet(page.page_no, width, height, [], [], shapes, bitmaps, facts.body_size or 10.0)
    cells = parsed.textline_cells if parsed is not None else []
    if _is_scan(sum(len(cell.text.strip()) for cell in cells), sheet):
        _read_pixels(sheet, pages)
        return sheet
    sheet.lines = from_cells(cells, Fonts(pages.runs(page.page_no)))
    sheet.read_words = lambda: words_of(backend.word_cells() if isinstance(backend, ParsedPage) else parsed.word_cells)
    sheet.rules = _rules(backend, shapes)
    if facts.body_size is None:
        sheet.body = body_size(sheet.lines)
    return sheet


def _is_scan(letters: int, sheet: Sheet) -> bool:
    covered = max((x.area for x in sheet.bitmaps), default=0.0) / max(1.0, sheet.width * sheet.height)
    striped = sum(x.area for x in sheet.bitmaps) / max(1.0, sheet.width * sheet.height)  # scanners that store strips
    if letters < SCAN_LETTERS and max(covered, striped) > 0.5:
        return True
    return letters == 0 and len(sheet.shapes) > OUTLINED


def _read_pixels(sheet: Sheet, pages: Pages) -> None:
    image, scale = pages.image(sheet.number, SCAN_SCALE)
    sheet.lines, words = from_pixels(image, scale)
    sheet.read_words = lambda: words
    sheet.scanned, sheet.rules, sheet.shapes = True, [], []
    sheet.body = body_size(sheet.lines)
    letters = sum(len(line.text) for line in sheet.lines)
    inked = sum(line.area for line in sheet.lines) / max(1.0, sheet.width * sheet.height)
    shown = Rect(0, 0, sheet.width, sheet.height)
    # Little text on much picture: a photograph, a chart or a map, which wants a description.
    sheet.bitmaps = [shown if not sheet.bitmaps else around([*sheet.bitmaps])] if letters < 200 and inked < 0.12 else []


def _rules(backend: Any, shapes: list[Rect]) -> list[Rect]:
    if len(shapes) > DRAWINGS:
        return []
    rules = [Rect(x.l, x.t, x.r, x.b) for x in backend.get_shape_lines() or []]
    if shapes and hasattr(backend, "get_thin_shape_boxes") and len(rules) < DRAWINGS:
        rules += [Rect(x.l, x.t, x.r, x.b) for x in backend.get_thin_shape_boxes(max_thickness=THIN) or []]
    return rules
