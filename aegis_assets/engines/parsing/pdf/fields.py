"""Fields of a form on one page -> their values with their places, as pdfium knows them.

A field's value need not be drawn on the page: many programs write it into the field alone and leave its look to the viewer. Check
boxes and radio buttons are drawn with signs of a symbol font, so their state is asked too. Passwords and buttons are left out.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import pypdfium2.raw as pdfium

from aegis_assets.engines.parsing.pdf.facts import letters
from aegis_assets.engines.parsing.pdf.geometry import Line, Rect, Word
from aegis_assets.engines.parsing.pdf.measure import Frame, frame

ON, OFF = "[x]", "[ ]"
_BOXES: Final = (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON)
_TEXTS: Final = (pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX)
_UNSEEN: Final = pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW
_PASSWORD: Final = 1 << 13
_LIMIT: Final = 5000  # fields of one page
_LONGEST: Final = 100_000  # letters of one value


def fields(page: Any) -> list[Word]:
    """Values and states on a page of a document whose form environment is there."""
    shape = frame(page)
    count = min(pdfium.FPDFPage_GetAnnotCount(page), _LIMIT)
    return [word for index in range(count) for word in _of_annotation(page, index, shape)]


def with_fields(digest: str, page: Any) -> str:
    """Return the page's digest, changed where it has fields: values may change while all that is drawn stays."""
    found = fields(page)
    if not found:
        return digest
    return hashlib.sha256(f"{digest}{[(field.text, round(field.l), round(field.t)) for field in found]}".encode()).hexdigest()


def _of_annotation(page: Any, index: int, shape: Frame) -> Iterator[Word]:
    annotation = pdfium.FPDFPage_GetAnnot(page, index)
    if not annotation:
        return
    try:
        if pdfium.FPDFAnnot_GetSubtype(annotation) != pdfium.FPDF_ANNOT_WIDGET:
            return
        text = "" if pdfium.FPDFAnnot_GetFlags(annotation) & _UNSEEN else _text(page.formenv, annotation)
        sides = pdfium.FS_RECTF()
        if text and pdfium.FPDFAnnot_GetRect(annotation, sides):
            left, right = sorted((sides.left, sides.right))
            bottom, top = sorted((sides.bottom, sides.top))
            yield Word(*shape.shown(left, bottom, right, top), text)
    finally:
        pdfium.FPDFPage_CloseAnnot(annotation)


def _text(form: Any, annotation: Any) -> str:
    kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in _BOXES:
        return ON if pdfium.FPDFAnnot_IsChecked(form, annotation) else OFF
    if kind not in _TEXTS or pdfium.FPDFAnnot_GetFormFieldFlags(form, annotation) & _PASSWORD:
        return ""
    if kind != pdfium.FPDF_FORMFIELD_TEXTFIELD:
        chosen = _chosen(form, annotation)
        if chosen:
            return chosen
    return _string(lambda buffer, size: pdfium.FPDFAnnot_GetFormFieldValue(form, annotation, buffer, size))


def _chosen(form: Any, annotation: Any) -> str:
    """Return the labels of the chosen options, as the form shows them; values may be codes."""
    count = min(max(0, pdfium.FPDFAnnot_GetOptionCount(form, annotation)), _LIMIT)
    selected = (option for option in range(count) if pdfium.FPDFAnnot_IsOptionSelected(form, annotation, option))
    found = [_label(form, annotation, option) for option in selected]
    return ", ".join(label for label in found if label)


def _label(form: Any, annotation: Any, option: int) -> str:
    return _string(lambda buffer, size: pdfium.FPDFAnnot_GetOptionLabel(form, annotation, option, buffer, size))


def _string(read: Callable[[Any, int], int]) -> str:
    """UTF-16 from one of pdfium's functions, which first say how many bytes they need."""
    size = min(read(None, 0), 2 * _LONGEST)
    buffer = (pdfium.FPDF_WCHAR * (size // 2 + 1))()
    read(buffer, size)
    text = ctypes.string_at(buffer, size).decode("utf-16-le", "replace")
    return text.rstrip("\0").replace("\r\n", "\n").replace("\r", "\n").strip()


def placed(found: list[Word], lines: list[Line], body: float) -> tuple[list[Line], list[Word]]:
    """The page's lines with those of its fields, and the words of these. What a field's look has shown already is not doubled."""
    kept, words = list(lines), list[Word]()
    for field in found:
        box = field.text in (ON, OFF)
        if box:
            kept = [line for line in kept if not (field.holds_centre(line) and len(line.text.strip()) <= 1)]
        elif any(letters(field.text) in letters(line.text) for line in lines if line.near(field, 0)):
            continue
        rows = field.text.split("\n")
        for number, row in enumerate(text for text in rows if text.strip()):
            rect = _row(field, number, len(rows), body)
            words.append(Word(rect.l, rect.t, rect.r, rect.b, row.strip()))
    size = round(body, 1)
    return kept + [Line(word.l, word.t, word.r, word.b, word.text, size) for word in words], words


def _row(field: Word, number: int, rows: int, body: float) -> Rect:
    """Return the place of a row of a value: as high as running text, so that it is on the line of its label."""
    height = field.height / rows
    middle = field.t + (number + 0.5) * height
    half = min(height, 1.2 * body) / 2
    return Rect(field.l, middle - half, field.r, middle + half)
