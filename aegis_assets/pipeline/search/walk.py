"""Seeds -> how much a walk over chunks and entities comes by each chunk: a personalised PageRank by local push.

From an entity the walk goes ten times as readily to a chunk that is about it (its home) as to one that mentions it, and rare
entities weigh more. Only what the walk's mass reaches is read, in a few rounds, bounded in nodes and in time: what is not read
keeps the mass that has come there. Method and measurements: docs/search.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log2
from typing import Any, Final, Protocol
from uuid import UUID

DAMPING: Final = 0.85
HOME, BACK = 10.0, 0.3  # weight of entity -> its home, of a home -> its own entity
CHUNK_SEED, ENTITY_SEED = 0.2, 2.0
SEED_HITS: Final = 50
LEAST: Final = 5e-4  # of the walk's whole mass, that a node must hold to be read
CHUNKS_PER_ROUND, ENTITIES_PER_ROUND = 50, 150  # read at a time
MOST_CHUNKS, MOST_ENTITIES = 80, 250  # read for a question
SECONDS: Final = 1.0  # after which nothing more is read: where the machine is slow, for nodes bound the walk before that
LEAST_MOVED: Final = 1e-5  # of the mass, that a node must hold to be pushed once it was read
PUSHES_PER_ROUND: Final = 3  # so that what is read next has most of the mass that it will have
PUSHES: Final = 15  # rounds without reading: the mass left after them changes no order


@dataclass(frozen=True)
class Entity:
    """A name in a collection. key: the name normalised, by which it is told from others. label: the name as it is shown."""

    collection: UUID
    key: str
    label: str = field(compare=False)
    degree: int = field(compare=False, default=1)  # chunks that name it

    @property
    def rarity(self) -> float:
        return 1 / log2(1 + max(1, self.degree))


Node = UUID | Entity  # a chunk, or an entity


class Neighbours(Protocol):
    """The port to the live graph in the ledger."""

    def entities(self, chunks: Sequence[UUID]) -> Mapping[UUID, Mapping[Entity, bool]]:
        """Return the entities that each chunk names, and whether it is the home of each. Chunks that are not live are left out."""

    def chunks(self, entities: Sequence[Entity]) -> Mapping[Entity, Mapping[UUID, bool]]:
        """Return chunks that name each entity, and whether they are its home: not all of one that thousands name."""


@dataclass
class Walked:
    """The end of a walk. mass: of each chunk. came_from: the node by which the walk first came to a node, None for a seed."""

    mass: dict[UUID, float] = field(default_factory=dict)
    came_from: dict[Node, Node | None] = field(default_factory=dict)

    def path(self, chunk: UUID) -> tuple[str, ...]:
        """Return the names of the entities by which the walk came to the chunk, in the order of the walk."""
        labels: list[str] = []
        node: Node | None = chunk
        while node is not None:
            if isinstance(node, Entity):
                labels.append(node.label)
            node = self.came_from.get(node)
        return tuple(reversed(labels))


def seeds(strengths: Mapping[UUID, float], named: Iterable[Entity]) -> dict[Node, float]:
    """Return where the walk begins. strengths: the cosine of each hit, say, up to 1. named: the question's entities."""
    first = sorted(strengths, key=lambda chunk: (-strengths[chunk], chunk))[:SEED_HITS]
    begin: dict[Node, float] = {chunk: CHUNK_SEED * max(strengths[chunk], 0.0) ** 2 for chunk in first}
    begin |= {entity: ENTITY_SEED / max(1, entity.degree) for entity in named}
    total = sum(begin.values())
    return {node: mass / total for node, mass in begin.items() if mass > 0} if total else {}


def walk(begin: Mapping[Node, float], neighbours: Neighbours, seconds: float = SECONDS) -> Walked:
    """Walk from the seeds, and stop to read after some seconds."""
    return _Walk(begin, neighbours, time.monotonic() + seconds).run()


class _Walk:
    """A walk under way. Nodes are numbered as it comes to them: an entity's hash costs more than moving its mass."""

    def __init__(self, begin: Mapping[Node, float], neighbours: Neighbours, deadline: float) -> None:
        self._neighbours, self._deadline = neighbours, deadline
        self._nodes: list[Node] = list(begin)
        self._numbers: dict[Node, int] = {node: number for number, node in enumerate(begin)}
        self._residual: list[float] = list(begin.values())
        self._mass: list[float] = [0.0] * len(begin)
        self._edges: list[list[tuple[int, float]] | None] = [None] * len(begin)
        self._came_from: list[int | None] = [None] * len(begin)
        self._arrived: list[bool] = [True] * len(begin)
        self._read = {UUID: 0, Entity: 0}

    def run(self) -> Walked:
        while (wave := self._wanted()) and time.monotonic() < self._deadline:
            self._load(wave)
            self._push_times(PUSHES_PER_ROUND)
        self._push_times(PUSHES)
        walked = Walked()
        for number, node in enumerate(self._nodes):
            if self._arrived[number]:
                source = self._came_from[number]
                walked.came_from[node] = None if source is None else self._nodes[source]
                if isinstance(node, UUID):
                    walked.mass[node] = self._mass[number] + (1 - DAMPING) * self._residual[number]
        return walked

    def _wanted(self) -> list[Node]:
        """Return the nodes with the most mass that were not read, as many as may be read at once."""
        unread = [number for number, mass in enumerate(self._residual) if mass > LEAST and self._edges[number] is None]
        unread.sort(key=self._residual.__getitem__, reverse=True)
        nodes = [self._nodes[number] for number in unread]
        chunks = [node for node in nodes if isinstance(node, UUID)]
        entities = [node for node in nodes if isinstance(node, Entity)]
        return [
            *chunks[: min(CHUNKS_PER_ROUND, MOST_CHUNKS - self._read[UUID])],
            *entities[: min(ENTITIES_PER_ROUND, MOST_ENTITIES - self._read[Entity])],
        ]

    def _load(self, nodes: Sequence[Node]) -> None:
        chunks = [node for node in nodes if isinstance(node, UUID)]
        entities = [node for node in nodes if isinstance(node, Entity)]
        self._read[UUID] += len(chunks)
        self._read[Entity] += len(entities)
        named = self._neighbours.entities(chunks) if chunks else {}
        for chunk in chunks:
            weights = {entity: entity.rarity * (BACK if home else 1.0) for entity, home in named.get(chunk, {}).items()}
            self._join(chunk, weights, sum(weights.values()))
        naming = self._neighbours.chunks(entities) if entities else {}
        for entity in entities:
            homes = {chunk: HOME if home else 1.0 for chunk, home in naming.get(entity, {}).items()}
            # What is not read of a large entity is counted all the same, so that it gives the rest no more than their part.
            self._join(entity, homes, sum(homes.values()) + max(0, entity.degree - len(homes)))

    def _join(self, node: Node, weights: Mapping[Any, float], total: float) -> None:
        self._edges[self._numbers[node]] = [(self._number(other), weight / total) for other, weight in weights.items()]

    def _number(self, node: Node) -> int:
        number = self._numbers.setdefault(node, len(self._nodes))
        if number == len(self._nodes):
            self._nodes.append(node)
            self._residual.append(0.0)
            self._mass.append(0.0)
            self._edges.append(None)
            self._came_from.append(None)
            self._arrived.append(False)
        return number

    def _push_times(self, times: int) -> None:
        for _ in range(times):
            if not self._push():
                break

    def _push(self) -> bool:
        """Move the mass of all nodes that were read to their neighbours, and return whether there was any."""
        residual, arrived = self._residual, self._arrived
        moved = [
            (number, mass, edges)
            for number, mass in enumerate(residual)
            if mass > LEAST_MOVED and (edges := self._edges[number]) is not None
        ]
        first: dict[int, tuple[float, int]] = {}
        for number, mass, _ in moved:
            residual[number] = 0.0
            self._mass[number] += (1 - DAMPING) * mass
        for number, mass, edges in moved:
            for target, share in edges:
                given = DAMPING * mass * share
                residual[target] += given
                if not arrived[target] and given > first.get(target, (0.0, 0))[0]:
                    first[target] = (given, number)
        for target, (_, number) in first.items():
            arrived[target], self._came_from[target] = True, number
        return bool(moved)
