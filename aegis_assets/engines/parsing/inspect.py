"""A file of any kind into its inspection: format, parts with hashes, and for formats without pages the whole converted document.

The one place that knows which parser a format goes to. The questionable decision: formats without pages are converted whole, here
and once, because none of their parsers can start in the middle; windows then only take their sections.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from aegis_assets.engines.parsing import archive, fallback, plain, sections
from aegis_assets.engines.parsing.convert import ZIPPED, Unsupported, convert
from aegis_assets.engines.parsing.decode import decode
from aegis_assets.engines.parsing.docling_serve.client import DoclingServe
from aegis_assets.engines.parsing.docling_serve.options import FORMATS
from aegis_assets.engines.parsing.nesting import DEEPEST, TOO_DEEP
from aegis_assets.engines.parsing.readable import readable
from aegis_assets.engines.parsing.sniff import BLANK, Sniffed, sniff
from aegis_assets.engines.parsing.tree import Tree, depth
from aegis_assets.errors import BadInput
from aegis_assets.model.parsing import Inspection, Part

WHOLE: Final = "whole.json"
DOCLING: Final = "docling"
_MINIMUM: Final = 50  # tokens: a smaller limit would make a section of every line


def inspect(path: Path, name: str, out: Path, max_pages: int, window_tokens: int, serve: DoclingServe | None = None) -> Inspection:
    """Sniff, and convert unless it has pages. Writes whole.json into `out`. Raises BadInput or LimitExceeded with what to do.

    window_tokens: about how long a section may grow where no heading ends it. serve: converts instead of docling in this process.
    """
    started = time.monotonic()
    kind = sniff(path, name)
    if kind.format in ("pdf", "image"):
        from aegis_assets.engines.parsing.pdf.inspect import inspect_image, inspect_pdf

        return (inspect_pdf if kind.format == "pdf" else inspect_image)(path, name, out, max_pages=max_pages)
    limit = max(_MINIMUM, window_tokens)
    parts, parser, pages = _rows(path, out, limit) if kind.format == "csv" else _whole(path, kind, out, limit, serve)
    if not parts:
        raise BadInput("The document holds no text, table or picture. Check the original and upload it again.")
    return Inspection(
        format=kind.format,
        media_type=kind.media_type,
        unit="section",
        parts=parts,
        pages=pages,
        parser=parser,
        whole=WHOLE,
        seconds=time.monotonic() - started,
    )


def _whole(
    path: Path, kind: Sniffed, out: Path, limit: int, serve: DoclingServe | None
) -> tuple[tuple[Part, ...], str, int | None]:
    """Parts, parser, and the number of slides or sheets where there are such."""
    tree, parser = read(path, kind.format, serve)
    if depth(tree) > DEEPEST:
        raise BadInput(TOO_DEEP)
    parts = sections.write(sections.sections(sections.blocks(tree, limit), limit), out / WHOLE)
    return parts, parser, len(tree.get("pages") or ()) or None


def read(path: Path, kind: str, serve: DoclingServe | None = None) -> tuple[Tree, str]:
    """The whole document and the name of the parser that read it."""
    if kind == "text":
        text = decode(path.read_bytes())
        if not text.strip():
            raise BadInput(BLANK)
        return plain.text_tree(readable(text)), "plain-text"
    if serve is not None and kind in FORMATS:
        if kind in ZIPPED:
            archive.check(path)
        return serve.convert(path, kind), "docling-serve"
    try:
        return convert(path, kind), DOCLING
    except Unsupported:
        return fallback.read(path, kind)


def _rows(path: Path, out: Path, limit: int) -> tuple[tuple[Part, ...], str, None]:
    """A CSV, by runs of rows that are chosen as a table's are; each line of the artifact repeats the header."""
    rows = list(plain.read_rows(decode(path.read_bytes())))
    if not rows:
        raise BadInput(BLANK)
    return sections.write(_row_sections(rows, limit), out / WHOLE), "csv", None


def _row_sections(rows: plain.Rows, limit: int) -> Iterator[sections.Section]:
    at = plain.header_at(rows)
    titles, header, body = rows[:at], rows[at], rows[at + 1 :]
    units = [
        (sum(sections.tokens(cell) for cell in row), zlib.crc32("\t".join(row).encode("utf-8", "replace")), True) for row in body
    ]
    edges = [0, *sections.cuts(units, limit), len(body)]
    for first, last in pairwise(edges):
        tree: Tree = {"header": header, "rows": body[first:last]}
        if titles and first == 0:
            tree["titles"] = titles
        size = sum(unit[0] for unit in units[first:last])
        part = Part(hash=sections.digest(tree), weight=max(1, -(-size // sections.CHUNK)), headings=())
        yield sections.Section(part, tree)
