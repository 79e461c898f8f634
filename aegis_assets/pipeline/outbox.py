"""Types for writing to graph and vector store: the ledger's facts as they are now, its outbox, and the stores themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from aegis_assets.model.graph import GraphChunk, GraphEntity, GraphRelation, Triple
from aegis_assets.model.outbox import Dirty, Key, Kind
from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.points import PointLedger
from aegis_assets.pipeline.ports import Graph, Vectors


class Target(Frozen):
    """A document's generation that is or will be live. generation: the row's id. number: counts a document's contents from 1."""

    document: UUID
    collection: UUID
    name: str
    generation: int
    number: int


class Standing(Frozen):
    """live, making: ids of generations. removed: the document is being removed, or is gone."""

    live: int | None
    making: int | None
    removed: bool


class Stated(NamedTuple):
    """A relation that a live generation states. counters: chunks and documents, as they should stand in the graph. dirty: they are
    still to be written."""

    id: UUID
    triple: Triple
    counters: tuple[int, int]
    dirty: bool


class Facts(Protocol):
    """The content that graph and vectors should hold; see `aegis_assets.stores.ledger.graph_facts`."""

    def placed(self, generations: Sequence[int]) -> dict[int, set[UUID]]: ...
    def embedded(self, generations: Sequence[int]) -> dict[int, set[UUID]]: ...
    def embedders(self, generations: Sequence[int]) -> dict[str, set[UUID]]: ...
    def chunks(self, generation: int) -> Iterator[GraphChunk]: ...
    def entities(self, entities: Sequence[UUID]) -> list[GraphEntity]: ...
    def relations(self, relations: Sequence[UUID]) -> list[GraphRelation]: ...
    def evidence(self, chunks: Sequence[UUID]) -> dict[UUID, set[UUID]]: ...
    def stated(self, generations: Sequence[int]) -> dict[int, list[Stated]]: ...
    def moving(self, generations: Sequence[int]) -> set[int]: ...
    def count_entities(self, generations: Sequence[int]) -> dict[int, int]: ...


class OutboxLedger(PointLedger, Protocol):
    """See `aegis_assets.stores.ledger.outbox` and `graph_view`."""

    def graph_facts(self) -> Facts: ...
    def standings_of(self, documents: Sequence[UUID]) -> dict[UUID, Standing]: ...
    def live_targets(self, documents: Sequence[UUID]) -> list[Target]: ...
    def describe(self, entities: Collection[UUID]) -> None: ...
    def claim_dirty(self, collection: UUID, kind: Kind, keys: Sequence[UUID], claimer: str) -> list[Dirty]: ...
    def settle_dirty(self, collection: UUID, claimed: Sequence[Dirty], claimer: str) -> None: ...
    def release_dirty(self, claimer: str, kind: Kind | None = None) -> None: ...
    def still_dirty(self, collection: UUID, kind: Kind, keys: Iterable[UUID]) -> set[UUID]: ...
    def dirty_contents(self, collection: UUID, chunks: Iterable[UUID]) -> set[UUID]: ...
    def left_by(self, documents: Sequence[UUID]) -> dict[UUID, set[Key]]: ...
    def leftovers(self, limit: int, without: Sequence[UUID]) -> dict[UUID, set[Key]]: ...
    def drop_old(self, collection: UUID, claimed: Sequence[Dirty], claimer: str) -> set[Key]: ...


@dataclass(frozen=True)
class Stores:
    """The stores that are written to, and the ledger that says what."""

    ledger: OutboxLedger
    vectors: Vectors
    graph: Graph


def generations(targets: Sequence[Target]) -> list[int]:
    return [target.generation for target in targets]
