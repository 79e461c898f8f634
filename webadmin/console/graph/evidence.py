"""An entity, or a relation between two -> what the documents say: the sentence, with the names marked, where it stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.sentences import around, sentences
from webadmin.console import links
from webadmin.console.graph import statements
from webadmin.console.graph.descriptions import descriptions
from webadmin.console.graph.queries import Node, nodes, rows

SHOWN: Final = 10
MORE: Final = 100
NAMES_SHOWN: Final = 200
LONGEST: Final = 600  # characters of a sentence
Piece = tuple[str, bool]  # text, and whether it is marked


class Sentence(Frozen):
    """pieces: the text in order. address: of the chunk, with the span pointed out. confidence: of a relation.
    addressed: it speaks to its reader or to a language model."""

    address: str
    name: str
    pages: tuple[int, ...]
    headings: tuple[str, ...]
    pieces: tuple[Piece, ...]
    confidence: float | None = None
    addressed: bool = False


class Name(Frozen):
    """reason: why it is one with the others, '' for the only one. score: how sure that was."""

    id: UUID
    name: str
    canonical: bool
    chunks: int
    reason: str = ""
    score: float = 0.0


class ShortForm(Frozen):
    """A name that single documents use for the entity, such as a surname, and how often."""

    name: str
    mentions: int


class Related(Frozen):
    """A relation from an entity's side. outward: it is the source. addressed: all that states it may be an instruction."""

    id: UUID
    name: str
    kind: str
    type: str
    outward: bool
    chunks: int
    addressed: bool = False


class Decided(Frozen):
    id: int
    kind: str
    decided_by: str
    created_at: Any
    undone_at: Any
    undone_by: str
    collection: UUID
    collection_name: str
    names: tuple[dict[str, Any], ...]


class Portrait(Frozen):
    """All that is known of one entity. summary: what a language model says that it is, '' for nothing. description: the sentences
    of that, else the one that tells most. The totals are of relations and of chunks that name it."""

    node: Node
    summary: str
    description: tuple[Sentence, ...]
    names: tuple[Name, ...]
    short_forms: tuple[ShortForm, ...]
    relations: tuple[Related, ...]
    relations_total: int
    sentences: tuple[Sentence, ...]
    sentences_total: int
    decisions: tuple[Decided, ...]


def portrait(entity: UUID, limit: int = SHOWN) -> Portrait:
    related = rows(statements.RELATIONS, entities=[entity], limit=limit)
    mentions = rows(statements.MENTIONS, entity=entity, limit=limit)
    aliases = rows(statements.ALIASES, entity=entity, limit=NAMES_SHOWN)
    ids = [row["id"] for row in aliases]
    told = descriptions([entity]).get(entity)
    return Portrait(
        node=nodes([entity])[0],
        summary=told.text if told and told.by_model else "",
        description=tuple(_sentence(row, (), whole=True) for row in told.sentences) if told else (),
        short_forms=tuple(ShortForm(**row) for row in rows(statements.SHORT_FORMS, entity=entity, limit=NAMES_SHOWN)),
        names=_reasoned(aliases, rows(statements.REASONS, names=ids)),
        relations=tuple(Related.model_validate(_without_total(row)) for row in related),
        relations_total=_total(related),
        sentences=tuple(_sentence(row, [(row["start"], row["end"])], whole=False) for row in mentions),
        sentences_total=_total(mentions),
        decisions=decisions(names=ids),
    )


def statements_of(source: UUID, kind: str, target: UUID, limit: int = SHOWN) -> tuple[list[Sentence], int]:
    """The surest first, and how many there are."""
    found = rows(statements.STATEMENTS, source=source, type=kind, target=target, limit=limit)
    return [_sentence(row, _places(row), whole=True) for row in found], _total(found)


def decisions(collection: UUID | None = None, names: Sequence[UUID] | None = None, limit: int = SHOWN) -> tuple[Decided, ...]:
    """The newest first. Of names that are gone nothing is told."""
    asked = list(names) if names is not None else None
    found = rows(statements.DECISIONS, collection=collection, names=asked, limit=limit)
    return tuple(Decided.model_validate({**row, "names": _loaded(row["names"])}) for row in found if row["names"])


def _sentence(row: dict[str, Any], marks: Sequence[tuple[int, int]], *, whole: bool) -> Sentence:
    """Return the row's sentence, marked. whole: start and end are the sentence's; else they are a name's, and the sentence around
    it is looked for."""
    text: str = row["text"]
    start, end = (row["start"], row["end"]) if whole else around(sentences(text) or [(0, len(text))], row["start"], row["end"])
    if end - start > LONGEST:
        first = min((mark[0] for mark in marks), default=start)
        start = max(start, first - LONGEST // 2)
        end = min(end, start + LONGEST)
    return Sentence(
        address=links.chunk(row["document"], row["chunk"], (row["start"], row["end"])),
        name=row["name"],
        pages=tuple(row["pages"]),
        headings=tuple(row["headings"]),
        pieces=marked(text, start, end, marks),
        confidence=row.get("confidence"),
        addressed=row.get("addressed", False),
    )


def marked(text: str, start: int, end: int, marks: Sequence[tuple[int, int]]) -> tuple[Piece, ...]:
    """text[start:end] in pieces. Marks may overlap, and reach beyond."""
    pieces: list[Piece] = []
    at = start
    for left, right in sorted(marks):
        left, right = max(left, at), min(right, end)
        if left < right:
            pieces += [(text[at:left], False), (text[left:right], True)]
            at = right
    pieces.append((text[at:end], False))
    return tuple(piece for piece in pieces if piece[0])


def _places(row: dict[str, Any]) -> list[tuple[int, int]]:
    """Where source and target stand in the sentence: the first time each."""
    inside = row["text"][row["start"] : row["end"]]
    found = [(inside.find(name), name) for name in (row["source"], row["target"])]
    return [(row["start"] + at, row["start"] + at + len(name)) for at, name in found if at >= 0]


def _reasoned(aliases: Sequence[dict[str, Any]], merges: Sequence[dict[str, Any]]) -> tuple[Name, ...]:
    """Each with the surest merge that it is in."""
    best: dict[UUID, tuple[float, str]] = {}
    for merge in merges:
        for end in (merge["left_id"], merge["right_id"]):
            best[end] = max(best.get(end, (0.0, "")), (merge["score"], merge["reason"]))
    return tuple(Name(score=best.get(row["id"], (0.0, ""))[0], reason=best.get(row["id"], (0.0, ""))[1], **row) for row in aliases)


def _loaded(value: Any) -> Any:
    """A cursor of Django's gives JSON as text."""
    return json.loads(value) if isinstance(value, str) else value


def _total(found: Sequence[dict[str, Any]]) -> int:
    return int(found[0]["total"]) if found else 0


def _without_total(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "total"}
