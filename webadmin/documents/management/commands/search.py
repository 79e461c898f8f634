"""python manage.py search TEXT: hybrid search and a walk over the graph, best first."""

from __future__ import annotations

import textwrap
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandParser

from webadmin.documents import console
from webadmin.documents.search import Hit, search

WIDTH = 100
SNIPPET = 300


class Command(console.Command):
    help = "Search the collections: dense, lexical and by the graph, then reranked where there is a reranker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("text")
        parser.add_argument("--collection", help="search this one; without it, all")
        parser.add_argument("--limit", type=_limit, default=10)
        parser.add_argument("--no-graph", dest="graph", action="store_false", help="dense and lexical search alone")
        parser.add_argument("--json", action="store_true", help="one JSON list instead of text")

    def act(self, *, text: str, collection: str | None, limit: int, json: bool, graph: bool, **_: Any) -> bool:
        result = search(text, collection, limit, graph=graph)
        if result.note:
            self.say(result.note)
        if json:
            self.out_json([hit.model_dump(mode="json") for hit in result.hits])
            return True
        for number, hit in enumerate(result.hits, 1):
            self.out(show(number, hit))
        if not result.hits:
            self.say("Nothing was found.")
        return True


def show(number: int, hit: Hit) -> str:
    where = f", page {', '.join(map(str, hit.pages))}" if hit.pages else ""
    singles = (("reranked", hit.rerank), ("dense", hit.dense), ("sparse", hit.sparse))
    scores = " ".join(f"{name} {value:.3f}" for name, value in singles if value is not None)
    lines = [f"{number}. {hit.name}{where}  [{hit.score:.4f}; {scores}]"]
    if hit.headings:
        lines.append("   " + " › ".join(hit.headings))
    snippet = textwrap.shorten(hit.text, SNIPPET, placeholder=" …")
    lines += textwrap.wrap(snippet, WIDTH, initial_indent="   ", subsequent_indent="   ")
    if hit.path:
        lines += textwrap.wrap(f"By the graph: {' → '.join(hit.path)}", WIDTH, initial_indent="   ", subsequent_indent="   ")
    if hit.entities:
        names = ", ".join(f"{entity['name']} ({entity['type']})" for entity in hit.entities[:8])
        lines += textwrap.wrap(f"Entities: {names}", WIDTH, initial_indent="   ", subsequent_indent="   ")
    return "\n".join(lines)


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise ArgumentTypeError("a number from 1 to 100")
    return int(text)
