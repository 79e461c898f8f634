"""A PDF -> docling page backends by docling-parse, with vector drawings and without rendering; pdfium for pages it cannot read.

docling's own backend computes drawings only when it renders every page, which takes longer than all the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docling.backend.docling_parse_backend import ThreadedDoclingParseDocumentBackend, ThreadedDoclingParsePageBackend
from docling.backend.pdf_backend import PdfDocumentBackend
from docling.backend.pypdfium2_backend import PyPdfiumDocumentBackend
from docling.datamodel.backend_options import PdfBackendOptions
from docling.exceptions import DocumentLoadError
from docling_parse.pdf_parser import ContentConfig, ContentLevel, DecodeConfig, DoclingThreadedPdfParser, ThreadedPdfParserConfig

AHEAD = 4  # decoded pages held before the layout takes them; each is some megabytes


class ParsedPage(ThreadedDoclingParsePageBackend):
    def word_cells(self) -> list[Any]:
        """Made on demand, with the top left as origin."""
        skip = ContentLevel.SKIP
        words = ContentConfig(
            char_cells_content_level=skip,
            word_cells_content_level=ContentLevel.COMPUTE_AND_MATERIALIZE,
            line_cells_content_level=skip,
            shapes_content_level=skip,
            bitmaps_content_level=skip,
            include_bitmap_bytes=False,
        )
        page = self._result.get_page(words)
        for cell in page.word_cells:
            cell.to_top_left_origin(page.dimension.height)
        return list(page.word_cells)


class PageSource(ThreadedDoclingParseDocumentBackend):
    def __init__(self, in_doc: Any, path_or_stream: Path, options: PdfBackendOptions | None = None) -> None:
        PdfDocumentBackend.__init__(self, in_doc, path_or_stream, options or PdfBackendOptions())
        self._closed, self._iterating, self._render_pages = False, False, False
        self._in_doc = in_doc
        self._second: Any = None
        levels = ContentLevel
        content = ContentConfig(
            char_cells_content_level=levels.COMPUTE,
            word_cells_content_level=levels.COMPUTE,
            line_cells_content_level=levels.COMPUTE_AND_MATERIALIZE,
            shapes_content_level=levels.COMPUTE,
            bitmaps_content_level=levels.COMPUTE_AND_MATERIALIZE,
            include_bitmap_bytes=False,
        )
        self.parser = DoclingThreadedPdfParser(
            parser_config=ThreadedPdfParserConfig(
                loglevel="fatal", threads=1, max_concurrent_results=AHEAD, page_content_config=content
            ),
            decode_config=DecodeConfig(enforce_same_font=True, release_native_memory_every_n_pages=16),
        )
        start, end = in_doc.limits.page_range
        try:
            self.doc_key = self.parser.load(path_or_stream, page_range=(start, min(end, sys.maxsize)))
        except (RuntimeError, ValueError) as error:
            raise DocumentLoadError("docling-parse could not open the document.") from error

    def iter_pages(self) -> Iterator[Any]:
        self._iterating = True
        for result in self.parser.iterate_results():
            page = ParsedPage(result, rendered=False)
            yield page if page.is_valid() else self._by_pdfium(page)
        self._iterating = False

    def _by_pdfium(self, page: Any) -> Any:
        if self._second is None:
            self._second = PyPdfiumDocumentBackend(self._in_doc, self.path_or_stream)
        return self._second.load_page(page.page_no - 1)

    def unload(self) -> None:
        if self._second is not None:
            self._second.unload()
            self._second = None
        super().unload()
