"""What the sandbox's template process imports, so that a child has it for nothing: about 6 s of imports for one parse.

Importing this module is the work. Nothing here may start a thread: a fork copies only the thread that forks, and a lock that
another one held stays locked in the child for ever. onnxruntime starts some, so OCR's children import it themselves.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Final

from aegis_assets.engines.embedder import tokenizer_path
from aegis_assets.engines.parsing.tokens import loaded
from aegis_assets.errors import Misconfigured
from aegis_assets.settings import settings

MODULES: Final = (
    "aegis_assets.logs",  # a child imports its parent's main module once more, and that imports this
    "aegis_assets.engines.service.jobs",
    "aegis_assets.engines.parsing.inspect",
    "aegis_assets.engines.parsing.parse",
    "aegis_assets.engines.parsing.textual",
    "aegis_assets.engines.parsing.chunk",
    "aegis_assets.engines.parsing.hybrid",
    "aegis_assets.engines.parsing.pieces",
    "aegis_assets.engines.parsing.pdf.window",
    "aegis_assets.engines.parsing.pdf.pipeline",
    "aegis_assets.engines.parsing.pdf.backend",
    "aegis_assets.engines.parsing.pdf.reading",
    "aegis_assets.engines.parsing.pdf.picture",
    "aegis_assets.engines.parsing.docling_serve.client",
    "docling.datamodel.service.options",
    "docling.datamodel.document",
    "docling.datamodel.pipeline_options",
    "docling.backend.html_backend",
    "docling.backend.md_backend",
    "docling.backend.msword_backend",
    "aegis_assets.engines.parsing.formats.html",
    "aegis_assets.engines.parsing.formats.markdown",
    "aegis_assets.engines.parsing.formats.word",
    "docling.backend.mspowerpoint_backend",
    "docling.backend.msexcel_backend",
)

for _name in MODULES:
    with suppress(ImportError):  # an optional part of docling; the child that needs it says so
        import_module(_name)
with suppress(Misconfigured):  # as before
    loaded(tokenizer_path(settings()))
