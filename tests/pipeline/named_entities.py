"""Entities by their names, and what resolution decides about them, without a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from aegis_assets.model.ids import entity_id, normalised
from aegis_assets.pipeline.blocking import MAX_BLOCK, SPELLING, blocks
from aegis_assets.pipeline.comparison import Block, pairs_of
from aegis_assets.pipeline.matching import EntityName, MergeDecision
from aegis_assets.pipeline.resolve import Similarity, components, find_merges

COLLECTION = UUID(int=1)


def entity(name: str, type: str = "TERM") -> EntityName:
    return EntityName(entity_id(COLLECTION, name), type, name, normalised(name))


def blocks_of(new: Sequence[EntityName], known: Sequence[EntityName] = ()) -> list[Block]:
    """Return the blocks that a ledger with these names gives."""
    members: dict[str, dict[UUID, EntityName]] = {}
    for name in (*known, *new):
        for key in blocks(name.normalised):
            members.setdefault(key, {})[name.id] = name
    fresh = {name.id for name in new}
    return [
        Block(key, tuple(names.values()), frozenset(names.keys() & fresh))
        for key, names in members.items()
        if len(names) <= MAX_BLOCK or key.startswith(SPELLING)
    ]


def merges(
    new: Sequence[EntityName], known: Sequence[EntityName] = (), similarity: Similarity | None = None
) -> list[MergeDecision]:
    """Return what is decided when names arrive beside those that are known."""
    return find_merges(pairs_of(blocks_of(new, known)), similarity)


def groups(names: list[EntityName], edges: list[MergeDecision]) -> list[set[str]]:
    """Return the names that are one by these decisions."""
    canonical = components([n.id for n in names], edges, {n.id: n for n in names})
    members: dict[UUID, set[str]] = {}
    for name in names:
        members.setdefault(canonical[name.id], set()).add(name.name)
    return sorted(members.values(), key=sorted)
