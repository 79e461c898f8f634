"""Embeddings of chunks in Neo4j, and which chunks a vector or full-text search may find; the setting AEGIS_NEO4J_VECTORS.

Only nodes with the label LiveChunk are in the indexes, and only the chunks of a live generation carry it. An index takes vectors
of one length, so there is an index and a property for each: `embedding_384` in `aegis_chunk_embedding_384`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from aegis_assets.errors import Misconfigured
from aegis_assets.stores.bolt import Bolt

MAX_DIMENSION: Final = 4096  # of Neo4j's vector index

# Grow with the live chunks of the server when they are created, and not at all afterwards.
FULL_TEXT_INDEX: Final = "CREATE FULLTEXT INDEX aegis_chunk_text IF NOT EXISTS FOR (c:LiveChunk) ON EACH [c.text]"
VECTOR_INDEX: Final = (
    "CREATE VECTOR INDEX aegis_chunk_embedding_{dimension} IF NOT EXISTS FOR (c:LiveChunk) ON (c.embedding_{dimension})"
    " OPTIONS {{indexConfig: {{`vector.dimensions`: {dimension}, `vector.similarity_function`: 'cosine'}}}}"
)

# Grows with the chunks of the documents.
EMBEDDED: Final = """
UNWIND $documents AS document
MATCH (c:Chunk {document: document}) WHERE c.collection = $collection AND c.embedder = $embedder
RETURN c.id AS id"""
# Grows with the chunks written, and for each by what the vector index costs: the logarithm of its size.
SET_EMBEDDINGS: Final = """
UNWIND $rows AS row
MATCH (c:Chunk {key: row.key})
FOREACH (old IN [name IN keys(c) WHERE name STARTS WITH 'embedding_' AND name <> $property] | SET c[old] = NULL)
SET c.embedder = $embedder
WITH c, row
CALL db.create.setNodeVectorProperty(c, $property, row.vector)"""
# Grows with the chunks of the documents.
LIVE: Final = """
UNWIND $documents AS document
MATCH (c:Chunk {document: document}) WHERE c.collection = $collection AND c:LiveChunk
RETURN c.key AS key"""
# Grow with the chunks that change.
HIDE: Final = "UNWIND $hidden AS key MATCH (c:Chunk {key: key}) REMOVE c:LiveChunk"
SHOW: Final = "UNWIND $shown AS key MATCH (c:Chunk {key: key}) SET c:LiveChunk"
# Grows with the chunks of the documents.
FORGET: Final = """
UNWIND $documents AS document
MATCH (c:Chunk {document: document}) WHERE c.collection = $collection AND (c:LiveChunk OR c.embedder IS NOT NULL)
REMOVE c:LiveChunk
FOREACH (old IN [name IN keys(c) WHERE name = 'embedder' OR name STARTS WITH 'embedding_'] | SET c[old] = NULL)"""


class ChunkSearch:
    """The part of the graph store that Neo4j's indexes serve. Writers of one document take turns."""

    def __init__(self, bolt: Bolt) -> None:
        self._bolt = bolt
        self._indexed: set[int] = set()

    def ensure_full_text(self) -> None:
        """Create the full-text index if it is not there."""
        self._bolt.run((FULL_TEXT_INDEX, {}))

    def embedded(self, collection: UUID, documents: Iterable[UUID], embedder: str) -> set[UUID]:
        """Return the documents' chunks that carry an embedding by this embedder (its fingerprint)."""
        asked = {"collection": str(collection), "documents": [str(document) for document in documents], "embedder": embedder}
        return {UUID(row["id"]) for row in self._bolt.run((EMBEDDED, asked))}

    def write(self, vectors: Mapping[str, Sequence[float]], embedder: str) -> None:
        """Write embeddings by the chunks' keys. Chunks that are not in the graph are passed over.

        Raise Misconfigured if they are longer than an index takes.
        """
        for dimension in {len(vector) for vector in vectors.values()}:
            self._ensure_vector_index(dimension)
            rows = [{"key": key, "vector": list(vector)} for key, vector in vectors.items() if len(vector) == dimension]
            self._bolt.run((SET_EMBEDDINGS, {"rows": rows, "embedder": embedder, "property": f"embedding_{dimension}"}))

    def show(self, collection: UUID, live: Mapping[UUID, Collection[UUID]]) -> None:
        """Let searches find exactly these chunks of each document.

        That is one transaction, so that no search finds a document's old text beside its new one.
        """
        wanted = {f"{collection}:{chunk}" for chunks in live.values() for chunk in chunks}
        asked = {"collection": str(collection), "documents": [str(document) for document in live]}
        shown = {row["key"] for row in self._bolt.run((LIVE, asked))}
        changes = {"hidden": sorted(shown - wanted), "shown": sorted(wanted - shown)}
        if changes["hidden"] or changes["shown"]:
            self._bolt.run((HIDE, changes), (SHOW, changes))

    def forget(self, collection: UUID, documents: Iterable[UUID]) -> None:
        """Take embeddings and labels away, after the setting was switched off."""
        self._bolt.run((FORGET, {"collection": str(collection), "documents": [str(document) for document in documents]}))

    def _ensure_vector_index(self, dimension: int) -> None:
        if dimension in self._indexed:
            return
        if not 0 < dimension <= MAX_DIMENSION:
            raise Misconfigured(
                f"Neo4j's vector index takes at most {MAX_DIMENSION} dimensions and the embedder gives {dimension}: switch off"
                " AEGIS_NEO4J_VECTORS."
            )
        self._bolt.run((VECTOR_INDEX.format(dimension=int(dimension)), {}))
        self._indexed.add(dimension)
