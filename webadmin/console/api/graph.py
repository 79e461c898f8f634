"""What was extracted from a document, as JSON."""

from __future__ import annotations

from typing import Final
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


@api("documents.view_document")
@said
def entities(request: HttpRequest, document: UUID) -> HttpResponse:
    """List a document's entities in pages: `next` is what `after` asks for."""
    limit = number_of(request, "limit", ROWS, MOST_ROWS)
    platform.ledger().document(document)  # raises NotFound
    with limited():
        rows, following = of_document.entities(document, limit, request.GET.get("after", ""))
    return JsonResponse({"entities": rows, "next": following})


@api("documents.view_document")
@said
def relations(request: HttpRequest, document: UUID) -> HttpResponse:
    """List a document's relations in pages: `next` is what `after` asks for."""
    limit = number_of(request, "limit", ROWS, MOST_ROWS)
    platform.ledger().document(document)  # raises NotFound
    with limited():
        rows, following = of_document.relations(document, limit, request.GET.get("after", ""))
    return JsonResponse({"relations": rows, "next": following})
