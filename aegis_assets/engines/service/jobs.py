"""What runs in the sandbox's children: a JSON payload -> the engines' functions -> a JSON result. Files are named by path."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aegis_assets.model.parsing import ChunkRequest, ParseRequest

if TYPE_CHECKING:
    from aegis_assets.engines.parsing.docling_serve import DoclingServe

Json = dict[str, Any]


def ready(_: Json) -> Json:
    """The template has imported everything when this answers."""
    return {}


def inspect(payload: Json) -> Json:
    _still()
    from aegis_assets.engines.parsing.inspect import inspect as run

    limits = payload["max_pages"], payload["window_tokens"]
    inspection = run(Path(payload["path"]), payload["name"], Path(payload["out"]), *limits, _serve(payload))
    return inspection.model_dump(mode="json")


def parse(payload: Json) -> Json:
    _still()
    from aegis_assets.engines.parsing.parse import parse as run

    whole = Path(payload["whole"]) if payload["whole"] else None
    request = ParseRequest.model_validate(payload["request"])
    options = payload["picture_min_pixels"], payload["parser"]
    parsed = run(Path(payload["path"]), whole, request, Path(payload["out"]), *options, _serve(payload))
    return parsed.model_dump(mode="json")


def chunk(payload: Json) -> Json:
    _still()
    from aegis_assets.engines.parsing.chunk import chunk as run

    request = ChunkRequest.model_validate(payload["request"])
    drafts = run(Path(payload["artifact"]), request, Path(payload["tokenizer"]), payload["max_tokens"])
    return {"chunks": [draft.model_dump(mode="json") for draft in drafts]}


def ocr(payload: Json) -> Json:
    _still()
    from aegis_assets.engines.parsing.ocr import read_text

    return {"text": read_text(Path(payload["path"]).read_bytes())}


def _serve(payload: Json) -> DoclingServe | None:
    """The server that parses in docling's place, where one is configured."""
    if not payload["serve"]:
        return None
    from aegis_assets.engines.parsing.docling_serve import DoclingServe

    return DoclingServe(payload["serve"], payload["serve_seconds"])


def _still() -> None:
    """Libraries log what they read."""
    logging.disable(logging.CRITICAL)
