"""What a schema would cost: chunks whose extraction is of another fingerprint, read from the ledger's marks."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from aegis_assets.model.document import AT_REST, Mark, Stage
from aegis_assets.model.parsing import Frozen
from webadmin.console.collections.queries import generations
from webadmin.documents.models import ChunkTask, Extraction, RunDocument

DONE = (Mark.DONE, Mark.SKIPPED)


class Cost(Frozen):
    """chunks: whose extraction would have to be done again, of all `total` that are extracted. documents: that they stand in.

    known: chunks of these whose text was extracted under this fingerprint before, and costs no call. seconds: of the extractor, for
    the others; None where nothing was measured."""

    fingerprint: str
    chunks: int
    documents: int
    total: int
    known: int
    seconds: float | None

    @property
    def calls(self) -> int:
        return self.chunks - self.known


def of(collection: UUID, fingerprint: str, extractor: str, earlier: Sequence[str] = ()) -> Cost:
    """Two queries. extractor: by its name, for what a chunk takes it. earlier: other fingerprints that are valid."""
    cached = Exists(Extraction.objects.filter(text_hash=OuterRef("chunk__text_hash"), fingerprint=fingerprint))
    stale = ~Q(fingerprint__in=[fingerprint, *earlier])
    counted = _extracted(collection).aggregate(
        total=Count("id"),
        chunks=Count("id", filter=stale),
        documents=Count("document", filter=stale, distinct=True),
        known=Count("id", filter=stale & Q(cached)),
    )
    each = _seconds_each(collection, extractor)
    calls = counted["chunks"] - counted["known"]
    return Cost(fingerprint=fingerprint, seconds=None if each is None else each * calls, **counted)


def has_extracted(collection: UUID) -> bool:
    return _extracted(collection).exists()


def affected(collection: UUID, fingerprint: str, earlier: Sequence[str] = ()) -> list[UUID]:
    """Documents at rest that hold chunks of another fingerprint: what an ingestion would work on."""
    at_rest = [state.value for state in AT_REST]
    rows = _extracted(collection).filter(~Q(fingerprint__in=[fingerprint, *earlier]), document__state__in=at_rest)
    return list(rows.order_by("document").values_list("document", flat=True).distinct())


def _extracted(collection: UUID) -> QuerySet[ChunkTask]:
    """Marks of the chunks that its documents show."""
    return ChunkTask.objects.filter(
        stage=Stage.EXTRACT,
        state__in=DONE,
        document__collection=collection,
        chunk__placements__generation__in=generations(collection),
    )


def _seconds_each(collection: UUID, extractor: str) -> float | None:
    """What a chunk took this extractor in the collection's last runs."""
    runs = RunDocument.objects.filter(document__collection=collection, document__extractor=extractor, extracted_chunks__gt=0)
    latest = RunDocument.objects.filter(pk__in=runs.order_by("-pk").values("pk")[:50])
    sums = latest.aggregate(seconds=Sum("extract_seconds"), chunks=Sum("extracted_chunks"))
    return sums["seconds"] / sums["chunks"] if sums["chunks"] else None
