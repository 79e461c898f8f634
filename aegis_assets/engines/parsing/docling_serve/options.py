"""How docling-serve is to convert: our settings in the words of its interface."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from aegis_assets.model.parsing import Frozen
from aegis_assets.settings import Settings

if TYPE_CHECKING:
    from aegis_assets.engines.parsing.docling_serve.pages import Span

# Our formats in docling-serve's words, and the ending it knows them by.
FORMATS: Final = {
    "pdf": ("pdf", "pdf"),
    "image": ("image", "png"),
    "docx": ("docx", "docx"),
    "pptx": ("pptx", "pptx"),
    "xlsx": ("xlsx", "xlsx"),
    "odt": ("odt", "odt"),
    "ods": ("ods", "ods"),
    "odp": ("odp", "odp"),
    "html": ("html", "html"),
    "markdown": ("md", "md"),
    "asciidoc": ("asciidoc", "adoc"),
    "latex": ("latex", "tex"),
    "epub": ("epub", "epub"),
    "email": ("email", "eml"),
    "webvtt": ("vtt", "vtt"),
}
Form = dict[str, str | list[str]]


class ServeOptions(Frozen):
    """ocr: 'auto' reads pixels only in windows with a scanned page; 'on' also the pictures of the others; 'force' replaces the text
    of every page. languages: the engine's default where empty. document_timeout: seconds; 0 for the server's own limit."""

    ocr: Literal["auto", "on", "force", "off"] = "auto"
    languages: tuple[str, ...] = ()
    table_mode: Literal["accurate", "fast"] = "accurate"
    headings: bool = True
    picture_scale: float = Field(2.0, gt=0)
    document_timeout: float = Field(0.0, ge=0)

    @classmethod
    def from_settings(cls, chosen: Settings) -> ServeOptions:
        return cls(
            ocr=chosen.docling_serve_ocr,
            languages=tuple(word for word in chosen.docling_serve_ocr_languages.replace(",", " ").split()),
            table_mode=chosen.docling_serve_table_mode,
            headings=chosen.docling_serve_headings,
            picture_scale=chosen.docling_serve_picture_scale,
            document_timeout=chosen.docling_serve_document_timeout,
        )

    def decisive(self) -> dict[str, object]:
        """Return what decides a result. The limit on time does not: a conversion that passes it is none."""
        return self.model_dump(mode="json", exclude={"document_timeout"})

    def reads_pixels(self, scanned: bool) -> bool:
        """Return whether OCR is to run. scanned: the file holds a page without text of its own."""
        return self.ocr in ("on", "force") or (self.ocr == "auto" and scanned)

    def form(self, kind: str, *, scanned: bool, pages: Span | None = None) -> Form:
        """Return the fields of the request, checked by docling's own type. pages: of a file that is sent whole, None for all."""
        reads_pixels = self.reads_pixels(scanned)
        chosen: dict[str, object] = {
            "from_formats": [FORMATS[kind][0]],
            "to_formats": ["json"],
            "image_export_mode": "embedded",
            "include_images": True,
            "include_page_images": False,
            "images_scale": self.picture_scale,
            "do_ocr": reads_pixels,
            "force_ocr": reads_pixels and self.ocr == "force",
            "do_table_structure": True,
            "table_mode": self.table_mode,
            "do_pdf_heading_hierarchy": self.headings,
            "abort_on_error": False,
        }
        if reads_pixels and self.languages:
            chosen["ocr_lang"] = list(self.languages)
        if self.document_timeout:
            chosen["document_timeout"] = self.document_timeout
        if pages is not None:
            chosen["page_range"] = tuple(pages)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # docling warns about its own deprecated fields
            from docling.datamodel.service.options import ConvertDocumentsOptions

            options = ConvertDocumentsOptions.model_validate(chosen)
        return {name: _field(value) for name, value in options.model_dump(mode="json", exclude_unset=True).items()}


def _field(value: object) -> str | list[str]:
    """Return a value as a form carries it: a list as a field per entry."""
    if isinstance(value, list):
        return [str(_field(entry)) for entry in value]
    return value if isinstance(value, str) else json.dumps(value)
