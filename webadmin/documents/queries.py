"""What the pages show, read from the ledger's tables. Every page takes a constant number of queries, however much it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db import connection
from django.db.models import Count, F, OuterRef, Prefetch, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Now
from django.utils.translation import ngettext

from aegis_assets.model.parsing import Frozen
from webadmin.documents import platform
from webadmin.documents.models import Chunk, ChunkTask, Collection, Document, Failure, Mention, Placement, Relation, RunDocument

CHUNKS_PER_PAGE: Final = 25
ENTITIES_PER_CHUNK: Final = 12
ALONE: Final = """
WITH named AS (
    SELECT DISTINCT e.canonical_id FROM aegis_mention m JOIN aegis_entity e ON e.id = m.entity_id
    WHERE m.document_id = ANY(%(documents)s)
), stated AS (
    SELECT DISTINCT s.canonical_id AS source, r.type, t.canonical_id AS target
    FROM aegis_relation r JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
    WHERE r.document_id = ANY(%(documents)s) AND s.canonical_id <> t.canonical_id
)
SELECT
    (SELECT count(*) FROM named n WHERE NOT EXISTS (
        SELECT 1 FROM aegis_entity e JOIN aegis_mention m ON m.entity_id = e.id
        WHERE e.canonical_id = n.canonical_id AND m.document_id <> ALL(%(documents)s))),
    (SELECT count(*) FROM stated w WHERE NOT EXISTS (
        SELECT 1 FROM aegis_entity s JOIN aegis_relation r ON r.source_id = s.id JOIN aegis_entity t ON t.id = r.target_id
        WHERE s.canonical_id = w.source AND r.type = w.type AND t.canonical_id = w.target
          AND r.document_id <> ALL(%(documents)s)))"""


def documents() -> QuerySet[Document]:
    """For the list: pages and chunks of the generation in the making, else of the live one, and how long the last run took or has
    taken, in the same query."""
    shown = Coalesce(F("making_id"), F("live_id"))
    chunks = Placement.objects.filter(generation_id=OuterRef("shown_id")).order_by().values("generation_id")
    took = RunDocument.objects.filter(document=OuterRef("pk")).order_by("-started_at")
    return (
        Document.objects.select_related("collection", "live", "making")
        .defer("live__inspection", "making__inspection")  # megabytes each, where a document has thousands of pages
        .annotate(shown_id=shown)
        .annotate(chunk_count=Coalesce(Subquery(chunks.annotate(number=Count("id")).values("number")), 0))
        .annotate(took=Subquery(took.annotate(took=Coalesce(F("finished_at"), Now()) - F("started_at")).values("took")[:1]))
    )


def entities(documents: Sequence[UUID]) -> dict[UUID, int]:
    """Canonical entities of the generation that each document shows, as publish and `ingest` count: 20 ms for 20,000 mentions."""
    rows = Document.objects.filter(pk__in=documents).values_list("pk", Coalesce(F("making_id"), F("live_id")))
    shown = dict(rows)
    counted = platform.ledger().graph_facts().count_entities([one for one in shown.values() if one is not None])
    return {document: counted.get(generation, 0) for document, generation in shown.items()}


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
        .select_related("chunk")
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
    more = len(names) - len(shown)
    return [*shown, ngettext("and %(more)s more", "and %(more)s more", more) % {"more": more}] if more else shown


class Weight(Frozen):
    """What goes when documents go. entities, relations: canonical, and of no other document."""

    chunks: int
    entities: int
    relations: int
    bytes: int


def weight(ids: Sequence[UUID]) -> Weight:
    with connection.cursor() as cursor:
        cursor.execute(ALONE, {"documents": list(ids)})
        named, stated = cursor.fetchone()
    return Weight(
        chunks=Chunk.objects.filter(document__in=ids).count(),
        entities=named,
        relations=stated,
        bytes=Document.objects.filter(pk__in=ids).aggregate(total=Coalesce(Sum("size"), 0))["total"],
    )


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
