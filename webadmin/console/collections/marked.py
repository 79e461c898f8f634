"""An extraction and its text -> pieces that a template prints one after another: plain, or a mark with its type."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from aegis_assets.model.extraction import Extraction, Mention
from aegis_assets.model.parsing import Frozen


class Piece(Frozen):
    """type: of the entity that is named here, '' for none. said: part of a sentence that states a relation."""

    text: str
    type: str = ""
    said: bool = False


class Stated(Frozen):
    """A relation by its names."""

    source: str
    type: str
    target: str
    confidence: float
    sentence: str

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.source, self.type, self.target)


def pieces(text: str, found: Extraction) -> tuple[Piece, ...]:
    """Where names overlap, the longest is marked."""
    mentions = _apart(found.mentions)
    said = [(relation.start, relation.end) for relation in found.relations]
    edges = {
        0,
        len(text),
        *(place for one in mentions for place in (one.start, one.end)),
        *(place for span in said for place in span),
    }
    cuts = sorted(edge for edge in edges if 0 <= edge <= len(text))
    made = []
    for start, end in pairwise(cuts):
        type_ = next((one.type for one in mentions if one.start <= start and end <= one.end), "")
        made.append(Piece(text=text[start:end], type=type_, said=any(left <= start and end <= right for left, right in said)))
    return tuple(made)


def stated(text: str, found: Extraction) -> tuple[Stated, ...]:
    """The surest first."""
    return tuple(
        Stated(
            source=found.mentions[relation.source].name,
            type=relation.type,
            target=found.mentions[relation.target].name,
            confidence=relation.confidence,
            sentence=" ".join(text[relation.start : relation.end].split()),
        )
        for relation in sorted(found.relations, key=lambda relation: (-relation.confidence, relation.start))
    )


def names(found: Extraction) -> dict[tuple[str, str], int]:
    """Name and type -> how often."""
    counted: dict[tuple[str, str], int] = {}
    for mention in found.mentions:
        counted[mention.name, mention.type] = counted.get((mention.name, mention.type), 0) + 1
    return counted


def _apart(mentions: Sequence[Mention]) -> list[Mention]:
    chosen: list[Mention] = []
    for one in sorted(mentions, key=lambda mention: (mention.start - mention.end, mention.start)):
        if all(one.end <= other.start or other.end <= one.start for other in chosen):
            chosen.append(one)
    return sorted(chosen, key=lambda mention: mention.start)
