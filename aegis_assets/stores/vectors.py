"""Embeddings by chunk id -> hits, in Qdrant: a server by URL, or qdrant-client's local mode on a path.

Trade-off: runs and the web process share the local mode, which belongs to one process at a time, in turns (`qdrant_local`). Each
turn loads all points, and a search looks at all of them, so above 20,000 points (where its own warning, silenced here, begins) a
Qdrant server is the right store: AEGIS_QDRANT_URL. Each collection is a local store of its own, so that opening one does not load
the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aegis_assets.errors import Misconfigured, NotFound
from aegis_assets.model.embedding import EmbedderInfo, Embedding, PointPayload, VectorHit, VectorPoint
from aegis_assets.model.vector_settings import VectorSettings
from aegis_assets.pipeline.fusion import fused
from aegis_assets.pipeline.points import batches
from aegis_assets.settings import Settings
from aegis_assets.stores import qdrant_shape
from aegis_assets.stores.qdrant import Qdrant, ServerQdrant
from aegis_assets.stores.qdrant_local import LocalQdrant
from aegis_assets.stores.qdrant_points import (
    BARE,
    cosines_of,
    of_documents,
    overwrite,
    pages_of,
    payload_of,
    requests_of,
    row_of,
)
from aegis_assets.stores.qdrant_shape import Shape

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

PREFETCH = 4  # candidates of each search per hit wanted
CANDIDATES = 100  # of each search, at least: a chunk beyond them counts as one that shares no word with the question
LOCK_SECONDS = 120.0


def open_vectors(settings: Settings) -> QdrantVectors:
    return QdrantVectors.from_settings(settings)


class QdrantVectors:
    """The port `Vectors`. A collection that does not exist is an empty one to everything but `upsert`.

    Raises StoreUnavailable, Misconfigured (another embedder, a wrong key), NotFound (upsert without ensure), EngineFailed (a vector
    that is none).

    carries_text: points carry texts for readers that know only Qdrant (AEGIS_QDRANT_PAYLOAD). Such readers filter nothing, so then
    a chunk that does not answer searches has no point at all. admin_address: what the links of such points begin with.
    """

    def __init__(
        self,
        path: Path | None = None,
        url: str = "",
        api_key: str = "",
        lock_seconds: float = LOCK_SECONDS,
        *,
        ca_file: str = "",
        carries_text: bool = False,
        admin_address: str = "",
        outage_seconds: float = 0.0,
    ) -> None:
        if path is None and not url:
            raise Misconfigured("The vector store needs a directory or AEGIS_QDRANT_URL.")
        self.carries_text = carries_text
        self._admin_address = admin_address
        self._on_server = bool(url)
        self._qdrant: Qdrant
        if url or path is None:
            self._qdrant = ServerQdrant(url, api_key, ca_file, outage_seconds)
        else:
            self._qdrant = LocalQdrant(path, lock_seconds)

    @classmethod
    def from_settings(cls, settings: Settings, outage_seconds: float = 0.0) -> QdrantVectors:
        """outage_seconds: for which calls wait for a server that is away."""
        return cls(
            path=None if settings.qdrant_url else settings.vectors_path,
            url=settings.qdrant_url,
            api_key=settings.qdrant_api_key.get_secret_value(),
            ca_file=settings.ca_file,
            carries_text=settings.qdrant_payload == "text",
            admin_address=settings.admin_address,
            outage_seconds=outage_seconds,
        )

    def ensure(self, collection: UUID, info: EmbedderInfo, settings: VectorSettings | None = None) -> None:
        """Create the vector collection, or check that the same embedder fills it. An empty one is made anew.

        On a server, also create indexes that are missing, and apply the settings that it does not have yet.
        """
        name, settings = named(collection), settings or VectorSettings()

        def make(client: QdrantClient) -> None:
            if client.collection_exists(name):
                present = client.get_collection(name)
                made_by = present.config.metadata  # None on a server too old to keep it, where only the dimension guards
                if made_by in (None, qdrant_shape.metadata_of(info)):
                    if self._on_server:
                        qdrant_shape.create_indexes(client, name, present.payload_schema)
                        qdrant_shape.update(client, name, present, settings)
                    return
                if client.count(name, exact=True).count:
                    raise Misconfigured(_mismatch(made_by or {}, info))
                client.delete_collection(name)
            qdrant_shape.create(client, name, info, settings if self._on_server else None)

        self._qdrant.make(name, make)

    def configure(self, collection: UUID, settings: VectorSettings) -> None:
        """Apply settings that may change later to a vector collection that is there. The local mode has none."""
        name = named(collection)
        if self._on_server:
            self._qdrant.run(
                name, lambda client: qdrant_shape.update(client, name, client.get_collection(name), settings), missing=None
            )

    def upsert(self, collection: UUID, points: Sequence[VectorPoint]) -> None:
        if not points:
            return
        rows = [row_of(point, self._admin_address) for point in points]
        name = named(collection)

        def write(client: QdrantClient) -> bool:
            size = self._qdrant.shape(client, name).batch
            for start in range(0, len(rows), size):
                client.upsert(name, rows[start : start + size], wait=True)
            self._qdrant.wrote(name, rows)
            return True

        if not self._qdrant.run(name, write, missing=False):
            raise NotFound("The collection has no vector store yet.")

    def set_live(self, collection: UUID, points: Sequence[PointPayload]) -> set[UUID]:
        """Give those of the points that are there the payload that is wanted, and return the ids of those that are not.

        What is right already is not written again. Only points of the same documents are read, however many others are hidden.
        """
        name = named(collection)
        documents = sorted({point.document for point in points})

        def write(client: QdrantClient) -> set[UUID]:
            shape = self._qdrant.shape(client, name)
            fields = True if self.carries_text else list(BARE)  # without texts unless points carry them
            present = dict(self._qdrant.payloads(client, name, documents, fields))
            hidden, others = [], []
            for point in points:
                payload, wanted = present.get(point.id), payload_of(point, self._admin_address)
                if payload == {**wanted, "live": not point.live} and point.live:
                    hidden.append(point.id)
                elif payload is not None and payload != wanted:
                    others.append((point.id, wanted))
            for selector in self._qdrant.selectors(client, name, hidden):
                client.set_payload(name, {"live": True}, points=selector, wait=True)
            overwrite(client, name, shape.batch, others)
            return {point.id for point in points} - present.keys()

        return self._qdrant.run(name, write, missing={point.id for point in points})

    def delete(self, collection: UUID, chunks: Sequence[UUID]) -> None:
        name = named(collection)

        def write(client: QdrantClient) -> None:
            for selector in self._qdrant.selectors(client, name, chunks):
                client.delete(name, selector, wait=True)

        self._qdrant.run(name, write, missing=None)

    def delete_document(self, collection: UUID, document: UUID) -> None:
        from qdrant_client.models import FilterSelector

        name = named(collection)

        def write(client: QdrantClient) -> None:
            client.delete(name, FilterSelector(filter=of_documents([document])), wait=True)

        self._qdrant.run(name, write, missing=None)

    def delete_collection(self, collection: UUID) -> None:
        self._qdrant.drop(named(collection))

    def chunk_ids(self, collection: UUID, document: UUID) -> set[UUID]:
        return self.chunks_of(collection, [document])[document]

    def chunks_of(self, collection: UUID, documents: Sequence[UUID]) -> dict[UUID, set[UUID]]:
        """Return the chunks of each document that have a point."""
        name = named(collection)

        def read(client: QdrantClient) -> dict[UUID, set[UUID]]:
            chunks: dict[UUID, set[UUID]] = {document: set() for document in documents}
            for chunk, payload in self._qdrant.payloads(client, name, documents, ["document"]):
                chunks[UUID(payload["document"])].add(chunk)
            return chunks

        return self._qdrant.run(name, read, missing={document: set() for document in documents})

    def documents(self, collection: UUID) -> set[UUID]:
        """Return the documents that have points. Its cost grows with the collection: for a rebuild, not for a document."""
        name = named(collection)

        def read(client: QdrantClient) -> set[UUID]:
            pages = pages_of(client, name, self._qdrant.shape(client, name).page, None, ["document"])
            return {UUID(payload["document"]) for _, payload in pages}

        return self._qdrant.run(name, read, missing=set())

    def count(self, collection: UUID, document: UUID | None = None) -> int:
        name = named(collection)
        only = of_documents([document]) if document else None
        return self._qdrant.run(name, lambda client: client.count(name, only, exact=True).count, missing=0)

    def search(self, collection: UUID, query: Embedding, limit: int) -> list[VectorHit]:
        """Hybrid: the live chunks nearest by dense and by sparse vector, fused by their scores. Best first."""
        return fused(self.candidates(collection, query, limit))[: max(0, limit)]

    def candidates(self, collection: UUID, query: Embedding, limit: int) -> list[VectorHit]:
        """Return what both searches find, to be fused: more than `limit` if there is more. All have their cosine, none a score."""
        if limit <= 0:
            return []
        name = named(collection)

        def read(client: QdrantClient) -> list[VectorHit]:
            shape = self._qdrant.shape(client, name)
            requests = requests_of(query, min(max(limit * PREFETCH, CANDIDATES), shape.page), shape.oversampling)
            dense, sparse = [*_asked(client, name, shape, requests), {}][:2]
            without = sorted(sparse.keys() - dense.keys())
            requests = [cosines_of(query, chunks, shape.oversampling) for chunks in batches(without, shape.ids)]
            for scores in _asked(client, name, shape, requests):
                dense |= scores
            return [VectorHit(id=id, score=0.0, dense=dense.get(id), sparse=sparse.get(id)) for id in dense.keys() | sparse.keys()]

        return self._qdrant.run(name, read, missing=[])

    def check(self) -> str:
        """Return more about the store. Raises what keeps it from being used."""
        return self._qdrant.check()

    def close(self) -> None:
        self._qdrant.close()


def named(collection: UUID) -> str:
    return f"c_{collection.hex}"


def _asked(client: QdrantClient, name: str, shape: Shape, requests: Sequence[Any]) -> list[dict[UUID, float]]:
    """Return the scores by chunk that each search gives."""
    answers = [answer for some in batches(requests, shape.requests) for answer in client.query_batch_points(name, some)]
    return [{UUID(str(point.id)): float(point.score) for point in answer.points} for answer in answers]


def _mismatch(made_by: dict[str, Any], info: EmbedderInfo) -> str:
    old = f"{made_by.get('embedder', 'another embedder')} ({made_by.get('dimension')} dimensions)"
    new = f"{info.name} ({info.dimension} dimensions)"
    how = "in another version or with other options" if old == new else f"and the embedder is now {new}"
    return (
        f"The vectors of this collection were made by {old}, {how}. Set AEGIS_EMBEDDER or AEGIS_EMBEDDING_MODEL back, "
        "or remove the collection's documents and ingest them again."
    )
