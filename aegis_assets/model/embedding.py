"""What an embedder returns, what the vector store takes and gives back, and how an embedding is kept outside of it."""

from __future__ import annotations

import struct
from typing import Final
from uuid import UUID

from aegis_assets.model.parsing import Frozen

HEADER: Final = struct.Struct("<II")  # dimensions, sparse entries


class Embedding(Frozen):
    """dense: unit length. indices, values: the sparse lexical weights, indices unique.

    sparse_fingerprint: of what made these weights, as in `EmbedderInfo`. language: code of the text's, '' if nothing tells it.
    """

    dense: tuple[float, ...]
    indices: tuple[int, ...]
    values: tuple[float, ...]
    sparse_fingerprint: str = ""
    language: str = ""

    def pack(self) -> bytes:
        """Return its vectors as the ledger keeps them: 32-bit numbers, which is what embedders compute and vector stores hold."""
        size, entries = len(self.dense), len(self.indices)
        return HEADER.pack(size, entries) + struct.pack(f"<{size}f{entries}I{entries}f", *self.dense, *self.indices, *self.values)

    @classmethod
    def unpack(cls, packed: bytes) -> Embedding:
        """Return the vectors that were packed."""
        size, entries = HEADER.unpack_from(packed)
        numbers = struct.unpack_from(f"<{size}f{entries}I{entries}f", packed, HEADER.size)
        return cls(dense=numbers[:size], indices=numbers[size : size + entries], values=numbers[size + entries :])


class EmbedderInfo(Frozen):
    """Which model makes the vectors, and the fingerprint of all that decides the dense ones.

    name: as people know it. sparse: what the sparse weights are ('bge-m3', 'splade' or 'lexical'). max_tokens: of a chunk, as
    `tokenizer` counts; empty if it is the model's own and goes by its name. server: kind and address of what embeds, empty if it is
    the engine server itself. sparse_fingerprint: of our lexical weights, which are renewed without the model; '' where a model
    makes the sparse ones, which `fingerprint` covers then. languages: codes of those that the model was trained for, () for all.
    """

    name: str
    dimension: int
    sparse: str
    max_tokens: int
    fingerprint: str
    tokenizer: str = ""
    server: str = ""
    sparse_fingerprint: str = ""
    languages: tuple[str, ...] = ()


class PointText(Frozen):
    """What readers that know only the vector store need of a chunk. name: the document's. pages: from 1."""

    name: str
    text: str
    headings: tuple[str, ...]
    pages: tuple[int, ...]


class PointPayload(Frozen):
    """id: the chunk's. live: answers searches. text: where the store carries texts (AEGIS_QDRANT_PAYLOAD)."""

    id: UUID
    document: UUID
    live: bool
    text: PointText | None = None


class VectorPoint(PointPayload):
    """A payload and its vectors."""

    embedding: Embedding


class VectorHit(Frozen):
    """score: fused (pipeline.fusion), 0 before. dense: the cosine. sparse: None where that search did not find it."""

    id: UUID
    score: float
    dense: float | None
    sparse: float | None
