"""publish: what the ledger knows of a document's new generation -> graph and vectors, live, and what vanished gone.

Order: the new is written beside the old, the generation goes live, then the old is deleted. Each step computes what it needs from
the ledger and the stores anew, so that a crash at any point and a second call end alike. The questionable decision: the ledger's
old rows are deleted in a transaction that stays open while graph and vectors are corrected. They are what says which entities to
correct, so they may only go when that has been done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, TypeVar
from uuid import UUID

from aegis_assets.model.graph import GraphChunk, GraphCounts, GraphDocument, GraphEntity, GraphRelation
from aegis_assets.model.ids import relation_id
from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.ports import Bucket, Graph, Vectors

T = TypeVar("T")
Triple = tuple[UUID, str, UUID]  # canonical source, type, canonical target

BATCH = 500
NOTHING: frozenset[UUID] = frozenset()


class Target(Frozen):
    """What is to be published. generation: the row's id. number: counts a document's contents from 1."""

    document: UUID
    collection: UUID
    name: str
    generation: int
    number: int


class Switched(Frozen):
    """Chunks against the generation that was live before."""

    added: int
    kept: int
    removed: int


class Dropped(Frozen):
    """What the ledger lost or changed. entities, triples: had evidence in chunks that are gone. moved: stand for another name now,
    or are stood for by another."""

    entities: frozenset[UUID]
    triples: frozenset[Triple]
    moved: frozenset[UUID]


class PublishResult(Frozen):
    """chunks, entities, relations: of the generation that is live now, as the ledger counts them."""

    chunks: int
    entities: int
    relations: int
    added: int
    kept: int
    removed: int


class Consistency(Frozen):
    """What each store holds of a document's live generation. vectors: chunks marked as embedded, and those in the vector store.

    lost: chunk ids that should be in a store and are not; stray: the other way round.
    """

    chunks: int
    graph_chunks: int
    embedded: int
    vectors: int
    entities: int
    graph_entities: int
    relations: int
    graph_relations: int
    lost: int
    stray: int

    @property
    def agree(self) -> bool:
        same = self.entities == self.graph_entities and self.relations == self.graph_relations
        return same and not self.lost and not self.stray

    def counts(self) -> dict[str, int]:
        return self.model_dump()


class Facts(Protocol):
    """What the graph should hold; see `aegis_assets.stores.ledger.graph_facts`."""

    def chunk_ids(self, generation: int) -> list[UUID]: ...
    def embedded(self, generation: int) -> set[UUID]: ...
    def chunks(self, generation: int) -> Iterator[GraphChunk]: ...
    def mentioned(self, document: UUID) -> set[UUID]: ...
    def stated(self, document: UUID) -> set[Triple]: ...
    def aliases(self, entities: Iterable[UUID]) -> set[UUID]: ...
    def canonical(self, entities: Iterable[UUID]) -> set[UUID]: ...
    def incident(self, entities: Iterable[UUID]) -> set[Triple]: ...
    def entities(self, entities: Sequence[UUID], generation: int | None) -> list[GraphEntity]: ...
    def relations(self, triples: Sequence[Triple], generation: int | None) -> list[GraphRelation]: ...
    def counts(self, generation: int) -> tuple[int, int]: ...


class PublishLedger(Protocol):
    """The ledger's side; see `aegis_assets.stores.ledger.graph_view` for each promise."""

    def publishing(self, collection: UUID) -> AbstractContextManager[Callable[[], None]]: ...
    def publish_target(self, document: UUID, run_id: str) -> Target: ...
    def live_target(self, document: UUID) -> Target | None: ...
    def graph_facts(self) -> Facts: ...
    def switch(self, target: Target, run_id: str) -> Switched: ...
    def drop_old(self, target: Target, run_id: str, correct: Callable[[Facts, Dropped], None]) -> None: ...
    def artifacts_in_use(self, document: UUID) -> set[str]: ...
    def idle_blobs(self, document: UUID) -> list[str]: ...
    def removal_target(self, document: UUID) -> UUID | None: ...
    def own_blobs(self, document: UUID) -> list[str]: ...
    def erase(self, document: UUID, correct: Callable[[Facts, Dropped], None]) -> None: ...


class KnowledgeGraph(Graph, Protocol):
    """The graph with the questions that publish asks it, so that it heals what an earlier crash left."""

    def write_document(self, collection: UUID, document: GraphDocument, chunks: Iterable[GraphChunk]) -> None: ...
    def entity_ids(self, collection: UUID, document: UUID) -> set[UUID]: ...
    def existing_entities(self, collection: UUID, entities: Sequence[UUID]) -> set[UUID]: ...
    def relation_triples(self, collection: UUID, document: UUID) -> set[Triple]: ...
    def relation_triples_of(self, collection: UUID, entities: Sequence[UUID]) -> set[Triple]: ...


@dataclass
class Scope:
    """Entities and relations that may have to change."""

    entities: set[UUID] = field(default_factory=set)
    triples: set[Triple] = field(default_factory=set)

    def less(self, other: Scope) -> Scope:
        return Scope(self.entities - other.entities, self.triples - other.triples)

    def plus(self, other: Scope) -> Scope:
        return Scope(self.entities | other.entities, self.triples | other.triples)


def publish(
    document: UUID,
    run_id: str,
    ledger: PublishLedger,
    vectors: Vectors,
    graph: KnowledgeGraph,
    bucket: Bucket,
    touched: Set[UUID] = NOTHING,
) -> PublishResult:
    """Makes the generation in the making the live one, or repairs what the stores hold of the live one.

    touched: entities of other documents whose canonical entity changed. Raises Superseded when the document is another run's.
    """
    collection = ledger.publish_target(document, run_id).collection
    with ledger.publishing(collection) as still_held:
        target = ledger.publish_target(document, run_id)
        facts = ledger.graph_facts()
        scope = scope_of(facts, graph, target.collection, document, touched)
        graph.write_document(
            collection, GraphDocument(id=document, name=target.name, generation=target.number), facts.chunks(target.generation)
        )
        written = write(facts, graph, collection, scope, target.generation)
        vectors.set_live(collection, facts.chunk_ids(target.generation))
        still_held()
        switched = ledger.switch(target, run_id)

        def correct(after: Facts, dropped: Dropped) -> None:
            changed = scope.less(written).plus(scope_after(after, graph, collection, dropped))
            rewrite(after, graph, collection, changed)
            drop_chunks(after, vectors, graph, target)

        ledger.drop_old(target, run_id, correct)
    drop_files(document, ledger, bucket)
    entities, relations = facts.counts(target.generation)
    return PublishResult(
        chunks=len(facts.chunk_ids(target.generation)), entities=entities, relations=relations, **switched.model_dump()
    )


def consistency(document: UUID, ledger: PublishLedger, vectors: Vectors, graph: Graph) -> Consistency:
    """Of the live generation; of nothing, where none is live. Raises NotFound."""
    target = ledger.live_target(document)
    if target is None:
        return Consistency(**dict.fromkeys(Consistency.model_fields, 0))
    facts = ledger.graph_facts()
    chunks, embedded = set(facts.chunk_ids(target.generation)), facts.embedded(target.generation)
    in_graph, in_vectors = graph.chunk_ids(target.collection, document), vectors.chunk_ids(target.collection, document)
    entities, relations = facts.counts(target.generation)
    held: GraphCounts = graph.counts(target.collection, document)
    return Consistency(
        chunks=len(chunks),
        graph_chunks=len(in_graph),
        embedded=len(embedded),
        vectors=len(in_vectors),
        entities=entities,
        graph_entities=held.entities,
        relations=relations,
        graph_relations=held.relations,
        lost=len(chunks - in_graph) + len(embedded - in_vectors),
        stray=len(in_graph - chunks) + len(in_vectors - chunks),
    )


def scope_of(facts: Facts, graph: KnowledgeGraph, collection: UUID, document: UUID, touched: Set[UUID]) -> Scope:
    """All that the document names or states, by the ledger or by the graph, and what merges moved around it."""
    mentioned = facts.mentioned(document)
    canonical = facts.canonical(mentioned)
    # An alias with a node of its own was merged since the graph was written, by whichever document.
    merged = graph.existing_entities(collection, sorted(facts.aliases(canonical)))
    moved = set(touched) | merged
    moved |= facts.canonical(moved)
    return Scope(
        mentioned | moved | graph.entity_ids(collection, document),
        facts.stated(document)
        | graph.relation_triples(collection, document)
        | facts.incident(moved)
        | graph.relation_triples_of(collection, sorted(moved)),
    )


def scope_after(facts: Facts, graph: KnowledgeGraph, collection: UUID, dropped: Dropped) -> Scope:
    """What the ledger's loss may change in the graph."""
    moved = set(dropped.moved) | facts.canonical(dropped.moved)
    return Scope(
        set(dropped.entities) | moved | facts.canonical(dropped.entities),
        set(dropped.triples) | facts.incident(moved) | graph.relation_triples_of(collection, sorted(moved)),
    )


def write(facts: Facts, graph: Graph, collection: UUID, scope: Scope, generation: int | None) -> Scope:
    """Entities before their relations. Gives what has evidence and so was written."""
    done = Scope()
    for some in batches(sorted(scope.entities)):
        entities = facts.entities(some, generation)
        graph.write_entities(collection, entities)
        done.entities.update(entity.id for entity in entities)
    for few in batches(sorted(scope.triples)):
        relations = facts.relations(few, generation)
        graph.write_relations(collection, relations)
        done.triples.update((relation.source, relation.type, relation.target) for relation in relations)
    return done


def rewrite(facts: Facts, graph: Graph, collection: UUID, scope: Scope) -> None:
    """By what is live alone: written where there is evidence, deleted where there is none."""
    gone = scope.less(write(facts, graph, collection, scope, None))
    graph.delete_relations(collection, [relation_id(*triple) for triple in sorted(gone.triples)])
    graph.delete_entities(collection, sorted(gone.entities))


def drop_chunks(facts: Facts, vectors: Vectors, graph: Graph, target: Target) -> None:
    """What the stores hold of the document beyond the generation, whatever put it there."""
    wanted = set(facts.chunk_ids(target.generation))
    if stray := graph.chunk_ids(target.collection, target.document) - wanted:
        graph.delete_chunks(target.collection, sorted(stray))
    if stray := vectors.chunk_ids(target.collection, target.document) - wanted:
        vectors.delete(target.collection, sorted(stray))


def drop_files(document: UUID, ledger: PublishLedger, bucket: Bucket) -> None:
    """Artifacts that no window refers to any more, and the bytes of former contents that no other document has."""
    used = ledger.artifacts_in_use(document)
    for key in [key for key in bucket.keys(f"artifacts/{document}") if key not in used]:
        bucket.delete(key)
    for blob in ledger.idle_blobs(document):
        bucket.delete(blob)


def batches(rows: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch
