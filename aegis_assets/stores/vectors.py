"""Embeddings by chunk id -> hits, in Qdrant: a server by URL, or qdrant-client's local mode on a path.

The questionable decision: runs and the web process share the local mode, which belongs to one process at a time, in turns
(`qdrant_local`). Each turn loads all points, and a filter looks at all of them, so above 20,000 points (where its own warning,
silenced here, begins) a Qdrant server is the right store: AEGIS_QDRANT_URL. Each collection is a local store of its own, so that
opening one does not load the others.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aegis_assets.errors import EngineFailed, Misconfigured, NotFound
from aegis_assets.model.embedding import EmbedderInfo, Embedding, VectorHit, VectorPoint
from aegis_assets.settings import Settings
from aegis_assets.stores.qdrant import Qdrant, ServerQdrant
from aegis_assets.stores.qdrant_local import LocalQdrant

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.models import Filter, FilterSelector

DENSE, SPARSE = "dense", "sparse"
BATCH = 256  # points per request: about 2 MB of JSON at 1,024 dimensions
PAGE = 5000  # points per page of a scroll, which the local mode sorts anew for each
# Reciprocal rank fusion (Cormack, Clarke, Buettcher 2009): score = sum of 1 / (k + rank). Their k is 60, for dozens of rankings.
# With two, 60 puts what both rank somewhere before what one ranks first, and a sentence typed word by word is not among the first
# five. 2 is Qdrant's own.
RRF_K = 2
PREFETCH = 4  # candidates of each search per hit wanted, at least 40
LOCK_SECONDS = 120.0


def open_vectors(settings: Settings) -> QdrantVectors:
    return QdrantVectors.from_settings(settings)


class QdrantVectors:
    """The port `Vectors`. A collection that does not exist is an empty one to everything but `upsert`.

    Raises StoreUnavailable, Misconfigured (another embedder, a wrong key), NotFound (upsert without ensure), EngineFailed (a vector
    that is none).
    """

    def __init__(self, path: Path | None = None, url: str = "", api_key: str = "", lock_seconds: float = LOCK_SECONDS) -> None:
        if path is None and not url:
            raise Misconfigured("The vector store needs a directory or AEGIS_QDRANT_URL.")
        self._on_server = bool(url)
        self._qdrant: Qdrant = ServerQdrant(url, api_key) if url or path is None else LocalQdrant(path, lock_seconds)

    @classmethod
    def from_settings(cls, settings: Settings) -> QdrantVectors:
        if settings.qdrant_url:
            return cls(url=settings.qdrant_url, api_key=settings.qdrant_api_key.get_secret_value())
        return cls(path=settings.vectors_path)

    def ensure(self, collection: UUID, info: EmbedderInfo) -> None:
        """Create the vector collection, or check that the same embedder fills it. An empty one is made anew."""
        name = named(collection)

        def make(client: QdrantClient) -> None:
            if client.collection_exists(name):
                made_by = _made_by(client, name)
                if made_by in (None, _metadata(info)):
                    return
                if client.count(name, exact=True).count:
                    raise Misconfigured(_mismatch(made_by or {}, info))
                client.delete_collection(name)
            _create(client, name, info, indexes=self._on_server)

        self._qdrant.make(name, make)

    def upsert(self, collection: UUID, points: Sequence[VectorPoint]) -> None:
        if not points:
            return
        rows = [_row(point) for point in points]
        name = named(collection)

        def write(client: QdrantClient) -> bool:
            for start in range(0, len(rows), BATCH):
                client.upsert(name, rows[start : start + BATCH], wait=True)
            return True

        if not self._qdrant.run(name, write, missing=False):
            raise NotFound("The collection has no vector store yet.")

    def set_live(self, collection: UUID, chunks: Collection[UUID]) -> None:
        """Those that are live already are not written again; those that do not exist are passed over.

        Asked for are the hidden ones, of which a collection has few: a first generation is live as it comes.
        """
        name, wanted = named(collection), set(chunks)

        def write(client: QdrantClient) -> None:
            hidden = [chunk for chunk, _ in _scrolled(client, name, _hidden()) if chunk in wanted]
            for these in _selected(hidden):
                client.set_payload(name, {"live": True}, points=these, wait=True)

        self._qdrant.run(name, write, missing=None)

    def delete(self, collection: UUID, chunks: Sequence[UUID]) -> None:
        name = named(collection)

        def write(client: QdrantClient) -> None:
            for these in _selected(chunks):
                client.delete(name, these, wait=True)

        self._qdrant.run(name, write, missing=None)

    def delete_document(self, collection: UUID, document: UUID) -> None:
        from qdrant_client.models import FilterSelector

        name = named(collection)

        def write(client: QdrantClient) -> None:
            client.delete(name, FilterSelector(filter=_of(document)), wait=True)

        self._qdrant.run(name, write, missing=None)

    def delete_collection(self, collection: UUID) -> None:
        self._qdrant.drop(named(collection))

    def chunk_ids(self, collection: UUID, document: UUID) -> set[UUID]:
        return self.chunks_of(collection, [document])[document]

    def chunks_of(self, collection: UUID, documents: Sequence[UUID]) -> dict[UUID, set[UUID]]:
        """Of each document."""
        name = named(collection)

        def read(client: QdrantClient) -> dict[UUID, set[UUID]]:
            found: dict[UUID, set[UUID]] = {document: set() for document in documents}
            for chunk, payload in _scrolled(client, name, _of(*documents)):
                found[UUID(payload["document"])].add(chunk)
            return found

        return self._qdrant.run(name, read, missing={document: set() for document in documents})

    def dense_of(self, collection: UUID, chunks: Sequence[UUID]) -> dict[UUID, tuple[float, ...]]:
        """Return the chunks' dense vectors. A chunk that is not here is left out."""
        name = named(collection)

        def read(client: QdrantClient) -> dict[UUID, tuple[float, ...]]:
            vectors: dict[UUID, tuple[float, ...]] = {}
            for start in range(0, len(chunks), BATCH):
                ids = [str(chunk) for chunk in chunks[start : start + BATCH]]
                for point in client.retrieve(name, ids, with_payload=False, with_vectors=[DENSE]):
                    dense = (point.vector or {}).get(DENSE) if isinstance(point.vector, dict) else None
                    if dense is not None:
                        vectors[UUID(str(point.id))] = tuple(dense)  # type: ignore[arg-type]  # numbers, as `_create` has it
            return vectors

        return self._qdrant.run(name, read, missing={})

    def count(self, collection: UUID, document: UUID | None = None) -> int:
        name = named(collection)
        only = _of(document) if document else None
        return self._qdrant.run(name, lambda client: client.count(name, only, exact=True).count, missing=0)

    def search(self, collection: UUID, query: Embedding, limit: int) -> list[VectorHit]:
        """Hybrid: the live chunks nearest by dense and by sparse vector, fused by reciprocal rank. Best first."""
        if limit <= 0:
            return []
        name = named(collection)
        requests = _requests(query, max(limit * PREFETCH, 40))

        def read(client: QdrantClient) -> list[list[tuple[UUID, float]]]:
            answers = client.query_batch_points(name, requests)
            return [[(UUID(str(point.id)), float(point.score)) for point in answer.points] for answer in answers]

        return fused(self._qdrant.run(name, read, missing=[]), limit)

    def check(self) -> None:
        """Raises what keeps the store from being used."""
        self._qdrant.check()

    def close(self) -> None:
        self._qdrant.close()


def named(collection: UUID) -> str:
    return f"c_{collection.hex}"


def fused(ranked: Sequence[Sequence[tuple[UUID, float]]], limit: int) -> list[VectorHit]:
    """ranked: the dense hits, then the sparse ones, each best first.

    Equal scores share a rank, and ties are broken by id: the order in which a store happens to give equals must not decide.
    """
    singles = [dict(hits) for hits in ranked] + [{}, {}]
    scores: dict[UUID, float] = {}
    for hits in ranked:
        rank, before = 0, math.inf
        for place, (chunk, score) in enumerate(hits, start=1):
            rank, before = (place, score) if score < before else (rank, before)
            scores[chunk] = scores.get(chunk, 0.0) + 1 / (RRF_K + rank)
    best = sorted(scores, key=lambda chunk: (-scores[chunk], chunk))[:limit]
    return [VectorHit(id=chunk, score=scores[chunk], dense=singles[0].get(chunk), sparse=singles[1].get(chunk)) for chunk in best]


def _requests(query: Embedding, wanted: int) -> list[Any]:
    from qdrant_client import models

    live = models.Filter(must=[models.FieldCondition(key="live", match=models.MatchValue(value=True))])
    requests = [models.QueryRequest(query=list(query.dense), using=DENSE, filter=live, limit=wanted)]
    if query.indices:
        words = models.SparseVector(indices=list(query.indices), values=list(query.values))
        requests.append(models.QueryRequest(query=words, using=SPARSE, filter=live, limit=wanted))
    return requests


def _row(point: VectorPoint) -> Any:
    from qdrant_client import models

    embedding = point.embedding
    if not all(map(math.isfinite, embedding.dense)) or not all(map(math.isfinite, embedding.values)):
        raise EngineFailed("The embedder returned a vector that holds no number.")
    vector: dict[str, Any] = {DENSE: list(embedding.dense)}
    if embedding.indices:
        vector[SPARSE] = models.SparseVector(indices=list(embedding.indices), values=list(embedding.values))
    return models.PointStruct(id=str(point.id), vector=vector, payload={"document": str(point.document), "live": point.live})


def _scrolled(client: QdrantClient, name: str, of: Filter) -> Iterator[tuple[UUID, dict[str, Any]]]:
    """Id and payload of each point."""
    offset: Any = None
    while True:
        page, offset = client.scroll(name, of, PAGE, offset=offset, with_payload=True, with_vectors=False)
        for point in page:
            yield UUID(str(point.id)), point.payload or {}
        if offset is None:
            return


def _of(*documents: UUID) -> Filter:
    from qdrant_client import models

    match = models.MatchAny(any=[str(document) for document in documents])
    return models.Filter(must=[models.FieldCondition(key="document", match=match)])


def _hidden() -> Filter:
    from qdrant_client import models

    return models.Filter(must=[models.FieldCondition(key="live", match=models.MatchValue(value=False))])


def _selected(chunks: Sequence[UUID]) -> Iterator[FilterSelector]:
    """By condition, not by point id: naming an id that is not there is an error, and here it is not one."""
    from qdrant_client import models

    for start in range(0, len(chunks), BATCH):
        ids = models.HasIdCondition(has_id=[str(chunk) for chunk in chunks[start : start + BATCH]])
        yield models.FilterSelector(filter=models.Filter(must=[ids]))


def _create(client: QdrantClient, name: str, info: EmbedderInfo, *, indexes: bool) -> None:
    from qdrant_client import models

    # BGE-M3 learned its weights; lexical ones are term frequencies and need the collection's document frequencies.
    modifier = models.Modifier.IDF if info.sparse == "lexical" else None
    client.create_collection(
        name,
        vectors_config={DENSE: models.VectorParams(size=info.dimension, distance=models.Distance.COSINE)},
        sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=modifier)},
        metadata=_metadata(info),
    )
    if indexes:
        client.create_payload_index(name, "document", models.PayloadSchemaType.KEYWORD, wait=True)
        client.create_payload_index(name, "live", models.PayloadSchemaType.BOOL, wait=True)


def _metadata(info: EmbedderInfo) -> dict[str, Any]:
    return {"embedder": info.name, "dimension": info.dimension, "sparse": info.sparse, "fingerprint": info.fingerprint}


def _made_by(client: QdrantClient, name: str) -> dict[str, Any] | None:
    """What `_create` recorded; None on a server too old to keep it, where only the dimension guards."""
    return client.get_collection(name).config.metadata


def _mismatch(made_by: dict[str, Any], info: EmbedderInfo) -> str:
    old = f"{made_by.get('embedder', 'another embedder')} ({made_by.get('dimension')} dimensions)"
    new = f"{info.name} ({info.dimension} dimensions)"
    how = "in another version or with other options" if old == new else f"and the embedder is now {new}"
    return (
        f"The vectors of this collection were made by {old}, {how}. Set AEGIS_EMBEDDER back, "
        "or remove the collection's documents and ingest them again."
    )
