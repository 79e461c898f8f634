"""remove: a document that is being removed -> nothing of it in any store.

The document's row goes last, in one transaction with the correction of the graph: as long as it stands, a second call knows what is
left to do.
"""

from __future__ import annotations

from uuid import UUID

from aegis_assets.pipeline.ports import Bucket, Vectors
from aegis_assets.pipeline.publish import (
    NOTHING,
    Dropped,
    Facts,
    KnowledgeGraph,
    PublishLedger,
    rewrite,
    scope_after,
    scope_of,
)


def remove(document: UUID, ledger: PublishLedger, vectors: Vectors, graph: KnowledgeGraph, bucket: Bucket) -> None:
    """Twice is once. What other documents say too stays, by their evidence. Raises NotAllowed unless it is being removed."""
    collection = ledger.removal_target(document)
    if collection is None:
        return
    with ledger.publishing(collection):
        scope = scope_of(ledger.graph_facts(), graph, collection, document, NOTHING)
        vectors.delete_document(collection, document)
        bucket.delete_prefix(f"artifacts/{document}")
        for blob in ledger.own_blobs(document):
            bucket.delete(blob)

        def correct(after: Facts, dropped: Dropped) -> None:
            rewrite(after, graph, collection, scope.plus(scope_after(after, graph, collection, dropped)))
            graph.delete_document(collection, document)

        ledger.erase(document, correct)
