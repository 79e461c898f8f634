"""gmsh's manual (390 pages, no bitmaps) from Debian's package `gmsh-doc`, and its first pages as documents of their own.

Kept in bench/cache, which git ignores. It is fetched with the machine's own apt; a file that lies there already is used as it is.
"""

from __future__ import annotations

import gzip
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pypdf

CACHE: Final = Path(__file__).parent / "cache"
PACKAGE: Final = "gmsh-doc"
PAGES: Final = 390


def manual(pages: int = PAGES) -> Path:
    """The file with the first `pages` pages. Raises RuntimeError with what to do when it cannot be had."""
    whole = CACHE / "gmsh.pdf"
    if not whole.exists():
        _fetch(whole)
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


def _fetch(target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        done = subprocess.run(
            ["apt-get", "download", PACKAGE], cwd=folder, capture_output=True, text=True, timeout=600, check=False
        )
        package = next(Path(folder).glob("*.deb"), None)
        if done.returncode or package is None:
            raise RuntimeError(
                f"`apt-get download {PACKAGE}` failed: run `apt-get update`, or put gmsh's manual of {PAGES} pages at "
                f"bench/cache/{target.name}. It said: {done.stderr.strip()[-300:]}"
            )
        subprocess.run(["dpkg", "-x", package.name, "."], cwd=folder, timeout=120, check=True)
        found = next(Path(folder).rglob("gmsh.pdf*"))
        content = found.read_bytes()
        fresh = target.with_suffix(".fresh")
        fresh.write_bytes(gzip.decompress(content) if found.suffix == ".gz" else content)
        fresh.replace(target)
