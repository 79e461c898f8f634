"""Vectors and search hits."""

from __future__ import annotations

from uuid import UUID

from aegis_assets.model.parsing import Frozen


class Embedding(Frozen):
    """dense: unit length. indices, values: the sparse lexical weights, indices unique."""

    dense: tuple[float, ...]
    indices: tuple[int, ...]
    values: tuple[float, ...]


class EmbedderInfo(Frozen):
    """Which model makes the vectors, and the fingerprint of all that decides them.

    name: as people know it. sparse: what the sparse weights are ('bge-m3', 'splade' or 'lexical'). max_tokens: of a chunk, as
    `tokenizer` counts; empty if it is the model's own and goes by its name. server: kind and address of what embeds, empty if it is
    the engine server itself.
    """

    name: str
    dimension: int
    sparse: str
    max_tokens: int
    fingerprint: str
    tokenizer: str = ""
    server: str = ""


class VectorPoint(Frozen):
    """id: the chunk's. live: answers searches."""

    id: UUID
    document: UUID
    embedding: Embedding
    live: bool


class VectorHit(Frozen):
    """score: fused. dense, sparse: the single scores, None where that search did not find it."""

    id: UUID
    score: float
    dense: float | None
    sparse: float | None
