"""gmsh's manual (390 pages, no bitmaps) from Debian's package `gmsh-doc`, and its first pages as documents of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pypdf

from bench.debian import CACHE, cached_file

PACKAGE: Final = "gmsh-doc"
PAGES: Final = 390


def manual(pages: int = PAGES) -> Path:
    """Return the file with the first `pages` pages. Raise RuntimeError with what to do when it cannot be had."""
    whole = cached_file(PACKAGE, "gmsh.pdf", "gmsh.pdf")
    if pages >= PAGES:
        return whole
    part = CACHE / f"gmsh-{pages}.pdf"
    if not part.exists():
        writer = pypdf.PdfWriter()
        writer.append(whole, pages=(0, pages), import_outline=True)
        fresh = part.with_suffix(".fresh")
        writer.write(fresh)
        fresh.replace(part)
    return part
