"""Make a collection's vector store hold what the ledger says, from kept embeddings: for a new server or a new setting.

A rebuild is a diff, as a run is: points that are right are only read, so one that was stopped is simply started again. It may run
beside ingestion: what the store has is read before what the ledger has, because ingestion writes in the other order, and a step
during which a document went live or away is taken again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aegis_assets.errors import Misconfigured, StoreUnavailable
from aegis_assets.model.embedding import EmbedderInfo, Embedding, PointPayload
from aegis_assets.model.ledger import Showing
from aegis_assets.pipeline.flow.ledger import FlowLedger
from aegis_assets.pipeline.flow.rebuild import RebuildProgress
from aegis_assets.pipeline.points import BATCH, batches, embedded, payloads, write_payloads
from aegis_assets.pipeline.ports import Bucket, Embedder, Vectors

DOCUMENTS: Final = 50  # per step
TEXTS: Final = 128  # per call of the embedder
TRIES: Final = 20  # of a step during which documents are published


@dataclass(frozen=True)
class LexicalSide:
    """Our lexical weights of now: their fingerprint, and what gives an embedding of a text these weights."""

    fingerprint: str
    renew: Callable[[str, Embedding], Embedding]


def rebuild_vectors(
    ledger: FlowLedger,
    bucket: Bucket,
    vectors: Vectors,
    embedder: Embedder,
    collection: UUID,
    lexical: LexicalSide | None = None,
) -> Iterator[RebuildProgress]:
    """Write, correct and delete points until the collection's vectors agree with the ledger, and say how far that is.

    lexical: where given, embeddings whose lexical weights are of another version get those of now, without the embedder.

    The embedder is asked only for chunks that were embedded before embeddings were kept, or where nothing says which embedder
    fills the collection. bucket: not used, for embeddings are kept in the ledger; rebuilds of all stores are called alike.
    """
    total = ledger.count_documents(collection)
    recorded = ledger.embedder_of(collection)
    if total or recorded:
        info = recorded or embedder.info()
        vectors.ensure(collection, info, ledger.vector_settings(collection))
        ledger.set_embedder(collection, info)
        renewed = lexical if info.sparse == "lexical" else None
        yield from _documents(ledger, vectors, embedder, collection, info, total, renewed)
        _drop_unknown(ledger, vectors, collection)
    yield RebuildProgress(total, total)


def _documents(
    ledger: FlowLedger,
    vectors: Vectors,
    embedder: Embedder,
    collection: UUID,
    info: EmbedderInfo,
    total: int,
    lexical: LexicalSide | None,
) -> Iterator[RebuildProgress]:
    after: UUID | None = None
    done = 0
    while rows := ledger.showing(collection, after, DOCUMENTS):
        _keep_missing(ledger, embedder, info, rows)
        _correct(ledger, vectors, collection, rows, lexical)
        after, done = rows[-1].document, done + len(rows)
        yield RebuildProgress(done, max(done, total))


def _correct(ledger: FlowLedger, vectors: Vectors, collection: UUID, rows: Sequence[Showing], lexical: LexicalSide | None) -> None:
    """Make the points of these documents agree with the ledger as it is now."""
    documents = [row.document for row in rows]
    for _ in range(TRIES):
        present = vectors.chunks_of(collection, documents)
        shown = ledger.showing_of(documents)
        _write(ledger, vectors, collection, shown, present, lexical)
        if ledger.showing_of(documents) == shown:
            return
    raise StoreUnavailable("These documents were published again and again meanwhile. Start the rebuild once more.")


def _write(
    ledger: FlowLedger,
    vectors: Vectors,
    collection: UUID,
    shown: Sequence[Showing],
    present: Mapping[UUID, set[UUID]],
    lexical: LexicalSide | None,
) -> None:
    """Write and delete what differs. present: the documents' points. One that is being removed, or is gone, has none."""
    kept = [row for row in shown if not row.removing]
    generations = _generations(kept)
    facts = ledger.graph_facts()
    placed, marked = facts.placed(generations), facts.embedded(generations)
    wanted: dict[UUID, UUID] = {}
    live: set[UUID] = set()
    known: set[UUID] = set()
    for row in kept:
        answering = row.live if row.live is not None else row.making
        for generation in _generations([row]):
            known |= placed[generation]
            wanted |= dict.fromkeys(placed[generation] & marked[generation], row.document)
        live |= placed[answering] if answering is not None else set()
    points = payloads(ledger, vectors, wanted, live, generations)
    if lexical is not None:
        _renew(ledger, vectors, collection, points, lexical)
    write_payloads(ledger, vectors, collection, points)
    # A chunk that is placed and not yet marked may have its point already: ingestion is about to mark it.
    allowed = known & live if vectors.carries_text else known
    if stray := set().union(*present.values()) - allowed:
        vectors.delete(collection, sorted(stray))


def _renew(ledger: FlowLedger, vectors: Vectors, collection: UUID, points: Sequence[PointPayload], lexical: LexicalSide) -> None:
    """Write the points with lexical weights of now where theirs are of another version. Kept after, so that a kill repeats it."""
    for batch in batches(points, BATCH):
        stale = ledger.stale([point.id for point in batch], lexical.fingerprint)
        if stale:
            kept = ledger.embeddings(list(stale))
            renewed = {chunk: lexical.renew(stale[chunk], embedding) for chunk, embedding in kept.items()}
            vectors.upsert(collection, embedded(batch, renewed))
            ledger.keep_embeddings(renewed)


def _keep_missing(ledger: FlowLedger, embedder: Embedder, info: EmbedderInfo, rows: Sequence[Showing]) -> None:
    """Embed anew the chunks whose embeddings were not kept."""
    placed = ledger.graph_facts().placed(_generations(rows))
    for batch in batches(sorted(set().union(*placed.values())), BATCH):
        unkept = ledger.unkept(batch)
        if unkept and embedder.info().fingerprint != info.fingerprint:
            raise Misconfigured(
                f"Embeddings of this collection are missing, and {info.name}, which made them, is not the embedder now: set"
                " AEGIS_EMBEDDER back, or ingest the collection's documents again."
            )
        for chunks in batches(unkept, TEXTS):
            embeddings = embedder.embed([unkept[chunk] for chunk in chunks], "passage")
            ledger.keep_embeddings(dict(zip(chunks, embeddings, strict=True)))


def _drop_unknown(ledger: FlowLedger, vectors: Vectors, collection: UUID) -> None:
    """Delete the points of documents that are gone."""
    for batch in batches(sorted(vectors.documents(collection)), DOCUMENTS):
        for document in set(batch) - {row.id for row in ledger.documents(batch)}:
            vectors.delete_document(collection, document)


def _generations(rows: Iterable[Showing]) -> list[int]:
    return [generation for row in rows for generation in (row.live, row.making) if generation is not None]
