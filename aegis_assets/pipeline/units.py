"""Chunks of a window -> units of extraction, each one request, and an answer about two chunks -> each chunk's share of it.

A unit is one chunk, or two neighbours where a collection wants that. Every share is true of its own chunk alone: what it names and
what says it stands there, so a relation belongs to the chunk with its evidence and is dropped where that does not name both ends.
A share stays valid when its neighbour goes; when a neighbour is new, both are asked about again, which is one request all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aegis_assets.model.extraction import Extraction, Mention, Relation
from aegis_assets.model.ids import fingerprint, normalised
from aegis_assets.model.ledger import ChunkRow

PAIR_TOKENS: Final = 500  # of both together, as the chunker counts
SEPARATOR: Final = "\n\n"  # it ends a sentence
COUNTS: Final = ("dropped", "calls", "prompt_tokens", "completion_tokens")


@dataclass(frozen=True)
class Unit:
    """One chunk, or two neighbours. to_do: those of them that the stage has no valid result of, one at least."""

    chunks: tuple[ChunkRow, ...]
    to_do: tuple[UUID, ...]

    @property
    def text(self) -> str:
        return SEPARATOR.join(chunk.text for chunk in self.chunks)

    def cache_keys(self, mark: str) -> list[tuple[str, str]]:
        """Return for each chunk its text's hash and the fingerprint by which its share is cached.

        mark: the extractor's fingerprint, which is enough for a chunk alone; a share of a pair depends on the other text too.
        """
        hashes = [chunk.text_hash for chunk in self.chunks]
        if len(hashes) == 1:
            return [(hashes[0], mark)]
        return [(text_hash, fingerprint(mark=mark, unit=hashes, place=place)) for place, text_hash in enumerate(hashes)]

    def shares(self, answer: Extraction) -> list[Extraction]:
        """Return for each chunk what of the answer about the unit's text is about it, in the chunk's own places.

        What the answer took, and what was dropped, counts for the first chunk that was to be done.
        """
        if len(self.chunks) == 1:
            return [answer]
        shares = []
        start = 0
        for chunk in self.chunks:
            shares.append(_share(answer, start, start + len(chunk.text)))
            start += len(chunk.text) + len(SEPARATOR)
        lost = len(answer.relations) - sum(len(share.relations) for share in shares)
        lost += len(answer.mentions) - sum(len(share.mentions) for share in shares)
        first = next(place for place, chunk in enumerate(self.chunks) if chunk.id in self.to_do)
        counts = {name: getattr(answer, name) for name in COUNTS}
        shares[first] = shares[first].model_copy(update={**counts, "dropped": answer.dropped + lost})
        return shares


def units_of(chunks: Sequence[ChunkRow], to_do: Collection[UUID], *, pairs: bool) -> Iterator[Unit]:
    """Yield the units that hold a chunk that is to be done, in order. chunks: all of a window, in order.

    A chunk that failed is asked about alone, so that one that no answer comes to does not take its neighbour along again.
    """
    place = 0
    while place < len(chunks):
        size = 2 if pairs and _go_together(chunks[place : place + 2]) else 1
        unit = tuple(chunks[place : place + size])
        wanted = tuple(chunk.id for chunk in unit if chunk.id in to_do)
        if wanted:
            yield Unit(unit, wanted)
        place += size


def _go_together(chunks: Sequence[ChunkRow]) -> bool:
    tokens = sum(chunk.tokens for chunk in chunks)
    return len(chunks) == 2 and tokens <= PAIR_TOKENS and not any(chunk.attempts for chunk in chunks)


def _share(answer: Extraction, start: int, end: int) -> Extraction:
    """Return what of the answer stands between two places of the unit's text."""
    mentions: list[Mention] = []
    moved: dict[int, int] = {}
    by_name: dict[str, list[int]] = {}
    for index, mention in enumerate(answer.mentions):
        if start <= mention.start and mention.end <= end:
            moved[index] = len(mentions)
            by_name.setdefault(normalised(mention.name), []).append(len(mentions))
            mentions.append(mention.model_copy(update={"start": mention.start - start, "end": mention.end - start}))
    relations = []
    for relation in answer.relations:
        if start <= relation.start < end:
            own = {"start": relation.start - start, "end": min(relation.end, end) - start}
            source, target = (
                _end(index, answer, moved, by_name, mentions, own["start"]) for index in (relation.source, relation.target)
            )
            if source is not None and target is not None:
                relations.append(relation.model_copy(update={**own, "source": source, "target": target}))
    return Extraction(mentions=tuple(mentions), relations=_once(relations), skipped=answer.skipped)


def _end(
    index: int,
    answer: Extraction,
    moved: Mapping[int, int],
    by_name: Mapping[str, Sequence[int]],
    mentions: Sequence[Mention],
    evidence: int,
) -> int | None:
    """Return the share's mention of a relation's end: the same one, else the one of that name that is nearest to the evidence."""
    if index in moved:
        return moved[index]
    same = by_name.get(normalised(answer.mentions[index].name), ())
    return min(same, key=lambda place: abs(mentions[place].start - evidence), default=None)


def _once(relations: Sequence[Relation]) -> tuple[Relation, ...]:
    """Return them without those that say the same of the same mentions."""
    return tuple({(one.source, one.type, one.target): one for one in reversed(relations)}.values())[::-1]
