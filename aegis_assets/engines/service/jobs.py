"""What runs in the sandbox's children: a JSON payload -> the engines' functions -> a JSON result. Files are named by path."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aegis_assets.model.parsing import ChunkRequest, ParseRequest

if TYPE_CHECKING:
    from aegis_assets.engines.parsing.docling_serve.client import DoclingServe

Json = dict[str, Any]
NATIVE: Final[Json] = {"native": True}  # instead of a result: a child that more documents will see must not read this one


def ready(_: Json) -> Json:
    """The template has imported everything when this answers."""
    return {}


def inspect(payload: Json) -> Json:
    _still()
    from aegis_assets.engines.parsing.inspect import inspect as run
    from aegis_assets.engines.parsing.textual import only_python

    if payload["shared"] and not only_python(Path(payload["path"]), payload["name"]):
        return NATIVE
    limits = payload["max_pages"], payload["window_tokens"]
    inspection = run(Path(payload["path"]), payload["name"], Path(payload["out"]), *limits, _serve(payload))
    return inspection.model_dump(mode="json")


def parse(payload: Json) -> Json:
    _still()
    from aegis_assets.engines.parsing.parse import parse as run
    from aegis_assets.engines.parsing.textual import Native

    whole = Path(payload["whole"]) if payload["whole"] else None
    request = ParseRequest.model_validate(payload["request"])
    options = payload["picture_min_pixels"], payload["parser"]
    try:
        parsed = run(Path(payload["path"]), whole, request, Path(payload["out"]), *options, _serve(payload), not payload["shared"])
    except Native:
        return NATIVE
    return parsed.model_dump(mode="json")


def chunk(payload: Json) -> Json:
    _still()
    from aegis_assets.engines.parsing.chunk import chunk as run

    request = ChunkRequest.model_validate(payload["request"])
    drafts = run(Path(payload["artifact"]), request, Path(payload["tokenizer"]), payload["max_tokens"])
    return {"chunks": [draft.model_dump(mode="json") for draft in drafts]}


def page(payload: Json) -> Json:
    _still()
    from aegis_assets.engines.parsing.pdf.picture import draw_page

    width, height = draw_page(Path(payload["path"]), payload["format"], payload["page"], Path(payload["out"]))
    return {"width": width, "height": height}


def ocr(payload: Json) -> Json:
    _still()
    from aegis_assets.engines.parsing.ocr import read_text

    return {"text": read_text(Path(payload["path"]).read_bytes())}


def check(payload: Json) -> Json:
    """One tiny document, converted by the server."""
    _still()
    from aegis_assets.engines.parsing.docling_serve.trial import seconds_of_a_page

    serve = _serve(payload)
    assert serve is not None, "asked only where a server parses"
    return {"seconds": seconds_of_a_page(serve)}


def rerank(payload: Json) -> Json:
    _still()
    from aegis_assets.engines.reranker import rank

    return {"scores": rank(Path(payload["path"]), payload["device"], payload["query"], payload["texts"])}


def _serve(payload: Json) -> DoclingServe | None:
    """Return the server that parses in docling's place, where one is configured."""
    if not payload["serve"]:
        return None
    from aegis_assets.engines.parsing.docling_serve.client import DoclingServe
    from aegis_assets.engines.parsing.docling_serve.options import ServeOptions
    from aegis_assets.engines.parsing.docling_serve.server import Server

    asked = payload["serve"]
    options = ServeOptions.model_validate(asked["options"])
    limits = asked["seconds"], Path(asked["note"]), asked["patience"], asked["setting"]
    return DoclingServe(Server(**asked["server"]), options, *limits)


def _still() -> None:
    """Libraries log what they read."""
    logging.disable(logging.CRITICAL)
