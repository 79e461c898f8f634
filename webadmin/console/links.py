"""Where a chunk is shown, and its page as a picture."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models.functions import Coalesce
from django.urls import reverse

from webadmin.documents.models import Document

PICTURED = ("pdf", "image")  # formats whose pages can be drawn
HASH_LETTERS = 16


def chunk(document: UUID, chunk: UUID, span: tuple[int, int] | None = None) -> str:
    """span: characters of its text to point out."""
    address = reverse("console:chunk", args=[document, chunk])
    return f"{address}?from={span[0]}&to={span[1]}" if span else address


def pictured(documents: Iterable[UUID]) -> dict[UUID, str]:
    """Of those whose pages can be drawn: the beginning of their content's hash, which a page's address holds."""
    rows = Document.objects.filter(pk__in=set(documents), format__in=PICTURED)
    shown = rows.annotate(content=Coalesce("live__sha256", "making__sha256")).values_list("id", "content")
    return {document: content[:HASH_LETTERS] for document, content in shown if content}


def page_picture(document: UUID, content: str, page: int) -> str:
    return reverse("console:page", args=[document, content, page])
