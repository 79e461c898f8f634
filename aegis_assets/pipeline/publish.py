"""publish: what the ledger knows of documents' new generations -> graph and vectors, live, and what vanished gone.

Order: the new is written beside the old, the generations go live, then the old is deleted. Each step computes what it needs from
the ledger and the stores anew, so that a crash at any point and a second call end alike. The questionable decision: the ledger's
old rows are deleted in a transaction that stays open while graph and vectors are corrected. They are what says which entities to
correct, so they may only go when that has been done.

Several documents go together, because each step costs round trips to three stores. A document that another run has taken meanwhile
drops out of the company at the next step, as if it had been alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from aegis_assets.model.graph import GraphChunk, GraphDocument, GraphEntity, GraphRelation
from aegis_assets.model.ids import relation_id
from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.points import PointLedger, batches, payloads, write_payloads
from aegis_assets.pipeline.ports import Bucket, Graph, Vectors

Triple = tuple[UUID, str, UUID]  # canonical source, type, canonical target

BATCH = 500


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


class PublishResult(Frozen):
    """held: what each store holds of the generation that is live now."""

    added: int
    kept: int
    removed: int
    held: Consistency


class Facts(Protocol):
    """What the graph should hold; see `aegis_assets.stores.ledger.graph_facts`."""

    def placed(self, generations: Sequence[int]) -> dict[int, set[UUID]]: ...
    def embedded(self, generations: Sequence[int]) -> dict[int, set[UUID]]: ...
    def chunks(self, generation: int) -> Iterator[GraphChunk]: ...
    def mentioned(self, documents: Sequence[UUID]) -> set[UUID]: ...
    def stated(self, documents: Sequence[UUID]) -> set[Triple]: ...
    def canonical(self, entities: Iterable[UUID]) -> set[UUID]: ...
    def incident(self, entities: Iterable[UUID]) -> set[Triple]: ...
    def entities(self, entities: Sequence[UUID], generations: Sequence[int]) -> list[GraphEntity]: ...
    def relations(self, triples: Sequence[Triple], generations: Sequence[int]) -> list[GraphRelation]: ...
    def counts(self, generations: Sequence[int]) -> dict[int, tuple[int, int]]: ...


class PublishLedger(PointLedger, Protocol):
    """The ledger's side; see `aegis_assets.stores.ledger.graph_view` for each promise."""

    def publishing(self, collection: UUID) -> AbstractContextManager[Callable[[], None]]: ...
    def publish_targets(self, documents: Sequence[UUID], run_id: str) -> list[Target]: ...
    def live_target(self, document: UUID) -> Target | None: ...
    def graph_facts(self) -> Facts: ...
    def switch(self, targets: Sequence[Target], run_id: str) -> dict[UUID, Switched]: ...
    def drop_old(
        self, targets: Sequence[Target], run_id: str, correct: Callable[[Facts, Dropped, Sequence[Target]], None]
    ) -> list[Target]: ...
    def artifacts_in_use(self, documents: Sequence[UUID]) -> set[str]: ...
    def idle_blobs(self, documents: Sequence[UUID]) -> list[str]: ...
    def discard(self, blob: str, delete: Callable[[str], None]) -> bool: ...
    def removal_target(self, document: UUID) -> UUID | None: ...
    def own_blobs(self, document: UUID) -> list[str]: ...
    def erase(self, document: UUID, correct: Callable[[Facts, Dropped], None]) -> None: ...


class KnowledgeGraph(Graph, Protocol):
    """The graph with the questions that publish asks it, so that it heals what an earlier crash left."""

    def entity_ids(self, collection: UUID, *documents: UUID) -> set[UUID]: ...
    def relation_triples(self, collection: UUID, *documents: UUID) -> set[Triple]: ...
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
    documents: Sequence[UUID],
    run_id: str,
    ledger: PublishLedger,
    vectors: Vectors,
    graph: KnowledgeGraph,
    bucket: Bucket,
) -> dict[UUID, PublishResult]:
    """Makes the generations in the making the live ones, or repairs what the stores hold of the live ones.

    documents: of one collection. Those that are not the run's, or have no content, are not in the answer.
    """
    first = ledger.publish_targets(documents, run_id)[:1]
    if not first:
        return {}
    collection = first[0].collection
    with ledger.publishing(collection) as still_held:
        targets = ledger.publish_targets(documents, run_id)
        facts = ledger.graph_facts()
        scope = scope_of(facts, graph, collection, [target.document for target in targets])
        graph.write_documents(collection, [(_document(target), facts.chunks(target.generation)) for target in targets])
        written = write(facts, graph, collection, scope, generations(targets))
        go_live(facts, ledger, vectors, targets)
        still_held()
        switched = ledger.switch(targets, run_id)

        def correct(after: Facts, dropped: Dropped, left: Sequence[Target]) -> None:
            still_held()
            changed = scope.less(written).plus(scope_after(after, graph, collection, dropped))
            rewrite(after, graph, collection, changed)
            drop_chunks(after, vectors, graph, left)

        left = ledger.drop_old([target for target in targets if target.document in switched], run_id, correct)
        held = compare(left, facts, vectors, graph)
    drop_files(list(held), ledger, bucket)
    return {one: PublishResult(held=held[one], **switched[one].model_dump()) for one in held}


def go_live(facts: Facts, ledger: PointLedger, vectors: Vectors, targets: Sequence[Target]) -> None:
    """Make all chunks of the generations answer searches, those too whose points were lost: their embeddings are kept."""
    placed = facts.placed(generations(targets))
    chunks = {chunk: target.document for target in targets for chunk in placed[target.generation]}
    write_payloads(ledger, vectors, targets[0].collection, payloads(ledger, vectors, chunks, set(chunks), generations(targets)))


def generations(targets: Sequence[Target]) -> list[int]:
    return [target.generation for target in targets]


def _document(target: Target) -> GraphDocument:
    return GraphDocument(id=target.document, name=target.name, generation=target.number)


def consistency(document: UUID, ledger: PublishLedger, vectors: Vectors, graph: Graph) -> Consistency:
    """Of the live generation; of nothing, where none is live. Waits for a document that is being published beside it, because that
    one may be moving names that both have. Raises NotFound."""
    target = ledger.live_target(document)
    if target is None:
        return Consistency(**dict.fromkeys(Consistency.model_fields, 0))
    with ledger.publishing(target.collection):
        target = ledger.live_target(document) or target
        return compare([target], ledger.graph_facts(), vectors, graph)[document]


def compare(targets: Sequence[Target], facts: Facts, vectors: Vectors, graph: Graph) -> dict[UUID, Consistency]:
    """Of each document. targets: of one collection."""
    if not targets:
        return {}
    collection, documents, asked = targets[0].collection, [target.document for target in targets], generations(targets)
    placed, embedded, counted = facts.placed(asked), facts.embedded(asked), facts.counts(asked)
    in_graph, in_vectors = graph.chunks_of(collection, documents), vectors.chunks_of(collection, documents)
    held = graph.counts(collection, documents)
    found: dict[UUID, Consistency] = {}
    for document, generation in zip(documents, asked, strict=True):
        chunks, nodes, points = placed[generation], in_graph[document], in_vectors[document]
        found[document] = Consistency(
            chunks=len(chunks),
            graph_chunks=len(nodes),
            embedded=len(embedded[generation]),
            vectors=len(points),
            entities=counted[generation][0],
            graph_entities=held[document].entities,
            relations=counted[generation][1],
            graph_relations=held[document].relations,
            lost=len(chunks - nodes) + len(embedded[generation] - points),
            stray=len(nodes - chunks) + len(points - chunks),
        )
    return found


def scope_of(facts: Facts, graph: KnowledgeGraph, collection: UUID, documents: Sequence[UUID]) -> Scope:
    """All that the documents name or state, by the ledger or by the graph."""
    return Scope(
        facts.mentioned(documents) | graph.entity_ids(collection, *documents),
        facts.stated(documents) | graph.relation_triples(collection, *documents),
    )


def scope_after(facts: Facts, graph: KnowledgeGraph, collection: UUID, dropped: Dropped) -> Scope:
    """What the ledger's loss may change in the graph."""
    moved = set(dropped.moved) | facts.canonical(dropped.moved)
    return Scope(
        set(dropped.entities) | moved | facts.canonical(dropped.entities),
        set(dropped.triples) | facts.incident(moved) | graph.relation_triples_of(collection, sorted(moved)),
    )


def write(facts: Facts, graph: Graph, collection: UUID, scope: Scope, live: Sequence[int]) -> Scope:
    """Entities before their relations. live: generations that count as such. Gives what has evidence and so was written."""
    done = Scope()
    for some in batches(sorted(scope.entities), BATCH):
        entities = facts.entities(some, live)
        graph.write_entities(collection, entities)
        done.entities.update(entity.id for entity in entities)
    for few in batches(sorted(scope.triples), BATCH):
        relations = facts.relations(few, live)
        graph.write_relations(collection, relations)
        done.triples.update((relation.source, relation.type, relation.target) for relation in relations)
    return done


def rewrite(facts: Facts, graph: Graph, collection: UUID, scope: Scope) -> None:
    """By what is live alone: written where there is evidence, deleted where there is none."""
    gone = scope.less(write(facts, graph, collection, scope, []))
    graph.delete_relations(collection, [relation_id(*triple) for triple in sorted(gone.triples)])
    graph.delete_entities(collection, sorted(gone.entities))


def drop_chunks(facts: Facts, vectors: Vectors, graph: Graph, targets: Sequence[Target]) -> None:
    """What the stores hold of the documents beyond these generations, whatever put it there."""
    collection, documents = targets[0].collection, [target.document for target in targets]
    wanted = set().union(*facts.placed(generations(targets)).values())
    if stray := set().union(*graph.chunks_of(collection, documents).values()) - wanted:
        graph.delete_chunks(collection, sorted(stray))
    if stray := set().union(*vectors.chunks_of(collection, documents).values()) - wanted:
        vectors.delete(collection, sorted(stray))


def drop_files(documents: Sequence[UUID], ledger: PublishLedger, bucket: Bucket) -> None:
    """Artifacts that no window refers to any more, and the bytes of former contents that no other document has."""
    used = ledger.artifacts_in_use(documents)
    for key in [key for document in documents for key in bucket.keys(f"artifacts/{document}") if key not in used]:
        bucket.delete(key)
    for blob in ledger.idle_blobs(documents):
        ledger.discard(blob, bucket.delete)
