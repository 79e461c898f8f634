"""The outbox -> graph and vector store, made equal to the ledger object by object, whatever the reason that an object was marked.

Order: nodes of documents and chunks, entities, the evidence of chunks, relations; then what answers searches, and what is old goes
last. Nothing is written before what it hangs on: an entity that a chunk names and that is marked too is written first, or waited
for. Nobody waits while holding a claim that another one may wait for, so any number of drains may run side by side.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID, uuid4

from aegis_assets.errors import AegisError, StoreUnavailable
from aegis_assets.model.graph import GraphDocument, Triple
from aegis_assets.model.outbox import Dirty, Key, Kind
from aegis_assets.pipeline.graph_embeddings import add_embeddings
from aegis_assets.pipeline.outbox import Stores, Target, generations
from aegis_assets.pipeline.points import payloads, write_payloads

BATCH: Final = 500  # entities, chunks or relations that are claimed together: 0.1 to 1 s of work
DOCUMENTS: Final = (10, 50)  # the same of documents, first and most: nobody knows how large they are
SLOW: Final = 20.0  # seconds for a batch, after which the next is smaller: claims expire after 120
SECONDS: Final = 900.0  # a large document takes a minute
PAUSES: Final = (0.02, 0.5)  # seconds between two looks at what others write: the first, the longest
SWEPT: Final = 1000  # objects that a sweep takes at once
SWEEP_SECONDS: Final = 10.0
CLAIMER: Final = 64  # characters that the ledger keeps of a claimer; the id of a run has 36


class OutOfTime(StoreUnavailable):
    """A drain has worked for as long as it may. What is left stays marked."""


def drain(
    stores: Stores, collection: UUID, keys: Iterable[Key], seconds: float = SECONDS, most: float = math.inf, run_id: str = ""
) -> None:
    """Write these objects where they are marked, and wait for those that others write.

    seconds: of waiting without writing anything. most: of work; no batch is begun after them. run_id: its end
    frees at once what it claimed and did not write. Raises StoreUnavailable, OutOfTime.
    """
    _Drain(stores, collection, keys, seconds, most, run_id).run()


def sweep(stores: Stores, seconds: float = SWEEP_SECONDS) -> int:
    """Write what was marked a while ago and nobody writes, for about as long. Return how many objects that were.

    A collection whose objects cannot be written does not stop the others. Raises what the first of them raised.
    """
    end, swept, failed = time.monotonic() + seconds, 0, dict[UUID, AegisError]()
    while left := stores.ledger.leftovers(SWEPT, list(failed)):
        for collection, keys in left.items():
            try:
                drain(stores, collection, keys, seconds, max(0.0, end - time.monotonic()))
                swept += len(keys)
            except OutOfTime:
                break
            except AegisError as error:
                failed[collection] = error
        if time.monotonic() > end:
            break
    if failed:
        raise next(iter(failed.values()))
    return swept


class _Drain:
    """written: entities that are in the graph by this drain. late: what has no evidence any more, to be deleted last."""

    def __init__(self, stores: Stores, collection: UUID, keys: Iterable[Key], seconds: float, most: float, run_id: str) -> None:
        self._stores, self._collection = stores, collection
        self._ledger, self._graph, self._facts = stores.ledger, stores.graph, stores.ledger.graph_facts()
        self._claimer = f"{run_id}:{uuid4().hex}"[:CLAIMER]
        self._seconds, self._pause = seconds, PAUSES[0]
        self._give_up, self._stop = time.monotonic() + seconds, time.monotonic() + most
        self._todo: dict[Kind, set[UUID]] = defaultdict(set)
        self._late: dict[Kind, set[UUID]] = defaultdict(set)
        self._written: set[UUID] = set()
        self._add(keys)

    def _add(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._todo[key.kind].add(key.id)

    def run(self) -> None:
        try:
            while any(self._todo.values()) or any(self._late.values()):
                self._contents()
                self._entities()
                self._chunks()
                self._relations()
                self._documents()
                self._delete_late()
        except BaseException:
            with suppress(AegisError):  # the claims expire
                self._ledger.release_dirty(self._claimer)
            raise

    def _delete_late(self) -> None:
        """Relations before the entities at their ends: a node is deleted without edges at no cost."""
        more, self._todo, self._late = self._todo, self._late, defaultdict(set)
        self._relations(delete=True)
        self._entities(delete=True)
        self._add(Key(kind, id) for kind, ids in more.items() for id in ids)

    def _claimed(self, kind: Kind, size: int = BATCH, most: int = BATCH) -> Iterator[list[Dirty]]:
        """Claim batch after batch of what is to do, until each object was claimed, or written by another one.

        size, most: of the first batch, and of any.
        """
        todo = self._todo.pop(kind, set())
        while todo:
            waiting, rest = set[UUID](), sorted(todo)
            while rest:
                batch, rest, began = rest[:size], rest[size:], time.monotonic()
                if time.monotonic() > self._stop:
                    raise OutOfTime("There is more to write to the graph than there is time for. It is written in the background.")
                claimed = self._ledger.claim_dirty(self._collection, kind, batch, self._claimer)
                if claimed:
                    yield claimed
                    self._pause = PAUSES[0]
                size = max(1, size // 2) if time.monotonic() - began > SLOW else min(2 * size, most)
                if left := set(batch) - {one.key.id for one in claimed}:
                    waiting |= self._ledger.still_dirty(self._collection, kind, left)
            todo = waiting
            if todo:
                self._wait(kind, todo)

    def _wait(self, kind: Kind, waiting: Collection[UUID]) -> None:
        if kind is Kind.CHUNK and (contents := self._ledger.dirty_contents(self._collection, waiting)):
            self._todo[Kind.CONTENT] |= contents
            self._contents()
            return
        if time.monotonic() > self._give_up:
            raise StoreUnavailable("Other documents of the collection took too long to publish.")
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, PAUSES[1])

    def _settle(self, claimed: Sequence[Dirty]) -> None:
        if claimed:
            self._ledger.settle_dirty(self._collection, claimed, self._claimer)
            self._give_up = time.monotonic() + self._seconds

    def _contents(self) -> None:
        """Write the nodes of live documents and of their chunks."""
        for claimed in self._claimed(Kind.CONTENT, *DOCUMENTS):
            targets = self._ledger.live_targets([one.key.id for one in claimed])
            if targets:
                nodes = [GraphDocument(id=target.document, name=target.name, generation=target.number) for target in targets]
                chunks = [self._facts.chunks(target.generation) for target in targets]
                self._graph.write_documents(self._collection, list(zip(nodes, chunks, strict=True)))
                embedders = self._facts.embedders(generations(targets))
                documents = [target.document for target in targets]
                add_embeddings(self._collection, documents, embedders, self._ledger, self._graph)
            self._settle(claimed)

    def _entities(self, *, delete: bool = False) -> None:
        for claimed in self._claimed(Kind.ENTITY):
            if not delete:
                self._ledger.describe([one.key.id for one in claimed])
            entities = self._facts.entities([one.key.id for one in claimed])
            if entities:
                self._graph.write_entities(self._collection, entities)
            there = {entity.id for entity in entities}
            self._written |= there
            gone = [one.key.id for one in claimed if one.key.id not in there]
            if gone and delete:
                self._graph.delete_entities(self._collection, gone)
                self._written.difference_update(gone)
            self._settle_or_postpone(claimed, gone, delete)

    def _chunks(self) -> None:
        """Write which entities the chunks are evidence of."""
        for claimed in self._claimed(Kind.CHUNK):
            evidence = self._facts.evidence([one.key.id for one in claimed])
            self._require_entities(set().union(*evidence.values()))
            if evidence:
                self._graph.write_evidence(self._collection, evidence)
            self._settle(claimed)

    def _relations(self, *, delete: bool = False) -> None:
        for claimed in self._claimed(Kind.RELATION):
            relations = self._facts.relations([one.key.id for one in claimed])
            self._require_entities({end for relation in relations for end in (relation.source, relation.target)})
            if relations:
                self._graph.write_relations(self._collection, relations)
            there = {relation.id for relation in relations}
            gone = [one for one in claimed if one.key.id not in there]
            if gone and delete:
                self._graph.delete_relations(self._collection, {one.key.id: _triple(one) for one in gone})
            self._settle_or_postpone(claimed, [one.key.id for one in gone], delete)

    def _settle_or_postpone(self, claimed: Sequence[Dirty], gone: Sequence[UUID], delete: bool) -> None:
        """Free what is to be deleted until that is done: it must not be held while something else is waited for."""
        late = set() if delete else set(gone)
        self._settle([one for one in claimed if one.key.id not in late])
        if late:
            kind = claimed[0].key.kind
            self._late[kind] |= late
            self._ledger.release_dirty(self._claimer, kind)

    def _require_entities(self, entities: set[UUID]) -> None:
        """Write those that are marked, or wait for who does. All others with evidence are in the graph."""
        if missing := entities - self._written:
            self._todo[Kind.ENTITY] |= self._ledger.still_dirty(self._collection, Kind.ENTITY, missing)
            self._entities()

    def _documents(self) -> None:
        """Let the live chunks answer searches, and delete everything of the documents that is not live."""
        for claimed in self._claimed(Kind.DOCUMENT, *DOCUMENTS):
            documents = [one.key.id for one in claimed]
            self._todo[Kind.CONTENT] |= self._ledger.still_dirty(self._collection, Kind.CONTENT, documents)
            self._contents()
            nodes = self._graph.chunks_of(self._collection, documents)  # read before the ledger: ingestion writes it first
            points = self._stores.vectors.chunks_of(self._collection, documents)
            targets = self._ledger.live_targets(documents)
            if targets:
                self._go_live(targets)
            self._delete_old(documents, targets, nodes, points)
            self._add(self._ledger.drop_old(self._collection, claimed, self._claimer))
            self._settle(claimed)

    def _go_live(self, targets: Sequence[Target]) -> None:
        """Make all chunks of the generations answer searches, those too whose points were lost: their embeddings are kept."""
        placed = self._facts.placed(generations(targets))
        chunks = {chunk: target.document for target in targets for chunk in placed[target.generation]}
        ledger, vectors = self._ledger, self._stores.vectors
        points = payloads(ledger, vectors, chunks, set(chunks), generations(targets))
        write_payloads(ledger, vectors, self._collection, points)
        self._graph.mark_live(self._collection, {target.document: placed[target.generation] for target in targets})

    def _delete_old(
        self, documents: Sequence[UUID], targets: Sequence[Target], nodes: dict[UUID, set[UUID]], points: dict[UUID, set[UUID]]
    ) -> None:
        standings, live = self._ledger.standings_of(documents), {target.document: target.generation for target in targets}
        known = [generation for one in standings.values() for generation in (one.live, one.making) if generation is not None]
        placed = self._facts.placed(sorted({*known, *live.values()}))
        stray_nodes: set[UUID] = set()
        stray_points: set[UUID] = set()
        for document in documents:
            standing = standings[document]
            if document not in live:
                self._graph.delete_document(self._collection, document)
                if standing.removed:
                    self._stores.vectors.delete_document(self._collection, document)
                continue
            shown = {generation for generation in (live[document], standing.live) if generation is not None}
            wanted = set().union(*(placed[generation] for generation in shown))
            stray_nodes |= nodes[document] - wanted
            hidden = placed[standing.making] if standing.making is not None else set()
            stray_points |= points[document] - wanted - hidden
        if stray_nodes:
            self._graph.delete_chunks(self._collection, sorted(stray_nodes))
        if stray_points:
            self._stores.vectors.delete(self._collection, sorted(stray_points))


def _triple(dirty: Dirty) -> Triple:
    assert dirty.triple is not None, "a relation is marked with its ends"
    return dirty.triple
