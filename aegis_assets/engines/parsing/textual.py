"""A file -> whether Python alone reads it, so that its child of the sandbox may go on to another document.

What takes a process over is a mistake in native code. Plain text, CSV and Markdown without HTML meet CPython's own, the Rust of
pydantic and of the tokenizer, which keeps its bounds, and little else: charset-normalizer, which is compiled Python, where the
encoding is unknown, and Oniguruma where the embedder's tokenizer has patterns, which are not the document's. PDFs, ZIPs, HTML
(lxml) and pictures meet parsers in C, and get a child that ends with them. The questionable decision: this is asked in the child,
by the very function that tells formats apart, because a second opinion on a file's format is how files get past one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from aegis_assets.engines.parsing.decode import decode
from aegis_assets.engines.parsing.sniff import HEAD, sniff, textual

LARGEST: Final = 2**20  # bytes; a larger file is worth a child of its own
_MARKUP: Final = re.compile(r"<[A-Za-z/!?]")  # nothing else begins HTML in Markdown


class Native(Exception):
    """More than Python is needed to go on."""


def only_python(path: Path, name: str) -> bool:
    """Whether inspecting this file runs no parser in C. Opens no container to find out."""
    if path.stat().st_size > LARGEST:
        return False
    content = path.read_bytes()
    if not textual(content[:HEAD]):
        return False
    kind = sniff(path, name).format
    return kind in ("text", "csv") or (kind == "markdown" and _MARKUP.search(decode(content)) is None)
