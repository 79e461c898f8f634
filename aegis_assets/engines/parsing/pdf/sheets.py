"""A docling page with its backend -> a sheet for the layout: lines with font sizes, words, rules, drawings; OCR where there is
no text.

docling lays a page out before it is read by OCR. Here OCR comes first, so that a scan is laid out by the same rules as text.
"""

from __future__ import annotations

from typing import Any

from aegis_assets.engines.parsing.pdf.backend import ParsedPage
from aegis_assets.engines.parsing.pdf.facts import Facts
from aegis_assets.engines.parsing.pdf.fields import placed
from aegis_assets.engines.parsing.pdf.garbled import garbled
from aegis_assets.engines.parsing.pdf.geometry import Line, Rect, Sheet, around
from aegis_assets.engines.parsing.pdf.inspect import SCAN_COVERED, SCAN_LETTERS
from aegis_assets.engines.parsing.pdf.lines import Fonts, body_size, from_cells, from_readings, words_of
from aegis_assets.engines.parsing.pdf.render import Pages
from aegis_assets.engines.parsing.pdf.turning import upright

SCAN_SCALE = 2.5  # pixels per point: 180 dpi
OUTLINED = 60  # drawings on a page without any text: letters drawn as paths
COARSE = 160  # pixels; a page seen from afar, to tell pictures from paper
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
    if _is_scan(sum(len(cell.text.strip()) for cell in cells), sheet) or garbled(cell.text for cell in cells):
        _read_pixels(sheet, pages)
        _add_fields(sheet, pages)
        return sheet
    sheet.lines = from_cells(cells, Fonts(pages.runs(page.page_no)))
    sheet.read_words = lambda: words_of(backend.word_cells() if isinstance(backend, ParsedPage) else parsed.word_cells)
    sheet.rules = _rules(backend, shapes)
    if facts.body_size is None:
        sheet.body = body_size(sheet.lines)
    _add_fields(sheet, pages)
    return sheet


def _add_fields(sheet: Sheet, pages: Pages) -> None:
    found = pages.fields(sheet.number)
    if found and not sheet.turned:  # a form that is filled on the screen does not lie on its side
        read_words = sheet.read_words
        sheet.lines, words = placed(found, sheet.lines, sheet.body)
        sheet.read_words = lambda: [*read_words(), *words]


def _is_scan(letters: int, sheet: Sheet) -> bool:
    covered = sum(x.area for x in sheet.bitmaps) / max(1.0, sheet.width * sheet.height)  # some scanners store strips
    if letters < SCAN_LETTERS and covered > SCAN_COVERED:
        return True
    return letters == 0 and len(sheet.shapes) > OUTLINED


def _read_pixels(sheet: Sheet, pages: Pages) -> None:
    image, scale = pages.image(sheet.number, SCAN_SCALE)
    sheet.turned, image, found = upright(image)
    if sheet.turned in (90, 270):
        sheet.width, sheet.height = sheet.height, sheet.width
    sheet.lines, words = from_readings(found, scale)
    sheet.read_words = lambda: words
    sheet.scanned, sheet.rules, sheet.shapes = True, [], []
    sheet.body = body_size(sheet.lines)
    sheet.bitmaps = _pictured(image, scale, sheet.lines)


def _pictured(image: Any, scale: float, lines: list[Line]) -> list[Rect]:
    """Photographs, charts and maps on a scan: patches of ink that is no text. The paper is the commonest shade."""
    import numpy
    from scipy import ndimage

    step = max(1.0, image.width / COARSE)
    small = numpy.asarray(image.convert("L").resize((max(1, round(image.width / step)), max(1, round(image.height / step)))))
    paper = int(numpy.bincount(small.ravel(), minlength=256).argmax())
    ink = abs(small.astype(int) - paper) > 24
    for line in lines:
        l, t, r, b = (round(side * scale / step) for side in (line.l, line.t, line.r, line.b))  # noqa: E741
        ink[max(0, t - 1) : b + 1, max(0, l - 1) : r + 1] = False
    patches, _ = ndimage.label(ndimage.binary_dilation(ink, iterations=2))
    found = []
    for index, (rows, columns) in enumerate(ndimage.find_objects(patches), 1):
        filled = (patches[rows, columns] == index).mean()
        size = (rows.stop - rows.start) * (columns.stop - columns.start) / small.size
        if size >= 0.03 and filled >= 0.3:
            edges = (columns.start, rows.start, columns.stop, rows.stop)
            found.append(Rect(*(edge * step / scale for edge in edges)))
    if not found and not lines and ink.mean() > 0.005:
        return [Rect(0, 0, image.width / scale, image.height / scale)]
    sparse = sum(len(line.text) for line in lines) < 200  # a picture with some words: its patches are one picture
    return [around(found)] if found and sparse else found


def _rules(backend: Any, shapes: list[Rect]) -> list[Rect]:
    if len(shapes) > DRAWINGS:
        return []
    rules = [Rect(x.l, x.t, x.r, x.b) for x in backend.get_shape_lines() or []]
    if shapes and hasattr(backend, "get_thin_shape_boxes") and len(rules) < DRAWINGS:
        rules += [Rect(x.l, x.t, x.r, x.b) for x in backend.get_thin_shape_boxes(max_thickness=THIN) or []]
    return rules
