"""Extractions of the parts of a text -> one of the whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from aegis_assets.model.extraction import Extraction, Mention, Relation

Spanned = TypeVar("Spanned", Mention, Relation)


def shifted(extraction: Extraction, offset: int) -> Extraction:
    """Return the extraction of a piece, as spans of the whole text that the piece begins in at `offset`."""
    if not offset:
        return extraction
    return extraction.model_copy(
        update={
            "mentions": tuple(_moved(mention, offset) for mention in extraction.mentions),
            "relations": tuple(_moved(relation, offset) for relation in extraction.relations),
        }
    )


def _moved(spanned: Spanned, offset: int) -> Spanned:
    return spanned.model_copy(update={"start": spanned.start + offset, "end": spanned.end + offset})


def merged(parts: Iterable[Extraction]) -> Extraction:
    """Return one extraction of the parts of one text, spans already shifted. A place keeps its first mention; counts add up.

    The same name typed differently in two parts keeps both types: they are two claims by two answers.
    """
    mentions: list[Mention] = []
    seats: dict[tuple[int, int, str], int] = {}
    relations: dict[tuple[int, int, str], Relation] = {}
    sums = {"dropped": 0, "calls": 0, "prompt_tokens": 0, "completion_tokens": 0}
    skipped: list[str] = []
    count = 0
    for part in parts:
        count += 1
        seat: list[int] = []
        for mention in part.mentions:
            key = (mention.start, mention.end, mention.type)
            if key not in seats:
                seats[key] = len(mentions)
                mentions.append(mention)
            seat.append(seats[key])
        for relation in part.relations:
            moved = relation.model_copy(update={"source": seat[relation.source], "target": seat[relation.target]})
            relations.setdefault((moved.source, moved.target, moved.type), moved)
        if part.skipped:
            skipped.append(part.skipped)
        for field in sums:
            sums[field] += getattr(part, field)
    reason = skipped[0] if skipped and len(skipped) == count else None
    return Extraction(mentions=tuple(mentions), relations=tuple(relations.values()), skipped=reason, **sums)
