"""What runs in the sandbox's children: a JSON payload -> the engines' functions -> a JSON result. Files are named by path."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from aegis_assets.model.parsing import ChunkRequest, ParseRequest

Json = dict[str, Any]


def ready(_: Json) -> Json:
    """The template has imported everything when this answers."""
    return {}


def inspect(payload: Json) -> Json:
    _still()
    from aegis_assets.engines.parsing.inspect import inspect as run

    inspection = run(Path(payload["path"]), payload["name"], Path(payload["out"]), payload["max_pages"], payload["window_tokens"])
    return inspection.model_dump(mode="json")


def parse(payload: Json) -> Json:
    _still()
    from aegis_assets.engines.parsing.parse import parse as run

    whole = Path(payload["whole"]) if payload["whole"] else None
    request = ParseRequest.model_validate(payload["request"])
    parsed = run(Path(payload["path"]), whole, request, Path(payload["out"]), payload["picture_min_pixels"], payload["parser"])
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


def _still() -> None:
    """Libraries log what they read."""
    logging.disable(logging.CRITICAL)
