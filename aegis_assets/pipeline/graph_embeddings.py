"""Kept embeddings of chunks -> the graph, where it has them for its own vector index (AEGIS_NEO4J_VECTORS)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from aegis_assets.pipeline.points import BATCH, PointLedger, batches
from aegis_assets.pipeline.ports import Graph


def add_embeddings(
    collection: UUID, documents: Sequence[UUID], embedders: Mapping[str, Collection[UUID]], ledger: PointLedger, graph: Graph
) -> None:
    """Write the embeddings that chunks in the graph should carry and do not. embedders: fingerprint -> chunks of the documents."""
    if not graph.keeps_embeddings():
        return
    for embedder, chunks in embedders.items():
        missing = set(chunks) - graph.embedded(collection, documents, embedder)
        for batch in batches(sorted(missing), BATCH):
            dense = {chunk: embedding.dense for chunk, embedding in ledger.embeddings(batch).items()}
            graph.write_embeddings(collection, dense, embedder)
