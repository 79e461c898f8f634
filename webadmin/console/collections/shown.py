"""The two sides of a trial -> what the template prints: pieces of text, and what only one side has."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from aegis_assets.model.extraction import Extraction
from aegis_assets.model.parsing import Frozen
from webadmin.console.collections.marked import Piece, Stated, names, pieces, stated
from webadmin.console.collections.trial import Side

HUES: Final = 8
Change = Literal["", "new", "gone"]


class Entity(Frozen):
    name: str
    type: str
    count: int
    hue: int
    change: Change


class Relation(Frozen):
    stated: Stated
    change: Change


class Marked(Frozen):
    piece: Piece
    hue: int


class Column(Frozen):
    """One side. side: "now" or "edited"."""

    side: str
    extractor: str
    problem: str
    known: bool
    seconds: float
    pieces: tuple[Marked, ...] = ()
    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
    dropped: int = 0
    skipped: str = ""
    calls: int = 0
    tokens: int = 0


def columns(text: str, now: Side, edited: Side) -> tuple[Column, Column]:
    found = [side.extraction for side in (now, edited) if side.extraction is not None]
    types = sorted({mention.type for one in found for mention in one.mentions})
    hues = {name: number % HUES for number, name in enumerate(types)}
    return (
        _column(text, "now", now, hues, edited.extraction, "gone"),
        _column(text, "edited", edited, hues, now.extraction, "new"),
    )


def _column(text: str, side: str, one: Side, hues: dict[str, int], other: Extraction | None, change: Change) -> Column:
    made = Column(side=side, extractor=one.extractor, problem=one.problem, known=one.known, seconds=one.seconds)
    found = one.extraction
    if found is None:
        return made
    theirs = None if other is None else names(other)
    said = None if other is None else {relation.key for relation in stated(text, other)}
    entities = sorted(names(found).items(), key=lambda counted: (-counted[1], counted[0]))
    return made.model_copy(
        update={
            "pieces": tuple(Marked(piece=piece, hue=hues.get(piece.type, 0)) for piece in pieces(text, found)),
            "entities": tuple(
                Entity(name=name, type=kind, count=count, hue=hues[kind], change=_change((name, kind), theirs, change))
                for (name, kind), count in entities
            ),
            "relations": tuple(
                Relation(stated=relation, change=_change(relation.key, said, change)) for relation in stated(text, found)
            ),
            "dropped": found.dropped,
            "skipped": found.skipped or "",
            "calls": found.calls,
            "tokens": found.prompt_tokens + found.completion_tokens,
        }
    )


def _change(key: object, theirs: Collection[object] | None, change: Change) -> Change:
    return change if theirs is not None and key not in theirs else ""
