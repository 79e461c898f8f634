"""One tiny document, to see whether a docling-serve converts: its models are loaded, and its answers can be read here."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Final

from aegis_assets.engines.parsing.docling_serve.client import DoclingServe
from aegis_assets.errors import EngineFailed

WORD: Final = "Aegis"
_CONTENT: Final = f"BT /F1 24 Tf 72 720 Td ({WORD}) Tj ET"
_OBJECTS: Final = (
    "<</Type/Catalog/Pages 2 0 R>>",
    "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
    f"<</Length {len(_CONTENT)}>>stream\n{_CONTENT}\nendstream",
    "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
)


def seconds_of_a_page(serve: DoclingServe) -> float:
    """Return how long one page took, queue included. Raises AegisError where it does not come back as it was sent."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.pdf"
        path.write_bytes(page())
        tree = serve.convert(path, "pdf")
    if not any(WORD in str(item.get("text", "")) for item in tree.get("texts", ())):
        raise EngineFailed("docling-serve converted a page of one word and did not find the word. Its log has the details.")
    return time.monotonic() - started


def page() -> bytes:
    """Return a PDF of one page with one word."""
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(_OBJECTS, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    count = len(_OBJECTS) + 1
    end = f"trailer\n<</Size {count}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF\n"
    return body + f"xref\n0 {count}\n0000000000 65535 f \n{table}{end}".encode()
