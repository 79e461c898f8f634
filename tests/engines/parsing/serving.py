"""What the tests of docling-serve's client share: the double, a client of it, and windows as parse makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aegis_assets.engines.parsing.docling_serve.client import DoclingServe
from aegis_assets.engines.parsing.docling_serve.options import ServeOptions
from aegis_assets.engines.parsing.docling_serve.server import Server
from aegis_assets.engines.parsing.parse import parse
from aegis_assets.model.parsing import ParsedWindow, ParseRequest


def client(
    url: str,
    options: ServeOptions | None = None,
    *,
    seconds: float = 20.0,
    note: Path | None = None,
    patience: float = 0.01,
    key: str = "",
    ca_file: str = "",
    answer_seconds: float = 20.0,
) -> DoclingServe:
    """One attempt at every request, unless there is patience."""
    server = Server(url, key, ca_file, answer_seconds)
    return DoclingServe(server, options or ServeOptions(), seconds, note, patience)


def request(first: int, last: int, length: int, facts: dict[str, object] | None = None) -> ParseRequest:
    return ParseRequest(
        blob="", name="a.pdf", format="pdf", unit="page", whole=None, first=first, last=last, length=length, facts=facts or {},
        artifacts="",
    )  # fmt: skip


def window(path: Path, asked: ParseRequest, out: Path, serve: DoclingServe) -> tuple[ParsedWindow, dict[str, Any]]:
    parsed = parse(path, None, asked, out, 64, "docling-serve", serve)
    return parsed, json.loads((out / parsed.artifact).read_text())


def items(tree: dict[str, Any]) -> list[tuple[object, ...]]:
    """Label, text and place of every text and picture, as a person would compare two documents."""
    return [
        (item["label"], item.get("text", ""), item.get("level"), item["prov"][0]["page_no"], item["prov"][0]["bbox"])
        for kind in ("texts", "pictures")
        for item in tree[kind]
    ]
