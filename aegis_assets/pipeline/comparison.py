"""Which names are compared with which: the blocks that a ledger reads -> pairs of names, and what is recorded afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

from aegis_assets.pipeline.matching import EntityName


@dataclass(frozen=True)
class Block:
    """Names that share a blocking key. fresh: ids of those to compare with the others. reopened: the key was crowded before."""

    key: str
    names: tuple[EntityName, ...]
    fresh: frozenset[UUID]
    reopened: bool = False


@dataclass(frozen=True)
class Neighbourhood:
    """The blocks of some names. crowded: keys by which these names are not compared, because too many share them."""

    fresh: frozenset[UUID]
    blocks: tuple[Block, ...]
    crowded: frozenset[str]

    @property
    def reopened(self) -> frozenset[str]:
        return frozenset(block.key for block in self.blocks if block.reopened)


def pairs_of(blocks: Iterable[Block], compared: AbstractSet[UUID] = frozenset()) -> Iterator[tuple[EntityName, EntityName]]:
    """Yield each pair of a fresh name and another name of one of its blocks, once, the smaller id first.

    compared: names that were fresh before, when all of these names were there: no pair with them, save in a reopened block.
    """
    blocks_of: dict[UUID, list[Block]] = defaultdict(list)
    for block in blocks:
        for id in block.fresh:
            blocks_of[id].append(block)
    passed: set[UUID] = set()
    for id in sorted(blocks_of):
        passed.add(id)
        others: dict[UUID, EntityName] = {}
        for block in blocks_of[id]:
            others |= {name.id: name for name in block.names if name.id == id or block.reopened or name.id not in compared}
        fresh = others[id]
        for other in others.values():
            if other.id not in passed:
                yield (fresh, other) if fresh.id < other.id else (other, fresh)
