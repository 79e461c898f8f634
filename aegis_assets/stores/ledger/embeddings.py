"""Embeddings kept beside their marks, so that the vector store can be filled without an engine, and what its points should carry.

An embedding of 384 dimensions takes 2 kB here, one of BGE-M3 about 6 kB. Design note: rows, not files of the bucket, because result
and mark are then one transaction, a chunk's embedding goes with its chunk, and any set of chunks is read by their ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from aegis_assets.errors import NotFound
from aegis_assets.model.embedding import EmbedderInfo, Embedding, PointText
from aegis_assets.model.ledger import Showing
from aegis_assets.model.vector_settings import VectorSettings
from aegis_assets.stores.ledger.base import Base, Connection, one, reads, rows, writes

COLLECTION: Final = "SELECT vectors, embedder FROM aegis_collection WHERE id = %(collection)s"
SET_EMBEDDER: Final = """
UPDATE aegis_collection SET embedder = %(info)s WHERE id = %(collection)s AND embedder IS DISTINCT FROM %(info)s"""
# A chunk may have gone meanwhile: with its document, or with a plan that was cut anew.
KEEP: Final = """
INSERT INTO aegis_embedding (chunk_id, packed, sparse_fingerprint, language)
SELECT c.id, k.packed, k.sparse, k.language
FROM unnest(%(chunks)s::uuid[], %(packed)s::bytea[], %(sparse_sides)s::text[], %(languages)s::text[])
    AS k(chunk, packed, sparse, language)
JOIN aegis_chunk c ON c.id = k.chunk
ON CONFLICT (chunk_id) DO UPDATE
SET packed = EXCLUDED.packed, sparse_fingerprint = EXCLUDED.sparse_fingerprint, language = EXCLUDED.language"""
# Only what the collection's present embedder made: others' vectors have another meaning, or another size.
MADE: Final = """
FROM aegis_chunk_task t JOIN aegis_chunk c ON c.id = t.chunk_id JOIN aegis_document d ON d.id = t.document_id
JOIN aegis_collection n ON n.id = d.collection_id
{join} JOIN aegis_embedding e ON e.chunk_id = t.chunk_id
WHERE t.stage = 'embed' AND t.state = 'done' AND (n.embedder IS NULL OR n.embedder ->> 'fingerprint' = t.fingerprint)
    AND t.chunk_id = ANY(%(chunks)s)"""
EMBEDDINGS: Final = f"SELECT c.id, e.packed, e.sparse_fingerprint, e.language {MADE.format(join='')}"
STALE: Final = f"SELECT c.id, c.text {MADE.format(join='')} AND e.sparse_fingerprint <> %(sparse)s ORDER BY c.id"
UNKEPT: Final = f"SELECT c.id, c.text {MADE.format(join='LEFT')} AND e.chunk_id IS NULL ORDER BY c.id"
TEXTS: Final = """
SELECT c.id, c.text, d.name, p.headings, p.pages FROM aegis_placement p JOIN aegis_chunk c ON c.id = p.chunk_id
JOIN aegis_document d ON d.id = c.document_id
WHERE p.generation_id = ANY(%(generations)s) AND p.chunk_id = ANY(%(chunks)s)"""

SHOWING: Final = """
SELECT id AS document, live_id AS live, making_id AS making, state = 'removing' AS removing FROM aegis_document
WHERE collection_id = %(collection)s AND (%(after)s::uuid IS NULL OR id > %(after)s) ORDER BY id LIMIT %(limit)s"""
SHOWING_OF: Final = """
SELECT id AS document, live_id AS live, making_id AS making, state = 'removing' AS removing FROM aegis_document
WHERE id = ANY(%(documents)s) ORDER BY id"""
# Cost: the chunks given.
LANGUAGES: Final = "SELECT chunk_id AS id, language FROM aegis_embedding WHERE chunk_id = ANY(%(chunks)s)"
COUNT: Final = "SELECT count(*) AS n FROM aegis_document WHERE collection_id = %(collection)s"


class Embeddings(Base):
    @reads
    def vector_settings(self, connection: Connection, collection: UUID) -> VectorSettings:
        """Return how the collection's vectors are to be kept. Raises NotFound."""
        row = one(connection, COLLECTION, collection=collection)
        if row is None:
            raise NotFound(f"There is no collection {collection}.")
        return VectorSettings.model_validate(row["vectors"])

    @reads
    def embedder_of(self, connection: Connection, collection: UUID) -> EmbedderInfo | None:
        """Return the embedder that fills the collection's vectors, None where no run has said so yet."""
        row = one(connection, COLLECTION, collection=collection)
        return EmbedderInfo.model_validate(row["embedder"]) if row and row["embedder"] else None

    @writes
    def set_embedder(self, connection: Connection, collection: UUID, info: EmbedderInfo) -> None:
        """Note which embedder fills the collection's vectors."""
        connection.execute(SET_EMBEDDER, {"collection": collection, "info": Jsonb(info.model_dump())})

    @writes
    def keep_embeddings(self, connection: Connection, embeddings: Mapping[UUID, Embedding]) -> None:
        """Keep embeddings of chunks that are marked as embedded."""
        keep(connection, list(embeddings), list(embeddings.values()))

    @reads
    def embeddings(self, connection: Connection, chunks: Sequence[UUID]) -> dict[UUID, Embedding]:
        """Return the kept embeddings of these chunks; a chunk without one is not in the answer."""
        found = rows(connection, EMBEDDINGS, chunks=list(chunks))
        return {
            row["id"]: Embedding.unpack(row["packed"]).model_copy(
                update={"sparse_fingerprint": row["sparse_fingerprint"], "language": row["language"]}
            )
            for row in found
        }

    @reads
    def languages(self, connection: Connection, chunks: Sequence[UUID]) -> dict[UUID, str]:
        """Return the codes of the languages that these chunks are written in, where that was noted."""
        return {row["id"]: row["language"] for row in rows(connection, LANGUAGES, chunks=list(chunks))}

    @reads
    def unkept(self, connection: Connection, chunks: Sequence[UUID]) -> dict[UUID, str]:
        """Return the texts of those of the chunks that are embedded and whose embedding is not kept."""
        return {row["id"]: row["text"] for row in rows(connection, UNKEPT, chunks=list(chunks))}

    @reads
    def stale(self, connection: Connection, chunks: Sequence[UUID], sparse_fingerprint: str) -> dict[UUID, str]:
        """Return the texts of those of the chunks whose kept embedding has sparse weights of another fingerprint."""
        return {row["id"]: row["text"] for row in rows(connection, STALE, chunks=list(chunks), sparse=sparse_fingerprint)}

    @reads
    def point_texts(self, connection: Connection, chunks: Sequence[UUID], generations: Sequence[int]) -> dict[UUID, PointText]:
        """Return what a point carries of each chunk, as it stands in its generation."""
        found = rows(connection, TEXTS, chunks=list(chunks), generations=list(generations))
        return {
            row["id"]: PointText(name=row["name"], text=row["text"], headings=tuple(row["headings"]), pages=tuple(row["pages"]))
            for row in found
        }

    @reads
    def showing(self, connection: Connection, collection: UUID, after: UUID | None, limit: int) -> list[Showing]:
        """Return documents of the collection in the order of their ids, from the one behind `after` on."""
        found = rows(connection, SHOWING, collection=collection, after=after, limit=limit)
        return [Showing.model_validate(row) for row in found]

    @reads
    def showing_of(self, connection: Connection, documents: Sequence[UUID]) -> list[Showing]:
        """Return those of the documents that are there."""
        return [Showing.model_validate(row) for row in rows(connection, SHOWING_OF, documents=list(documents))]

    @reads
    def count_documents(self, connection: Connection, collection: UUID) -> int:
        """Return how many documents the collection has."""
        row = one(connection, COUNT, collection=collection)
        return int(row["n"]) if row else 0


def keep(connection: Connection, chunks: Sequence[UUID], embeddings: Sequence[Embedding]) -> None:
    """Keep embeddings within a transaction of the caller's."""
    if embeddings:
        values = {
            "packed": [embedding.pack() for embedding in embeddings],
            "sparse_sides": [embedding.sparse_fingerprint for embedding in embeddings],
            "languages": [embedding.language for embedding in embeddings],
        }
        connection.execute(KEEP, {"chunks": list(chunks), **values})
