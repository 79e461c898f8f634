"""An open PDF -> what pdfium says of its pages: text runs with true font size, a content hash, the outline.

docling-parse gives the text and the rules drawn on a page, but no font sizes: a cell's height depends on the font's ascent. Sizes
come from pdfium, which walks 390 pages in two seconds, and serve both the facts of the whole document and the lines of one page.
pdfium is not thread-safe: inside a docling pipeline, call under docling's `pypdfium2_lock`.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from aegis_assets.errors import BadInput

MONO = re.compile(
    r"mono|courier|consol|typewriter|cmtt|cmsltt|sftt|lmtt|ectt|txtt|nimbusmon|inconsolata|menlo|[+-]tt\d", re.IGNORECASE
)
BOLD = re.compile(r"bold|black|heavy|demi|cmbx|cmb\d|sfbx|ecbx|-bd\b|[-,]b$|medi\b", re.IGNORECASE)
FORM_DEPTH = 6  # forms nested deeper than this are not drawn by sane producers
OBJECT_LIMIT = 200_000  # of one page; a map or a plot, not text


@dataclass(frozen=True, slots=True)
class Run:
    """One text object. l, t, r, b: points from the top left corner of the page as a viewer shows it. size: points, as drawn."""

    l: float  # noqa: E741
    t: float
    r: float
    b: float
    size: float
    font: str


@dataclass(frozen=True, slots=True)
class Frame:
    """How page coordinates become those of the page as shown: relative to the crop box, turned by /Rotate."""

    left: float
    bottom: float
    right: float
    top: float
    rotation: int

    @property
    def size(self) -> tuple[float, float]:
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.rotation in (90, 270) else (width, height)

    def shown(self, l: float, b: float, r: float, t: float) -> tuple[float, float, float, float]:  # noqa: E741
        """(l, t, r, b) from the top left corner."""
        l, r, b, t = l - self.left, r - self.left, b - self.bottom, t - self.bottom  # noqa: E741
        width, height = self.right - self.left, self.top - self.bottom
        if self.rotation == 90:
            return b, l, t, r
        if self.rotation == 180:
            return width - r, b, width - l, t
        if self.rotation == 270:
            return height - t, width - r, height - b, width - l
        return l, height - t, r, height - b


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The PDF, closed on exit. Raises BadInput for what pdfium cannot open."""
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == pdfium.FPDF_ERR_PASSWORD:
            raise BadInput("The PDF is encrypted and needs a password: upload it without one.") from error
        raise BadInput("The file is not a readable PDF: it is damaged, cut off, or something else under a PDF's name.") from error
    try:
        with suppress(pypdfium2.PdfiumError):
            document.init_forms()  # nothing where the document has none
        yield document
    finally:
        document.close()


def frame(page: Any) -> Frame:
    left, bottom, right, top = page.get_cropbox()
    return Frame(left, bottom, right, top, page.get_rotation() % 360)


def plain_font(name: str) -> str:
    """Without the subset prefix, which changes with every save: ABCDEF+Times -> Times."""
    return name.lstrip("/").split("+", 1)[-1]


def runs(page: Any) -> list[Run]:
    """The page's text objects, in the order of its content."""
    shape, fonts = frame(page), dict[int, str]()
    return [_run(item, shape, fonts) for item in _objects(page) if item.type == pdfium.FPDF_PAGEOBJ_TEXT]


@dataclass(frozen=True, slots=True)
class Content:
    """digest: sha256 of what the page shows: text, positions, fonts, images, bounds of drawings. imaged: its share under images."""

    runs: list[Run]
    digest: str
    imaged: float


def content(page: Any, text: str) -> Content:
    """text: of the whole page."""
    shape, fonts, found, imaged = frame(page), dict[int, str](), [], 0.0
    parts = [f"{[round(side, 1) for side in shape.size]}{shape.rotation}{text}".encode("utf-8", "surrogatepass")]
    for item in _objects(page):
        bounds = [round(side, 1) for side in item.bounds]
        if item.type == pdfium.FPDF_PAGEOBJ_TEXT:
            run = _run(item, shape, fonts)
            found.append(run)
            parts.append(f"T{bounds}{run.size}{run.font}".encode())
        elif item.type == pdfium.FPDF_PAGEOBJ_IMAGE:
            parts.append(f"I{bounds}".encode() + _image_bytes(item.raw))
            left, bottom, right, top = bounds
            imaged += (right - left) * (top - bottom)
        else:
            parts.append(f"P{item.type}{bounds}".encode())
    width, height = shape.size
    return Content(found, hashlib.sha256(b"\x1e".join(parts)).hexdigest(), imaged / max(1.0, width * height))


def _run(item: _Object, shape: Frame, fonts: dict[int, str]) -> Run:
    size = ctypes.c_float()
    pdfium.FPDFTextObj_GetFontSize(item.raw, size)
    return Run(*shape.shown(*item.bounds), size=round(size.value * item.scale, 1), font=_font(item.raw, fonts))


@dataclass(frozen=True, slots=True)
class _Object:
    raw: Any
    type: int
    bounds: tuple[float, float, float, float]  # l, b, r, t in page coordinates
    scale: float


def _objects(page: Any) -> Iterator[_Object]:
    """Page objects with forms opened. A form's own matrix moves and scales what is in it."""
    identity = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    budget = OBJECT_LIMIT
    stack: list[tuple[Any, int, int, bool, tuple[float, ...], int]] = [
        (page.raw, 0, pdfium.FPDFPage_CountObjects(page.raw), False, identity, 0)
    ]
    while stack and budget:
        parent, index, count, in_form, matrix, depth = stack.pop()
        while index < count and budget:
            budget -= 1
            raw = pdfium.FPDFFormObj_GetObject(parent, index) if in_form else pdfium.FPDFPage_GetObject(parent, index)
            index += 1
            kind = pdfium.FPDFPageObj_GetType(raw)
            if kind == pdfium.FPDF_PAGEOBJ_FORM and depth < FORM_DEPTH:
                stack.append((parent, index, count, in_form, matrix, depth))
                inner = _times(_matrix(raw), matrix)
                stack.append((raw, 0, pdfium.FPDFFormObj_CountObjects(raw), True, inner, depth + 1))
                break
            yield _Object(raw, kind, _bounds(raw, matrix), _scale(raw, kind, matrix))


def _bounds(raw: Any, matrix: tuple[float, ...]) -> tuple[float, float, float, float]:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    pdfium.FPDFPageObj_GetBounds(raw, left, bottom, right, top)
    a, b, c, d, e, f = matrix
    xs = [a * x + c * y + e for x in (left.value, right.value) for y in (bottom.value, top.value)]
    ys = [b * x + d * y + f for x in (left.value, right.value) for y in (bottom.value, top.value)]
    return min(xs), min(ys), max(xs), max(ys)


def _scale(raw: Any, kind: int, matrix: tuple[float, ...]) -> float:
    if kind != pdfium.FPDF_PAGEOBJ_TEXT:
        return 1.0
    own = _times(_matrix(raw), matrix)
    return math.hypot(own[2], own[3])


def _matrix(raw: Any) -> tuple[float, ...]:
    matrix = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(raw, matrix):
        return (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _times(m: tuple[float, ...], n: tuple[float, ...]) -> tuple[float, ...]:
    """First m, then n."""
    return (
        m[0] * n[0] + m[1] * n[2],
        m[0] * n[1] + m[1] * n[3],
        m[2] * n[0] + m[3] * n[2],
        m[2] * n[1] + m[3] * n[3],
        m[4] * n[0] + m[5] * n[2] + n[4],
        m[4] * n[1] + m[5] * n[3] + n[5],
    )


def _font(raw: Any, known: dict[int, str]) -> str:
    font = pdfium.FPDFTextObj_GetFont(raw)
    if not font:
        return ""
    key = ctypes.addressof(font.contents)
    if key not in known:
        size = pdfium.FPDFFont_GetBaseFontName(font, None, 0)
        buffer = ctypes.create_string_buffer(max(1, size))
        pdfium.FPDFFont_GetBaseFontName(font, buffer, size)
        known[key] = plain_font(buffer.value.decode("utf-8", "replace"))
    return known[key]


def _image_bytes(raw: Any) -> bytes:
    """Digest of the image's stream as it is stored: decoding it would cost a hundred times more."""
    size = pdfium.FPDFImageObj_GetImageDataRaw(raw, None, 0)
    if not size:
        return b""
    buffer = ctypes.create_string_buffer(size)
    pdfium.FPDFImageObj_GetImageDataRaw(raw, buffer, size)
    return hashlib.sha256(buffer.raw).digest()
