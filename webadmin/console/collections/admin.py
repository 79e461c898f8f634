"""Collections as a list; what is looked for in their documents has pages of its own."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from webadmin.console.collections import views
from webadmin.console.modeladmin import AuditedAdmin
from webadmin.documents import queries
from webadmin.documents.models import Collection


@admin.register(Collection)
class CollectionAdmin(AuditedAdmin):
    list_display = ["name_shown", "description_shown", "documents_shown", "model", "created_at"]
    list_display_links = ["name_shown"]
    search_fields = ["name", "description"]
    actions = None  # the bulk delete would take documents with it, and leave their vectors and nodes

    def get_queryset(self, request: HttpRequest) -> QuerySet[Collection]:
        return queries.collections()

    @admin.display(description=_("Name"), ordering="name")
    def name_shown(self, collection: Collection) -> str:
        return format_html("<bdi>{}</bdi>", collection.name)

    @admin.display(description=_("Description"))
    def description_shown(self, collection: Collection) -> str:
        return format_html("<bdi>{}</bdi>", collection.description)

    @admin.display(description=_("Documents"), ordering="document_count")
    def documents_shown(self, collection: Collection) -> int:
        return int(collection.document_count)

    def has_delete_permission(self, request: HttpRequest, obj: Collection | None = None) -> bool:
        return super().has_delete_permission(request, obj) and obj is not None and not obj.documents.exists()

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        answer: HttpResponse = views.add(request)
        return answer

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        answer: HttpResponse = views.edit(request, object_id)
        return answer
