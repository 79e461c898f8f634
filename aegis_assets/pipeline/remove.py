"""remove: a document that is being removed -> nothing of it in any store.

First it loses its live generation in the ledger, and what that changes in graph and vectors is written from the outbox. Its row
goes last: as long as it stands, a second call knows what is left to do. The same file that is uploaded again gets the same id, so a
second call must not take the new document for the old one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

from aegis_assets.pipeline.drain import drain
from aegis_assets.pipeline.outbox import Stores
from aegis_assets.pipeline.ports import Bucket, Graph, Vectors
from aegis_assets.pipeline.publish import PublishLedger

# In whose name removals claim what they write. They belong to no run of a document, whose end would free it; who begins to remove
# frees what a killed process has left.
REMOVER: Final = "remove"


def remove(
    document: UUID, ledger: PublishLedger, vectors: Vectors, graph: Graph, bucket: Bucket, forget: Callable[[], None]
) -> None:
    """Twice is once. What other documents say too stays, by their evidence. Raises NotAllowed unless it is being removed.

    forget: whatever else knows the document, told while it cannot have come back yet.
    """
    stores = Stores(ledger, vectors, graph)
    if removal := ledger.start_removal(document):
        marked = removal.keys | ledger.left_by([document]).get(removal.collection, set())
        drain(stores, removal.collection, marked, run_id=REMOVER)
    if ledger.removal_target(document) is not None:  # else another call has ended this removal meanwhile
        for root in ("artifacts", "descriptions"):
            bucket.delete_prefix(f"{root}/{document}")
        for blob in ledger.own_blobs(document):
            ledger.discard(blob, bucket.delete)
        forget()
        ledger.erase(document)
    for collection, keys in ledger.left_by([document]).items():
        drain(stores, collection, keys, run_id=REMOVER)
