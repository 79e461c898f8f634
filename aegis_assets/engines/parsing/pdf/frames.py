"""docling's image reader, with large frames made smaller before they are decoded to colours: a poster would be held many times."""

from __future__ import annotations

import math
from typing import Any

from docling.backend.image_backend import ImageDocumentBackend, _ImagePageBackend, _oriented_frame
from docling.utils.image_utils import check_image_pixels, to_rgb
from PIL import Image

LARGE = 8000  # pixels of the longer side; smaller frames stay as they are
WANTED = 4000  # about what a page is rendered at
ROWS = 64  # of the smaller picture, made at a time


class Frames(ImageDocumentBackend):
    def load_page(self, page_no: int) -> Any:
        with self._lock:
            source = self._source
            if source is not None and 0 <= page_no < self._frame_count:
                source.seek(page_no)
                if max(source.size) > LARGE:
                    return self._reduced(source, page_no)
        return super().load_page(page_no)

    def _reduced(self, source: Any, page_no: int) -> Any:
        """Keep its size in points: its resolution falls with its pixels."""
        check_image_pixels(source.size, self.options.max_image_pixels)
        frame, dpi = _oriented_frame(source)
        small = _smaller(frame, math.ceil(max(frame.size) / WANTED))
        scale = (dpi[0] * small.width / frame.width, dpi[1] * small.height / frame.height)
        return _ImagePageBackend(small, page_no, scale)


def _smaller(frame: Any, factor: int) -> Any:
    """Return it in RGB, with a pixel for factor x factor of them, made by strips."""
    small = Image.new("RGB", (math.ceil(frame.width / factor), math.ceil(frame.height / factor)))
    for row in range(0, small.height, ROWS):
        top = row * factor
        strip = frame.crop((0, top, frame.width, min(frame.height, top + ROWS * factor)))
        small.paste(to_rgb(strip).reduce(factor), (0, row))
    return small
