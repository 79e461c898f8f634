"""What the docling-serve double makes of a file: a docling document of a real PDF, or the real answer that says what is wrong."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

UNREADABLE: Final = "UNREADABLE"  # a page with this word fails, as a damaged one does
CRASHES: Final = b"CRASHES"  # a file with this word takes the server's worker down
Json = dict[str, Any]


@dataclass
class Limits:
    """As DOCLING_SERVE_MAX_FILE_SIZE and so on."""

    file_size: int = 2**40
    num_pages: int = 2**40
    images_scale: float = 2.0
    document_timeout: float = 604_800.0


@dataclass
class Work:
    """errors, status: answered instead of a conversion's own where set. version: of the document's schema, our own where empty.
    aborts: a page that fails takes the others with it. silent: no text is found."""

    limits: Limits = field(default_factory=Limits)
    errors: list[Json] = field(default_factory=list)
    status: str = ""
    version: str = ""
    aborts: bool = False
    silent: bool = False

    def convert(self, content: bytes, form: dict[str, list[str]]) -> Json:
        """Raises RuntimeError where the real server's worker would."""
        if CRASHES in content:
            raise RuntimeError("the worker failed")
        if len(content) > self.limits.file_size:
            reason = f"File size {len(content)} exceeds the max_file_size limit of {self.limits.file_size} bytes."
            return failure([error("policy", reason, component="user_input")])
        if not content.startswith(b"%PDF"):
            return self._result(_plain())
        return self._pdf(content, [int(number) for number in form.get("page_range", ())])

    def _pdf(self, content: bytes, wanted: list[int]) -> Json:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError

        try:
            pages = PdfReader(io.BytesIO(content)).pages
            count = len(pages)
        except PyPdfError:
            return failure([error("backend_failure", "docling-parse could not load document.", component="user_input")])
        if count > self.limits.num_pages:
            reason = f"Document has {count} pages, exceeding the max_num_pages limit of {self.limits.num_pages}."
            return failure([error("policy", reason, component="user_input")])
        first, last = wanted or (1, count)
        made, errors = _Document(), []
        for number in range(first, min(last, count) + 1):
            if UNREADABLE in pages[number - 1].extract_text():
                errors.append(error("backend_failure", "Page failed to parse.", page=number, component="document_backend"))
            elif not self.silent:
                made.add(number, pages[number - 1])
        if len(errors) == min(last, count) - first + 1 or (errors and self.aborts):
            return failure(errors)
        return self._result(made.tree(), errors)

    def _result(self, tree: Json, errors: list[Json] | None = None) -> Json:
        if self.version:
            tree["version"] = self.version
        errors = self.errors or errors or []
        return result(tree, self.status or ("partial_success" if errors else "success"), errors)


class _Document:
    """Of each page the first line is a heading, each other one a text, and each picture a picture."""

    def __init__(self) -> None:
        from docling_core.types.doc import DoclingDocument

        self._made = DoclingDocument(name="document")

    def add(self, number: int, page: Any) -> None:
        from docling_core.types.doc import DocItemLabel, ImageRef, Size

        width, height = float(page.mediabox.width), float(page.mediabox.height)
        self._made.add_page(page_no=number, size=Size(width=width, height=height))
        for index, line in enumerate(filter(str.strip, page.extract_text().splitlines())):
            place = _place(number, 700 - 14.0 * index)
            if index == 0:
                self._made.add_heading(line.strip(), level=1, prov=place)
            else:
                self._made.add_text(DocItemLabel.TEXT, line.strip(), prov=place)
        for picture in page.images:
            image = ImageRef.from_pil(picture.image.convert("RGB"), dpi=72)
            self._made.add_picture(image=image, prov=_place(number, 300.0))

    def tree(self) -> Json:
        tree: Json = self._made.export_to_dict()
        return tree


def _plain() -> Json:
    from docling_core.types.doc import DocItemLabel, DoclingDocument

    made = DoclingDocument(name="document")
    made.add_heading("Page 1", level=1)
    made.add_text(DocItemLabel.TEXT, "Words of page 1")
    tree: Json = made.export_to_dict()
    return tree


def _place(page: int, bottom: float) -> Any:
    from docling_core.types.doc import BoundingBox, ProvenanceItem

    return ProvenanceItem(page_no=page, bbox=BoundingBox(l=10, t=bottom + 10, r=90, b=bottom), charspan=(0, 1))


def error(category: str, message: str, page: int | None = None, component: str = "pipeline") -> Json:
    """An entry of `errors` as docling-serve 1.38 writes it."""
    return {"component_type": component, "module_name": "", "error_message": message, "category": category, "page_no": page}


def failure(errors: list[Json]) -> Json:
    return result(None, "failure", errors)


def result(tree: Json | None, status: str, errors: list[Json]) -> Json:
    content = dict.fromkeys(("md_content", "html_content", "text_content", "doctags_content", "doclang_content"))
    document = {"filename": "document.pdf", "json_content": tree, **content}
    return {"document": document, "status": status, "errors": errors, "processing_time": 0.1, "timings": {}, "confidence": None}


def pdf(pages: list[str], side: int = 0) -> bytes:
    """A PDF, each page with the lines of a text. side: of a picture on each, in pixels, which does not compress; 0 for none."""
    import random

    from PIL import Image
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    buffer, noise = io.BytesIO(), random.Random(1)
    canvas = Canvas(buffer)
    for text in pages:
        for index, line in enumerate(text.splitlines()):
            canvas.drawString(72, 770 - 14 * index, line)
        if side:
            picture = Image.frombytes("RGB", (side, side), noise.randbytes(3 * side * side))
            canvas.drawImage(ImageReader(picture), 72, 300, 200, 200)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def texts(count: int) -> Iterator[str]:
    """Of the pages of a document: a heading, and three lines."""
    for page in range(1, count + 1):
        yield f"Page {page}\nWords of page {page}\nThe pump moves water, as page {page} says.\nIt needs oil every {page} weeks."
