"""publish: what the ledger knows of documents' new generations -> graph and vectors, live, and what vanished gone.

The ledger changes first, in one transaction: the generations are live, what the graph has to hold follows by difference, and what
must change in the stores stands in the outbox. Then that is drained: the new is written beside the old, the vectors go live, and
the old is deleted. Until then the old chunks answer. A crash anywhere leaves rows in the outbox, for a second call or the sweep.

Several documents go together, because each step costs round trips to three stores. A document that another run has taken meanwhile
drops out of the company at the next step, as if it had been alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol
from uuid import UUID

from aegis_assets.model.outbox import Key
from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.drain import drain
from aegis_assets.pipeline.outbox import Facts, OutboxLedger, Stores, Target, generations
from aegis_assets.pipeline.ports import Bucket, Graph, Vectors

LOOKS: Final = 3  # at stores that differ: names that two documents share move while one of them is looked at
PAUSE: Final = 0.2  # seconds between two looks


class Switched(Frozen):
    """Chunks against the generation that was live before."""

    added: int
    kept: int
    removed: int


class Switching(Frozen):
    """The generations that are live now. keys: the objects marked to be written."""

    targets: tuple[Target, ...]
    counts: dict[UUID, Switched]
    keys: frozenset[Key]


class Removal(Frozen):
    """A removal that has begun. keys: what was marked to be written."""

    collection: UUID
    keys: frozenset[Key]


class Consistency(Frozen):
    """What each store holds of a document's live generation. vectors: chunks marked as embedded, and those in the vector store.

    lost: chunk ids that should be in a store and are not; stray: the other way round. graph_relations: those with the counters that
    they should have, or whose counters are being written just now for another document.
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


class PublishLedger(OutboxLedger, Protocol):
    """The ledger's side; see `aegis_assets.stores.ledger.graph_view` for each promise."""

    def publish_targets(self, documents: Sequence[UUID], run_id: str) -> list[Target]: ...
    def live_target(self, document: UUID) -> Target | None: ...
    def switch(self, documents: Sequence[UUID], run_id: str) -> Switching: ...
    def mark_documents(self, collection: UUID, documents: Sequence[UUID]) -> set[Key]: ...
    def artifacts_in_use(self, documents: Sequence[UUID]) -> set[str]: ...
    def idle_blobs(self, documents: Sequence[UUID]) -> list[str]: ...
    def discard(self, blob: str, delete: Callable[[str], None]) -> bool: ...
    def own_blobs(self, document: UUID) -> list[str]: ...
    def removal_target(self, document: UUID) -> UUID | None: ...
    def start_removal(self, document: UUID) -> Removal | None: ...
    def erase(self, document: UUID) -> None: ...


def publish(
    documents: Sequence[UUID],
    run_id: str,
    ledger: PublishLedger,
    vectors: Vectors,
    graph: Graph,
    bucket: Bucket,
) -> dict[UUID, PublishResult]:
    """Make the generations in the making the live ones, or repair what the stores hold of the live ones.

    documents: of one collection. Those that are not the run's, or have no content, are not in the answer.
    """
    left = ledger.left_by(documents)  # by an earlier run: read before this one marks anything
    switching = ledger.switch(documents, run_id)
    if not switching.targets:
        return {}
    stores = Stores(ledger, vectors, graph)
    collection, live = switching.targets[0].collection, [target.document for target in switching.targets]
    drain(stores, collection, switching.keys | left.get(collection, set()), run_id=run_id)
    targets = [target for target in ledger.publish_targets(live, run_id) if target in switching.targets]
    held = compare(targets, ledger.graph_facts(), vectors, graph)
    if differing := [document for document, stand in held.items() if not stand.agree]:
        drain(stores, collection, ledger.mark_documents(collection, differing), run_id=run_id)
        held = compare(targets, ledger.graph_facts(), vectors, graph)
    drop_files(list(held), ledger, bucket)
    return {one: PublishResult(held=held[one], **switching.counts[one].model_dump()) for one in held}


def consistency(document: UUID, ledger: PublishLedger, vectors: Vectors, graph: Graph) -> Consistency:
    """Compare the stores for the live generation; for nothing, where none is live. Look again where they differ: a document that is
    being published beside it may be moving names that both have. Raises NotFound."""
    for look in range(LOOKS):
        target = ledger.live_target(document)
        if target is None:
            break
        held = compare([target], ledger.graph_facts(), vectors, graph)[document]
        if held.agree or look == LOOKS - 1:
            return held
        time.sleep(PAUSE)
    return Consistency(**dict.fromkeys(Consistency.model_fields, 0))


def compare(targets: Sequence[Target], facts: Facts, vectors: Vectors | None, graph: Graph) -> dict[UUID, Consistency]:
    """Compare the stores for each document. targets: of one collection. vectors: None leaves them out.

    The ledger is read before the stores and, where they differ, after them. What is being written just now for another document is
    no difference, and neither is what was so at the first look.
    """
    if not targets:
        return {}
    collection, documents, asked = targets[0].collection, [target.document for target in targets], generations(targets)
    in_graph = graph.chunks_of(collection, documents)
    in_vectors = None if vectors is None else vectors.chunks_of(collection, documents)
    stated, moving = facts.stated(asked), facts.moving(asked)
    triples = {one.id: one.triple for relations in stated.values() for one in relations}
    named, counters = graph.entity_counts(collection, documents), graph.relations_held(collection, triples)
    same = {one.id for relations in stated.values() for one in relations if one.dirty or counters.get(one.id) == one.counters}
    if len(same) < len(triples):
        stated = facts.stated(asked)
    placed, embedded = facts.placed(asked), facts.embedded(asked)
    counted, moving = facts.count_entities(asked), moving | facts.moving(asked)
    compared: dict[UUID, Consistency] = {}
    for document, generation in zip(documents, asked, strict=True):
        chunks, nodes = placed[generation], in_graph[document]
        points = in_vectors[document] if in_vectors is not None else embedded[generation]
        compared[document] = Consistency(
            chunks=len(chunks),
            graph_chunks=len(nodes),
            embedded=len(embedded[generation]),
            vectors=len(points),
            entities=counted[generation],
            graph_entities=counted[generation] if generation in moving else named[document],
            relations=len(stated[generation]),
            graph_relations=sum(one.id in same or one.dirty or counters.get(one.id) == one.counters for one in stated[generation]),
            lost=len(chunks - nodes) + len(embedded[generation] - points),
            stray=len(nodes - chunks) + len(points - chunks),
        )
    return compared


def drop_files(documents: Sequence[UUID], ledger: PublishLedger, bucket: Bucket) -> None:
    """Delete artifacts that no window refers to any more, and the bytes of former contents that no other document has."""
    used = ledger.artifacts_in_use(documents)
    for key in [key for document in documents for key in bucket.keys(f"artifacts/{document}") if key not in used]:
        bucket.delete(key)
    for blob in ledger.idle_blobs(documents):
        ledger.discard(blob, bucket.delete)
