"""Embeddings of chunks -> the graph, where it keeps them for its own vector index (AEGIS_NEO4J_VECTORS)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from aegis_assets.pipeline.ports import Graph, Vectors

BATCH: Final = 500


def add_embeddings(
    collection: UUID, documents: Sequence[UUID], embedders: Mapping[str, Collection[UUID]], vectors: Vectors, graph: Graph
) -> None:
    """Write the embeddings that chunks in the graph should carry and do not. embedders: fingerprint -> chunks of the documents."""
    if not graph.keeps_embeddings():
        return
    for embedder, chunks in embedders.items():
        missing = sorted(set(chunks) - graph.embedded(collection, documents, embedder))
        for start in range(0, len(missing), BATCH):
            graph.write_embeddings(collection, vectors.dense_of(collection, missing[start : start + BATCH]), embedder)
