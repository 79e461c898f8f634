"""rebuild: the graph of a collection written anew from what the ledger says is live, without engines.

It serves to move to another graph server, to switch on a setting that changes what is written, and to repair. Page after page is
marked in the outbox and drained, by the code that publishes, so that both may run side by side: nodes of documents, entities, the
evidence of chunks, relations; then what does not belong there is deleted. A mark in the bucket says which page was the last, for
whoever goes on after a kill. Nothing that is right already is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID, uuid4

from pydantic import ValidationError

from aegis_assets.errors import NotFound, StoreUnavailable
from aegis_assets.model.graph import Triple
from aegis_assets.model.ids import fingerprint
from aegis_assets.model.ledger import CollectionRow
from aegis_assets.model.outbox import Key, Kind
from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.drain import drain
from aegis_assets.pipeline.outbox import Stores, Target, generations
from aegis_assets.pipeline.ports import Bucket, Graph, Vectors
from aegis_assets.pipeline.publish import PublishLedger, compare

DOCUMENTS: Final = 20  # in a page
OBJECTS: Final = 500  # entities or relations in a page

Page = Callable[[UUID, "UUID | None", int], list[UUID]]


@dataclass(frozen=True)
class RebuildProgress:
    """How far a rebuild is, in steps of its own: only the share of done ones means something."""

    done: int
    total: int


class Mark(Frozen):
    """Where a rebuild stands. shape: of what it writes, and where to. after: the last id of the phase that is done.

    writer: the run id under which it claims what it writes. Whoever goes on after a kill releases those claims without waiting.
    """

    shape: str
    phase: int
    after: UUID | None
    done: int
    total: int
    writer: str


class RebuildLedger(PublishLedger, Protocol):
    """The ledger as a rebuild asks it; see `aegis_assets.stores.ledger.rebuilding`."""

    def collection(self, collection: UUID) -> CollectionRow: ...
    def sizes(self, collection: UUID) -> tuple[int, int, int]: ...
    def published_page(self, collection: UUID, after: UUID | None, limit: int) -> list[UUID]: ...
    def graph_entity_page(self, collection: UUID, after: UUID | None, limit: int) -> list[UUID]: ...
    def graph_relation_page(self, collection: UUID, after: UUID | None, limit: int) -> list[UUID]: ...
    def stray_entities(self, entities: Sequence[UUID]) -> set[UUID]: ...
    def stray_relations(self, relations: Iterable[Triple]) -> set[Triple]: ...
    def mark_page(self, collection: UUID, kind: Kind, ids: Sequence[UUID]) -> set[Key]: ...
    def mark_relations(self, collection: UUID, relations: Iterable[Triple]) -> set[Key]: ...
    def release_run(self, run_id: str) -> None: ...


class RebuiltGraph(Graph, Protocol):
    """The graph with what a rebuild asks it. shape: differs where other nodes and edges would be written, or elsewhere."""

    def shape(self) -> str: ...
    def document_page(self, collection: UUID, after: UUID | None, limit: int) -> list[UUID]: ...
    def entity_page(self, collection: UUID, after: UUID | None, limit: int) -> list[UUID]: ...
    def relation_triples_of(self, collection: UUID, entities: Sequence[UUID]) -> set[Triple]: ...


@dataclass(frozen=True)
class _Phase:
    """page: the next ids after one. write: puts the graph right for a page."""

    page: Page
    limit: int
    write: Callable[[Sequence[UUID]], None]


class _Rebuild:
    """One collection's rebuild. differing: documents of which the graph still does not have what the ledger has."""

    def __init__(self, ledger: RebuildLedger, vectors: Vectors, graph: RebuiltGraph, collection: UUID, writer: str) -> None:
        self._ledger, self._graph, self._collection, self._writer = ledger, graph, collection, writer
        self._stores, self._facts = Stores(ledger, vectors, graph), ledger.graph_facts()
        self.differing: list[Target] = []
        self.without_embedding = 0

    def phases(self) -> list[_Phase]:
        """Return them in their order: what an edge joins is there before it."""
        ledger, graph = self._ledger, self._graph
        return [
            _Phase(ledger.published_page, DOCUMENTS, lambda page: self._write(Kind.CONTENT, page)),
            _Phase(ledger.graph_entity_page, OBJECTS, lambda page: self._write(Kind.ENTITY, page)),
            _Phase(ledger.published_page, DOCUMENTS, lambda page: self._write(Kind.CHUNK, page)),
            _Phase(ledger.graph_relation_page, OBJECTS, lambda page: self._write(Kind.RELATION, page)),
            _Phase(ledger.published_page, DOCUMENTS, lambda page: self._write(Kind.DOCUMENT, page)),
            _Phase(graph.entity_page, OBJECTS, self._delete_strays),
            _Phase(graph.document_page, DOCUMENTS, self._delete_stray_documents),
            _Phase(ledger.published_page, DOCUMENTS, self._check),
        ]

    def _drain(self, marked: Iterable[Key]) -> None:
        drain(self._stores, self._collection, marked, run_id=self._writer)

    def _write(self, kind: Kind, page: Sequence[UUID]) -> None:
        self._drain(self._ledger.mark_page(self._collection, kind, page))

    def _delete_strays(self, page: Sequence[UUID]) -> None:
        """Delete entities without evidence, and relations of the page's entities; a relation belongs to its source's page."""
        sources, triples = set(page), self._graph.relation_triples_of(self._collection, page)
        if stray := self._ledger.stray_relations(triple for triple in triples if triple[0] in sources):
            self._drain(self._ledger.mark_relations(self._collection, stray))
        if gone := self._ledger.stray_entities(page):
            self._write(Kind.ENTITY, sorted(gone))

    def _delete_stray_documents(self, page: Sequence[UUID]) -> None:
        live = {target.document for target in self._ledger.live_targets(page)}
        if gone := [document for document in page if document not in live]:
            self._write(Kind.DOCUMENT, gone)

    def _check(self, page: Sequence[UUID]) -> None:
        """Write a document that differs whole once more: the mark may be of a graph whose data were lost since."""
        targets = self._ledger.live_targets(page)
        if differing := self._differing(targets):
            self._drain(self._ledger.mark_documents(self._collection, [target.document for target in differing]))
            self.differing += self._differing(differing)
        if self._graph.keeps_embeddings():
            documents = [target.document for target in targets]
            for embedder, chunks in self._facts.embedders(generations(targets)).items():
                self.without_embedding += len(chunks - self._graph.embedded(self._collection, documents, embedder))

    def _differing(self, targets: Sequence[Target]) -> list[Target]:
        held = compare(targets, self._facts, None, self._graph)
        return [target for target in targets if not held[target.document].agree]


def rebuild_graph(
    ledger: RebuildLedger, bucket: Bucket, vectors: Vectors, graph: RebuiltGraph, collection: UUID, *, anew: bool = False
) -> Iterator[RebuildProgress]:
    """Write a collection's graph and yield after each page. anew: begin at the first page whatever was done before.

    Raises StoreUnavailable if the graph does not have what the ledger has in the end, and what ledger and graph raise.
    """
    graph.ensure_schema()
    shape = fingerprint(graph=graph.shape(), schema=ledger.collection(collection).schema.relation_types)
    mark = None if anew else _read_mark(bucket, collection, shape)
    if mark is None:
        documents, entities, relations = ledger.sizes(collection)
        mark = Mark(shape=shape, phase=0, after=None, done=0, total=5 * documents + 2 * entities + relations, writer=str(uuid4()))
        _keep(bucket, collection, mark)
    else:
        ledger.release_run(mark.writer)
    yield RebuildProgress(min(mark.done, mark.total), mark.total)
    rebuild = _Rebuild(ledger, vectors, graph, collection, mark.writer)
    for number, phase in enumerate(rebuild.phases()):
        if number < mark.phase:
            continue
        if number > mark.phase:
            mark = mark.model_copy(update={"phase": number, "after": None})
        while page := phase.page(collection, mark.after, phase.limit):
            phase.write(page)
            mark = mark.model_copy(update={"after": page[-1], "done": mark.done + len(page)})
            _keep(bucket, collection, mark)
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


def _keep(bucket: Bucket, collection: UUID, mark: Mark) -> None:
    bucket.put(_mark_key(collection), mark.model_dump_json().encode())


def _read_mark(bucket: Bucket, collection: UUID, shape: str) -> Mark | None:
    """Return the mark of a rebuild that was interrupted, None where there is none or it wrote something else."""
    try:
        mark = Mark.model_validate_json(bucket.get(_mark_key(collection)))
    except (NotFound, ValidationError):
        return None
    return mark if mark.shape == shape else None
