"""Pages of a PDF or frames of an image -> pixels and text runs, on demand: most pages are never rendered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import pypdfium2

from aegis_assets.engines.parsing.pdf import measure
from aegis_assets.engines.parsing.pdf.fields import fields
from aegis_assets.engines.parsing.pdf.geometry import Rect, Word
from aegis_assets.errors import BadInput

T = TypeVar("T")

LONGEST = 4000  # pixels; a poster is rendered smaller, not in full


class Pages(Protocol):
    """Pages from 1. size: in points, as shown. image: PIL, RGB, of the whole page or a box of it, at most `scale` pixels per point,
    and the scale it has."""

    def runs(self, page: int) -> list[measure.Run]: ...
    def fields(self, page: int) -> list[Word]: ...
    def size(self, page: int) -> tuple[float, float]: ...
    def image(self, page: int, scale: float, box: Rect | None = None) -> tuple[Any, float]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class PdfPages:
    """pdfium is not thread-safe, and docling calls it from its own threads under this lock."""

    def __init__(self, path: Path) -> None:
        from docling.utils.locks import pypdfium2_lock

        self._lock = pypdfium2_lock
        self._opened = measure.opened(path)
        with self._lock:
            self._document = self._opened.__enter__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            self._opened.__exit__(None, None, None)

    def runs(self, page: int) -> list[measure.Run]:
        return self._of_page(page, measure.runs)

    def fields(self, page: int) -> list[Word]:
        """Return the values of a form, at no cost where the document has none."""
        return self._of_page(page, fields) if self._document.formenv else []

    def _of_page(self, page: int, read: Callable[[Any], list[T]]) -> list[T]:
        """Return what is read of a page, nothing where it cannot be loaded."""
        with self._lock:
            try:
                loaded = self._document[page - 1]
            except pypdfium2.PdfiumError:
                return []
            try:
                return read(loaded)
            finally:
                loaded.close()

    def size(self, page: int) -> tuple[float, float]:
        with self._lock:
            loaded = self._document[page - 1]
            try:
                width, height = loaded.get_size()
                return float(width), float(height)
            finally:
                loaded.close()

    def image(self, page: int, scale: float, box: Rect | None = None) -> tuple[Any, float]:
        with self._lock:
            loaded = self._document[page - 1]
            try:
                width, height = loaded.get_size()
                box = box or Rect(0, 0, width, height)
                scale = min(scale, LONGEST / max(box.width, box.height, 1.0))
                crop = (max(0.0, box.l), max(0.0, height - box.b), max(0.0, width - box.r), max(0.0, box.t))
                bitmap = loaded.render(scale=scale, crop=crop)
                return bitmap.to_pil().convert("RGB"), scale
            finally:
                loaded.close()


class ImagePages:
    """Frames, turned as their EXIF says, in points by their resolution: docling's own image reader."""

    def __init__(self, path: Path) -> None:
        from docling.datamodel.backend_options import PdfBackendOptions
        from docling.datamodel.base_models import InputFormat
        from docling.datamodel.document import InputDocument

        from aegis_assets.engines.parsing.ocr import MAX_PIXELS
        from aegis_assets.engines.parsing.pdf.frames import Frames

        options = PdfBackendOptions(max_image_pixels=MAX_PIXELS)
        source = InputDocument(path, InputFormat.IMAGE, Frames, backend_options=options)
        if not source.valid:
            raise BadInput("The image is damaged or of an unknown kind.")
        self._document: Any = source._backend

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._document.unload()

    def runs(self, page: int) -> list[measure.Run]:
        return []

    def fields(self, page: int) -> list[Word]:
        return []

    def size(self, page: int) -> tuple[float, float]:
        loaded = self._document.load_page(page - 1)
        try:
            size = loaded.get_size()
            return float(size.width), float(size.height)
        finally:
            loaded.unload()

    def image(self, page: int, scale: float, box: Rect | None = None) -> tuple[Any, float]:
        from docling_core.types.doc import BoundingBox

        loaded = self._document.load_page(page - 1)
        try:
            size = loaded.get_size()
            box = box or Rect(0, 0, size.width, size.height)
            scale = min(
                scale, loaded._image.width / size.width, LONGEST / max(box.width, box.height, 1.0)
            )  # never beyond its own pixels
            return loaded.get_page_image(scale=scale, cropbox=BoundingBox(l=box.l, t=box.t, r=box.r, b=box.b)), scale
        finally:
            loaded.unload()
