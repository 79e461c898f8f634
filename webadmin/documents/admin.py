"""The admin: classes declare, services decide, queries read.

A document is never edited or deleted here as a row: the add page is the upload, the change page shows, and what changes its state
is an action, by POST and permission. Deleting the row would leave vectors and graph behind; removal goes through Dagster.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.views.decorators.http import require_POST, require_safe

from aegis_assets.model.ids import collection_id
from webadmin.documents import pages, queries, steering
from webadmin.documents.forms import CollectionForm
from webadmin.documents.models import Collection, Document, Limit, Merge

LIMITS = (
    "parallel_documents",
    "parallel_chunks_per_doc",
    "ollama_max_concurrent",
    "embedding_batch_size",
    "window_pages",
    "window_chunks",
    "vram_budget_mb",
)


@admin.register(Collection)
class CollectionAdmin(admin.ModelAdmin):
    list_display = ["name", "description", "documents_shown", "created_at"]
    search_fields = ["name", "description"]
    form = CollectionForm
    fields = ["name", "description", "entity_types", "relation_types", "prompt"]
    actions = None  # the bulk delete would take documents with it, and leave their vectors and nodes

    def get_queryset(self, request: HttpRequest) -> QuerySet[Collection]:
        return queries.collections()

    @admin.display(description="Documents", ordering="document_count")
    def documents_shown(self, collection: Collection) -> int:
        return int(collection.document_count)

    def get_readonly_fields(self, request: HttpRequest, obj: Collection | None = None) -> list[str]:
        """The name decides the id, and the id the vectors' and the graph's scope."""
        return ["name"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Collection | None = None) -> bool:
        return super().has_delete_permission(request, obj) and obj is not None and not obj.documents.exists()

    def save_model(self, request: HttpRequest, obj: Collection, form: Any, change: bool) -> None:
        if not change:
            obj.id = collection_id(obj.name)
        super().save_model(request, obj, form, change)


@admin.register(Document)
class DocumentAdmin(admin.ModelAdmin):
    list_display = [
        "name_shown",
        "collection",
        "state_shown",
        "progress_shown",
        "pages_shown",
        "chunks_shown",
        "message_shown",
        "created_at",
    ]
    list_display_links = ["name_shown"]
    list_filter = ["state", "collection", "source", "format"]
    search_fields = ["name", "source_key", "id"]
    list_per_page = 50
    show_full_result_count = False  # a second count over the whole table on every search
    actions = ["ingest", "retry", "cancel", "remove"]

    class Media:
        css = {"all": ["documents/admin.css"]}
        js = ["documents/progress.js"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        return queries.documents()

    # Columns
    @admin.display(description="Name", ordering="name")
    def name_shown(self, document: Document) -> str:
        return document.name or "untitled"

    @admin.display(description="State", ordering="state")
    def state_shown(self, document: Document) -> str:
        return format_html('<span class="state state-{}">{}</span>', document.state, document.state)

    @admin.display(description="Progress", ordering="fraction")
    def progress_shown(self, document: Document) -> str:
        return format_html(
            '<progress class="aegis-progress" max="1" value="{}" data-document="{}" data-state="{}" aria-label="{}"></progress>',
            f"{document.fraction:.4f}",
            document.pk,
            document.state,
            f"Progress of {document.name}",
        )

    @admin.display(description="Pages")
    def pages_shown(self, document: Document) -> int | None:
        return queries.pages_of(document)

    @admin.display(description="Chunks")
    def chunks_shown(self, document: Document) -> int:
        return int(document.chunk_count)

    @admin.display(description="Message")
    def message_shown(self, document: Document) -> str:
        return str(document.message)

    # Permissions
    def has_change_permission(self, request: HttpRequest, obj: Document | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Document | None = None) -> bool:
        return False

    def has_ingest_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("documents.ingest_document"))

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("documents.remove_document"))

    # Pages
    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                f"<uuid:document>/{action.name}/",
                self.admin_site.admin_view(require_POST(partial(self.act_view, action=action))),
                name=f"documents_document_{action.name}",
            )
            for action in steering.ACTIONS
        ] + super().get_urls()

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return pages.upload(self, request)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        answer: HttpResponse = require_safe(partial(pages.detail, self))(request, object_id)
        return answer

    def act_view(self, request: HttpRequest, document: UUID, action: steering.Action) -> HttpResponse:
        return pages.act(self, request, document, action)

    # Actions, single and bulk
    @admin.action(description="Ingest", permissions=["ingest"])
    def ingest(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        pages.steer(self, request, queryset, steering.INGEST)

    @admin.action(description="Retry what failed or is missing", permissions=["ingest"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        pages.steer(self, request, queryset, steering.RETRY)

    @admin.action(description="Cancel", permissions=["ingest"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        pages.steer(self, request, queryset, steering.CANCEL)

    @admin.action(description="Remove from every store", permissions=["remove"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Document]) -> HttpResponse | None:
        return pages.confirm_removal(self, request, queryset)


@admin.register(Limit)
class LimitAdmin(admin.ModelAdmin):
    """A number of config/parallelization.yml, changed for running work. Deleting the row brings the file's number back."""

    list_display = ["name", "value", "updated_at"]
    fields = ["name", "value"]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "name":
            return forms.ChoiceField(choices=[(name, name) for name in LIMITS])
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Limit | None = None) -> list[str]:
        return ["name"] if obj else []


@admin.register(Merge)
class MergeAdmin(admin.ModelAdmin):
    """Why two names are one entity. Undoing one acts with the next ingestion of a document that mentions either."""

    list_display = ["left", "right", "reason", "score", "undone", "created_at"]
    list_filter = ["reason", "undone", "collection"]
    list_select_related = ["left", "right", "collection"]
    search_fields = ["left__name", "right__name"]
    fields = ["collection", "left", "right", "reason", "score", "undone"]
    readonly_fields = ["collection", "left", "right", "reason", "score"]
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Merge | None = None) -> bool:
        return False
