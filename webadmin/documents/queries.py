"""What the pages show, read from the ledger's tables. Every page takes a constant number of queries, however much it shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Count, F, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce

from aegis_assets.model.parsing import Frozen
from webadmin.documents.models import (
    Chunk,
    ChunkTask,
    Collection,
    Document,
    Failure,
    Mention,
    Placement,
    Relation,
    RunDocument,
    Window,
)

CHUNKS_PER_PAGE: Final = 25
FAILURES_SHOWN: Final = 100
RUNS_SHOWN: Final = 20
ENTITIES_PER_CHUNK: Final = 12


def documents() -> QuerySet[Document]:
    """For the list: pages and chunks of the generation in the making, else of the live one, in the same query."""
    shown = Coalesce(F("making_id"), F("live_id"))
    chunks = Placement.objects.filter(generation_id=OuterRef("shown_id")).order_by().values("generation_id")
    return (
        Document.objects.select_related("collection", "live", "making")
        .annotate(shown_id=shown)
        .annotate(chunk_count=Coalesce(Subquery(chunks.annotate(number=Count("id")).values("number")), 0))
    )


def collections() -> QuerySet[Collection]:
    return Collection.objects.annotate(document_count=Count("documents"))


def pages_of(document: Document) -> int | None:
    generation = document.making or document.live
    return generation.pages if generation else None


def placements(document: Document, number: str | int | None) -> Page:
    """One page of the document's chunks in reading order, with marks and entities."""
    generation = document.making_id or document.live_id
    rows = (
        Placement.objects.filter(generation_id=generation)
        .select_related("chunk", "window")
        .order_by("window__ordinal", "ordinal")
        .prefetch_related(
            Prefetch("chunk__tasks", queryset=ChunkTask.objects.order_by("stage")),
            Prefetch("chunk__mentions", queryset=Mention.objects.select_related("entity").order_by("start")),
            Prefetch("chunk__failures", queryset=Failure.objects.filter(resolved=False)),
        )
    )
    page = Paginator(rows, CHUNKS_PER_PAGE).get_page(number)
    for placement in page.object_list:
        placement.names = _names(placement.chunk)
    return page


def _names(chunk: Chunk) -> list[str]:
    names = dict.fromkeys(f"{mention.entity.name} ({mention.entity.type})" for mention in chunk.mentions.all())
    shown = list(names)[:ENTITIES_PER_CHUNK]
    return [*shown, f"and {len(names) - len(shown)} more"] if len(names) > len(shown) else shown


def failures(document: Document) -> QuerySet[Failure]:
    return (
        Failure.objects.filter(document=document)
        .select_related("window", "chunk")
        .order_by("resolved", "-created_at", "-id")[:FAILURES_SHOWN]
    )


def runs(document: Document) -> QuerySet[RunDocument]:
    return RunDocument.objects.filter(document=document).order_by("-started_at")[:RUNS_SHOWN]


def windows(document: Document) -> QuerySet[Window]:
    return Window.objects.filter(generation_id=document.making_id or document.live_id).order_by("ordinal")


def states(ids: Iterable[UUID]) -> list[dict[str, object]]:
    """For rows of the list that move: one query for all of them."""
    rows = Document.objects.filter(pk__in=list(ids)).values("id", "state", "fraction", "message")
    return [{**row, "id": str(row["id"])} for row in rows]


class Said(Frozen):
    """A relation as its sentence says it. page: None for formats without pages."""

    source: str
    type: str
    target: str
    sentence: str
    page: int | None


def relations(document: UUID | str, limit: int) -> list[Said]:
    """The surest ones, each pair of names once: what a reader can check at a glance."""
    rows = (
        Relation.objects.filter(document=document)
        .select_related("chunk", "source__canonical", "target__canonical")
        .order_by("-confidence", "chunk__id", "start")[: limit * 20]
    )
    pages = dict(Placement.objects.filter(chunk__in=[row.chunk_id for row in rows]).values_list("chunk_id", "pages"))
    found: dict[tuple[str, str], Said] = {}
    for row in rows:
        pair = (row.source.canonical.name, row.target.canonical.name)
        if pair[0] != pair[1] and pair not in found:
            page = next(iter(pages.get(row.chunk_id) or []), None)
            sentence = " ".join(row.chunk.text[row.start : row.end].split())
            found[pair] = Said(source=pair[0], type=row.type, target=pair[1], sentence=sentence, page=page)
    return list(found.values())[:limit]
