"""rebuild: the graph of a collection written anew from what the ledger says is live, without engines.

It serves to move to another graph server, to switch on a setting that changes what is written, and to repair. Documents go first,
then entities, then relations, each a page at a time: writing an entity once for each of its documents would cost their square. Each
page takes the turn that publish takes, so both may run side by side, and is computed from the ledger as it is then. A mark in the
bucket says which page was the last, for whoever goes on after a kill. Nothing that is right already is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from pydantic import ValidationError

from aegis_assets.errors import NotFound, StoreUnavailable
from aegis_assets.model.graph import GraphDocument
from aegis_assets.model.ids import fingerprint
from aegis_assets.model.ledger import CollectionRow
from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.graph_embeddings import add_embeddings
from aegis_assets.pipeline.ports import Bucket
from aegis_assets.pipeline.publish import (
    Facts,
    KnowledgeGraph,
    PublishLedger,
    Scope,
    Target,
    generations,
    rewrite,
    scope_of,
)

DOCUMENTS: Final = 20  # in a page: others wait for their turn to publish as long as one takes
ENTITIES: Final = 500

Page = Callable[[UUID, "UUID | None", int], list[UUID]]


@dataclass(frozen=True)
class RebuildProgress:
    """How far a rebuild is, in steps of its own: only the share of done ones means something."""

    done: int
    total: int


class Mark(Frozen):
    """Where a rebuild stands. shape: of what it writes, and where to. after: the last id of the phase that is done."""

    shape: str
    phase: int
    after: UUID | None
    done: int
    total: int


class RebuildLedger(PublishLedger, Protocol):
    """What a rebuild asks; see `aegis_assets.stores.ledger.rebuilding`."""

    def collection(self, collection: UUID) -> CollectionRow: ...
    def sizes(self, collection: UUID) -> tuple[int, int]: ...
    def published_page(self, collection: UUID, after: UUID | None, limit: int) -> list[UUID]: ...
    def canonical_page(self, collection: UUID, after: UUID | None, limit: int) -> list[UUID]: ...
    def live_targets(self, documents: Sequence[UUID]) -> list[Target]: ...


class RebuiltGraph(KnowledgeGraph, Protocol):
    """The graph with what a rebuild asks it. shape: differs where other nodes and edges would be written, or elsewhere."""

    def shape(self) -> str: ...
    def document_page(self, collection: UUID, after: UUID | None, limit: int) -> list[UUID]: ...
    def entity_page(self, collection: UUID, after: UUID | None, limit: int) -> list[UUID]: ...


@dataclass(frozen=True)
class _Phase:
    """page: the next ids after one. write: puts the graph right for a page, under the turn to publish."""

    page: Page
    limit: int
    write: Callable[[Facts, Sequence[UUID]], None]


class _Rebuild:
    """One collection's rebuild. differing: documents of which the graph still does not have what the ledger has."""

    def __init__(self, ledger: RebuildLedger, graph: RebuiltGraph, collection: UUID) -> None:
        self._ledger, self._graph, self._collection = ledger, graph, collection
        self.differing: list[Target] = []
        self.without_embedding = 0

    def phases(self) -> list[_Phase]:
        """Return them in their order."""
        ledger, graph = self._ledger, self._graph
        return [
            _Phase(ledger.published_page, DOCUMENTS, self._write_documents),
            _Phase(ledger.canonical_page, ENTITIES, self._write_entities),
            _Phase(ledger.canonical_page, ENTITIES, self._write_relations),
            _Phase(graph.entity_page, ENTITIES, self._delete_stray_entities),
            _Phase(graph.document_page, DOCUMENTS, self._delete_stray_documents),
            _Phase(ledger.published_page, DOCUMENTS, self._check),
        ]

    def _write_documents(self, facts: Facts, page: Sequence[UUID]) -> None:
        self._write_targets(facts, self._ledger.live_targets(page))

    def _write_targets(self, facts: Facts, targets: Sequence[Target]) -> None:
        collection, documents = self._collection, [target.document for target in targets]
        nodes = [GraphDocument(id=target.document, name=target.name, generation=target.number) for target in targets]
        chunks = [facts.chunks(target.generation) for target in targets]
        self._graph.write_documents(collection, list(zip(nodes, chunks, strict=True)))
        add_embeddings(collection, documents, facts.embedders(generations(targets)), self._ledger, self._graph)
        placed = facts.placed(generations(targets))
        stray = set().union(*self._graph.chunks_of(collection, documents).values()) - set().union(*placed.values())
        self._graph.delete_chunks(collection, sorted(stray))
        self._graph.mark_live(collection, {target.document: placed[target.generation] for target in targets})

    def _write_entities(self, facts: Facts, page: Sequence[UUID]) -> None:
        rewrite(facts, self._graph, self._collection, Scope(entities=set(page)))

    def _write_relations(self, facts: Facts, page: Sequence[UUID]) -> None:
        """A relation belongs to its source's page."""
        either_end = facts.incident(page) | self._graph.relation_triples_of(self._collection, page)
        sources = set(page)
        rewrite(facts, self._graph, self._collection, Scope(triples={triple for triple in either_end if triple[0] in sources}))

    def _delete_stray_entities(self, facts: Facts, page: Sequence[UUID]) -> None:
        rewrite(facts, self._graph, self._collection, Scope(entities=set(page) - facts.canonical(page)))

    def _delete_stray_documents(self, _: Facts, page: Sequence[UUID]) -> None:
        live = {target.document for target in self._ledger.live_targets(page)}
        for document in page:
            if document not in live:
                self._graph.delete_document(self._collection, document)

    def _check(self, facts: Facts, page: Sequence[UUID]) -> None:
        """A document that differs is written whole once more: the mark may be of a graph whose data were lost since."""
        targets = self._ledger.live_targets(page)
        for target in self._differing(facts, targets):
            self._write_targets(facts, [target])
            scope = scope_of(facts, self._graph, self._collection, [target.document])
            rewrite(facts, self._graph, self._collection, scope)
            self.differing += self._differing(facts, [target])
        if self._graph.keeps_embeddings():
            documents = [target.document for target in targets]
            for embedder, chunks in facts.embedders(generations(targets)).items():
                self.without_embedding += len(chunks - self._graph.embedded(self._collection, documents, embedder))

    def _differing(self, facts: Facts, targets: Sequence[Target]) -> list[Target]:
        documents, asked = [target.document for target in targets], generations(targets)
        placed, counted = facts.placed(asked), facts.counts(asked)
        nodes, held = self._graph.chunks_of(self._collection, documents), self._graph.counts(self._collection, documents)
        return [
            target
            for target in targets
            if placed[target.generation] != nodes[target.document]
            or counted[target.generation] != (held[target.document].entities, held[target.document].relations)
        ]


def rebuild_graph(
    ledger: RebuildLedger, bucket: Bucket, graph: RebuiltGraph, collection: UUID, *, anew: bool = False
) -> Iterator[RebuildProgress]:
    """Write a collection's graph and yield after each page. anew: begin at the first page whatever was done before.

    Raises StoreUnavailable if the graph does not have what the ledger has in the end, and what ledger and graph raise.
    """
    graph.ensure_schema()
    shape = fingerprint(graph=graph.shape(), schema=ledger.collection(collection).schema.relation_types)
    mark = None if anew else _read_mark(bucket, collection, shape)
    if mark is None:
        documents, entities = ledger.sizes(collection)
        mark = Mark(shape=shape, phase=0, after=None, done=0, total=3 * (documents + entities))
    yield RebuildProgress(min(mark.done, mark.total), mark.total)
    rebuild = _Rebuild(ledger, graph, collection)
    for number, phase in enumerate(rebuild.phases()):
        if number < mark.phase:
            continue
        if number > mark.phase:
            mark = mark.model_copy(update={"phase": number, "after": None})
        while page := phase.page(collection, mark.after, phase.limit):
            with ledger.publishing(collection):
                phase.write(ledger.graph_facts(), page)
            mark = mark.model_copy(update={"after": page[-1], "done": mark.done + len(page)})
            bucket.put(_mark_key(collection), mark.model_dump_json().encode())
            yield RebuildProgress(min(mark.done, mark.total), mark.total)
    bucket.delete(_mark_key(collection))
    yield RebuildProgress(mark.total, mark.total)
    _require_whole(rebuild)


def _require_whole(rebuild: _Rebuild) -> None:
    """Raise StoreUnavailable if the graph lacks something that a rebuild cannot write."""
    if rebuild.differing:
        names = ", ".join(target.name for target in rebuild.differing[:3])
        raise StoreUnavailable(
            f"The graph still does not hold what the ledger does for {len(rebuild.differing)} documents ({names}): retry them.",
            retryable=False,
        )
    if rebuild.without_embedding:
        raise StoreUnavailable(
            f"The ledger has no embedding of {rebuild.without_embedding} chunks, so the graph has none either: run"
            " `python manage.py rebuild vectors` first.",
            retryable=False,
        )


def _mark_key(collection: UUID) -> str:
    return f"rebuild/graph-{collection}.json"


def _read_mark(bucket: Bucket, collection: UUID, shape: str) -> Mark | None:
    """Return the mark of a rebuild that was interrupted, None where there is none or it wrote something else."""
    try:
        mark = Mark.model_validate_json(bucket.get(_mark_key(collection)))
    except (NotFound, ValidationError):
        return None
    return mark if mark.shape == shape else None
