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
    """name as people know it, what the sparse weights are ('bge-m3' or 'lexical'), and the fingerprint of both."""

    name: str
    dimension: int
    sparse: str
    max_tokens: int
    fingerprint: str


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
