"""Read what entities are, as documents say it or a language model sums it up, with the sentences that it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from aegis_assets.pipeline.telling import plain
from webadmin.console.graph import statements
from webadmin.console.graph.queries import rows


class Description(NamedTuple):
    """by_model: a language model wrote it from the sentences. sentences: rows with chunk, text, start and end."""

    text: str
    by_model: bool
    sentences: list[dict[str, Any]]


def descriptions(entities: Sequence[UUID]) -> dict[UUID, Description]:
    """Return the description of each entity that has one. What comes from a document that is being removed is none any more."""
    found: dict[UUID, Description] = {}
    for entity, group in groupby(rows(statements.DESCRIPTIONS, entities=list(entities)), key=lambda row: row["id"]):
        sentences = list(group)
        first = sentences[0]
        if len(sentences) == first["sentences"]:
            text = first["told"] or plain(first["text"][first["start"] : first["end"]])
            found[entity] = Description(text, bool(first["told"]), sentences)
    return found
