"""One page of a PDF or image -> a picture of it for a person, with the page's size in the unit of the boxes drawn over it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from aegis_assets.engines.parsing.pdf import render
from aegis_assets.errors import BadInput

SCALE = 2.0  # pixels per point: a page as wide as a column of the console stays sharp on a fine screen
LONGEST = 2600  # pixels; a poster is drawn smaller
QUALITY = 80  # of WebP, where a page of text takes 60 to 150 kB


def draw_page(path: Path, kind: Literal["pdf", "image"], page: int, out: Path) -> tuple[float, float]:
    """Writes a WebP to `out`. Gives width and height in points. Raises BadInput for a page that is not there or cannot be drawn."""
    with render.ImagePages(path) if kind == "image" else render.PdfPages(path) as pages:
        try:
            width, height = pages.size(page)
            picture, _ = pages.image(page, min(SCALE, LONGEST / max(width, height, 1.0)))
        except Exception as error:
            raise BadInput(f"Page {page} cannot be drawn.") from error
    picture.convert("RGB").save(out, "WEBP", quality=QUALITY, method=2)
    return width, height
