"""Chunks of a collection, to try a schema on."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Left

from aegis_assets.model.document import State
from aegis_assets.model.parsing import Frozen
from webadmin.documents.models import Chunk, Document, Placement

SHOWN: Final = 20
BEGINNING: Final = 240
MOST_SOUGHT: Final = 200  # characters of a search


class Found(Frozen):
    """text: its beginning."""

    id: UUID
    document: str
    headings: tuple[str, ...]
    pages: tuple[int, ...]
    text: str


def chunks(collection: UUID, sought: str) -> list[Found]:
    """Chunks whose text has these words, or the first ones; in reading order, newest documents first."""
    rows = Placement.objects.filter(generation__in=generations(collection))
    if sought:
        rows = rows.filter(chunk__text__icontains=sought[:MOST_SOUGHT])
    rows = rows.order_by("-chunk__document__created_at", "window__ordinal", "ordinal")
    values = rows.annotate(beginning=Left("chunk__text", BEGINNING)).values_list(
        "chunk", "chunk__document__name", "headings", "pages", "beginning"
    )
    return [
        Found(id=row[0], document=row[1], headings=tuple(row[2]), pages=tuple(row[3]), text=" ".join(row[4].split()))
        for row in values[:SHOWN]
    ]


def generations(collection: UUID) -> QuerySet[Document]:
    """What its documents show: the generation in the making, else the live one."""
    documents = Document.objects.filter(collection=collection).exclude(state=State.REMOVING)
    return documents.annotate(shown=Coalesce(F("making_id"), F("live_id"))).values("shown")


def text_of(collection: UUID, chunk: UUID) -> str | None:
    return Chunk.objects.filter(pk=chunk, document__collection=collection).values_list("text", flat=True).first()
