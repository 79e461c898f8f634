"""Searches and collections as JSON."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse

from webadmin.console.api.errors import said
from webadmin.console.api.parameters import flag_of, number_of
from webadmin.console.page import api
from webadmin.documents import queries, search

MOST_HITS: Final = 100


@api("documents.view_document")
@said
def hits(request: HttpRequest) -> HttpResponse:
    """List hits, best first, of one collection or all. note: why they are not reranked, '' when all went well."""
    limit = number_of(request, "limit", 10, MOST_HITS)
    graph = flag_of(request, "graph", True)
    result = search.search(request.GET.get("q", ""), request.GET.get("collection") or None, limit, graph=graph)
    return JsonResponse({"hits": [hit.model_dump(mode="json") for hit in result.hits], "note": result.note})


@api("documents.view_collection")
@said
def collections(request: HttpRequest) -> HttpResponse:
    rows = queries.collections().order_by("name")
    shown = [
        {
            "name": row.name,
            "description": row.description,
            "entity_types": row.entity_types,
            "relation_types": row.relation_types,
            "documents": row.document_count,
        }
        for row in rows
    ]
    return JsonResponse({"collections": shown})
