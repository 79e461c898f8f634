"""remove: a document that is being removed -> nothing of it in any store.

The document's row goes last, in one transaction with the correction of the graph: as long as it stands, a second call knows what is
left to do. The same file that is uploaded again gets the same id, so a second call must not take the new document for the old one.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from aegis_assets.pipeline.ports import Bucket, Vectors
from aegis_assets.pipeline.publish import (
    Dropped,
    Facts,
    KnowledgeGraph,
    PublishLedger,
    rewrite,
    scope_after,
    scope_of,
)


def remove(
    document: UUID, ledger: PublishLedger, vectors: Vectors, graph: KnowledgeGraph, bucket: Bucket, forget: Callable[[], None]
) -> None:
    """Twice is once. What other documents say too stays, by their evidence. Raises NotAllowed unless it is being removed.

    forget: whatever else knows the document, told while it cannot have come back yet.
    """
    collection = ledger.removal_target(document)
    if collection is None:
        return
    with ledger.publishing(collection) as still_held:
        if ledger.removal_target(document) is None:  # another call had the turn before
            return
        scope = scope_of(ledger.graph_facts(), graph, collection, [document])
        vectors.delete_document(collection, document)
        for root in ("artifacts", "descriptions"):
            bucket.delete_prefix(f"{root}/{document}")
        for blob in ledger.own_blobs(document):
            ledger.discard(blob, bucket.delete)

        def correct(after: Facts, dropped: Dropped) -> None:
            still_held()
            rewrite(after, graph, collection, scope.plus(scope_after(after, graph, collection, dropped)))
            graph.delete_document(collection, document)

        forget()
        ledger.erase(document, correct)
