"""Many documents at once -> pending, a bounded number in each statement. Dagster's sensor takes them up in their order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from aegis_assets.errors import BadInput, NotFound
from aegis_assets.model.document import State
from aegis_assets.stores.ledger.base import clean
from webadmin.documents import platform
from webadmin.documents.models import Collection, Document

BATCH: Final = 1000  # documents in one statement: 50 ms
UNFINISHED: Final = frozenset({State.FAILED, State.PARTIAL})
RETRIED: Final = UNFINISHED | {State.CANCELLED}  # only where a person named the state or saw the documents


def matching(collection: str = "", state: str = "", text: str = "") -> QuerySet[Document]:
    """Return documents by the filters of the API. Raises BadInput and NotFound."""
    collection, text = clean(collection), clean(text)
    rows = Document.objects.all()
    if collection:
        if not Collection.objects.filter(name=collection).exists():
            raise NotFound(f"There is no collection named {collection!r}.")
        rows = rows.filter(collection__name=collection)
    if state not in ("", *RETRIED):
        raise BadInput(f"What can be tried again is {', '.join(sorted(RETRIED))}.")
    rows = rows.filter(state__in=[state] if state else UNFINISHED)
    return rows.filter(Q(name__icontains=text) | Q(source_key__icontains=text)) if text else rows


def retry_in_batches(documents: QuerySet[Document]) -> Iterator[list[UUID]]:
    """Set what failed, is partial or was cancelled of these to pending; yield the documents of each batch.

    Each document is asked once, in the order of ids: one that fails anew meanwhile is not tried again.
    """
    rows = documents.filter(state__in=RETRIED).order_by("pk").values_list("pk", flat=True)
    batch = list(rows[:BATCH])
    while batch:
        yield platform.ledger().retry_all(batch, RETRIED)
        batch = list(rows.filter(pk__gt=batch[-1])[:BATCH])
