"""Addresses of the console's own pages. Those of the admin's classes come with the site."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from webadmin.console.account import views as account
from webadmin.console.api import documents, errors, knowledge
from webadmin.console.api import graph as api_graph
from webadmin.console.api.removal import remove_collection
from webadmin.console.collections import views as collections
from webadmin.console.dashboard import views as dashboard
from webadmin.console.document import views as document
from webadmin.console.document.picture import page_picture
from webadmin.console.graph import views as graph
from webadmin.console.limits import views as limits
from webadmin.console.live import views as live
from webadmin.console.search import views as search
from webadmin.console.upload import views as upload
from webadmin.documents import steering

app_name = "console"
ONE = "admin/documents/document/<uuid:document>"
urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/dashboard/work", dashboard.work, name="dashboard-work"),
    path("admin/dashboard/health", dashboard.health, name="dashboard-health"),
    path(f"{ONE}/time", document.time, name="time"),
    path(f"{ONE}/text", document.text, name="text"),
    path(f"{ONE}/chunk/<uuid:chunk>", document.chunk, name="chunk"),
    path(f"{ONE}/chunk/<int:window>/<int:ordinal>", document.chunk_at, name="chunk-at"),
    path(f"{ONE}/page/<slug:content>/<int:number>", page_picture, name="page"),
    path("api/documents/<uuid:document>/chunks", document.cells, name="chunks"),
    path("admin/upload/known", upload.known, name="upload-known"),
    path("admin/upload/one", upload.one, name="upload-one"),
    path("admin/upload/begin", upload.begin, name="upload-begin"),
    path("admin/account/", account.account, name="account"),
    path("admin/account/tokens/<int:token>/revoke", account.revoke, name="account-revoke"),
    path("admin/collections/models", collections.models, name="collection-models"),
    path("admin/collections/<uuid:collection>/cost", collections.said, name="collection-cost"),
    path("admin/collections/<uuid:collection>/try", collections.attempt, name="collection-try"),
    path("admin/collections/<uuid:collection>/vectors", collections.vectors, name="collection-vectors"),
    path("admin/collections/<uuid:collection>/chunks", collections.chunks, name="collection-chunks"),
    path("admin/collections/<uuid:collection>/chunks/<uuid:chunk>", collections.chunk, name="collection-chunk"),
    path("admin/collections/<uuid:collection>/ingest", collections.ingest, name="collection-ingest"),
    path("admin/limits/", limits.limits, name="limits"),
    path("admin/limits/reset", limits.reset, name="limits-reset"),
    path("admin/limits/use", limits.use, name="limits-use"),
    path("admin/limits/dagster", limits.dagster, name="limits-dagster"),
    path("admin/search/", search.page_of_hits, name="search"),
    path("admin/graph/", graph.graph, name="graph"),
    path("admin/graph/decisions/", graph.history, name="graph-decisions"),
    path("admin/graph/decisions/<int:decision>/undo", graph.undo, name="graph-undo"),
    path("admin/graph/entities/<uuid:entity>", graph.entity, name="graph-entity"),
    path("admin/graph/entities/<uuid:entity>/merge", graph.merge, name="graph-merge"),
    path("admin/graph/entities/<uuid:entity>/split", graph.split, name="graph-split"),
    path("admin/graph/relations/<uuid:source>/<uuid:target>", graph.relation, name="graph-relation"),
    path("api/graph/picture", graph.picture, name="graph-picture"),
    path("api/graph/names", graph.names, name="graph-names"),
    path("api/documents", documents.documents, name="documents"),
    path("api/documents/retry", documents.retry, name="documents-retry"),
    path("api/documents/states", documents.states, name="states"),
    path("api/documents/entities", documents.entities, name="entities"),
    path("api/documents/events", live.of_documents, name="events"),
    path("api/documents/<uuid:document>", documents.document, name="document"),
    path("api/documents/<uuid:document>/progress", documents.progress, name="progress"),
    path("api/documents/<uuid:document>/events", live.of_document, name="document-events"),
    path("api/documents/<uuid:document>/entities", api_graph.entities, name="document-entities"),
    path("api/documents/<uuid:document>/relations", api_graph.relations, name="document-relations"),
    *(
        path(f"api/documents/<uuid:document>/{action.name}", documents.act, {"action": action}, name=f"document-{action.name}")
        for action in steering.ACTIONS
    ),
    path("api/search", knowledge.hits, name="api-search"),
    path("api/collections", knowledge.collections, name="collections"),
    path("api/collections/<str:name>/remove", remove_collection, name="collection-remove"),
    path("api/", errors.unknown),
    path("api/<path:rest>", errors.unknown),
]
