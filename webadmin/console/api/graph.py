"""What was extracted from a document, as JSON."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse

from webadmin.console.api.errors import said
from webadmin.console.api.parameters import number_of
from webadmin.console.graph import of_document
from webadmin.console.page import api
from webadmin.console.timed import limited
from webadmin.documents import platform

ROWS: Final = 100
MOST_ROWS: Final = 500
Page = tuple[list[dict[str, Any]], str | None]  # its rows, and what `after` asks for the next one by


@api("documents.view_document")
@said
def entities(request: HttpRequest, document: UUID) -> HttpResponse:
    """List a document's entities in pages: `next` is what `after` asks for."""
    return _page(request, document, "entities", of_document.entities)


@api("documents.view_document")
@said
def relations(request: HttpRequest, document: UUID) -> HttpResponse:
    """List a document's relations in pages: `next` is what `after` asks for. `addressed=no` leaves out those that may be
    instructions."""
    return _page(request, document, "relations", partial(of_document.relations, addressed=request.GET.get("addressed") != "no"))


def _page(request: HttpRequest, document: UUID, kind: str, read: Callable[[UUID, int, str], Page]) -> JsonResponse:
    """Return the page that the request asks for. Raise BadInput or NotFound."""
    limit = number_of(request, "limit", ROWS, MOST_ROWS)
    platform.ledger().document(document)  # raises NotFound
    with limited():
        rows, following = read(document, limit, request.GET.get("after", ""))
    return JsonResponse({kind: rows, "next": following})
