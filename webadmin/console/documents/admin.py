"""The admin: classes declare, services decide, queries read.

A document is never edited or deleted here as a row: the add page is the upload, the change page shows, and what changes its state
is an action, by POST and permission. Deleting the row would leave vectors and graph behind; removal goes through Dagster.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from webadmin.console import sentences, words
from webadmin.console.document.views import detail
from webadmin.console.documents import views
from webadmin.console.templatetags.console import duration, state
from webadmin.console.upload.views import upload
from webadmin.documents import queries, steering
from webadmin.documents.models import Document


class StateFilter(admin.SimpleListFilter):
    """By state, in the reader's words. The parameter is the one that Django's own filter would have."""

    title = _("state")
    parameter_name = "state__exact"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(state, str(said)) for state, said in words.STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> QuerySet[Document]:
        return queryset.filter(state=self.value()) if self.value() else queryset


@admin.register(Document)
class DocumentAdmin(ModelAdmin):
    list_display = [
        "name_shown",
        "collection",
        "state_shown",
        "progress_shown",
        "pages_shown",
        "chunks_shown",
        "entities_shown",
        "took_shown",
        "engines_shown",
        "created_shown",
    ]
    list_display_links = ["name_shown"]
    list_filter = [StateFilter, "collection", "source", "format"]
    search_fields = ["name", "source_key", "id"]
    search_help_text = _("Search by name")
    list_per_page = 50
    list_fullwidth = True
    list_filter_sheet = True
    show_facets = admin.ShowFacets.NEVER  # a count over the whole table for each choice
    show_full_result_count = False  # a second count over the whole table on every search
    actions = ["ingest", "retry", "cancel", "remove"]

    change_list_template = "console/documents/list.html"

    class Media:
        js = ["console/progress.js"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        return queries.documents()

    # Columns
    @admin.display(description=_("Name"), ordering="name")
    def name_shown(self, document: Document) -> str:
        shown = format_html("<bdi>{}</bdi>", document.name or gettext("untitled"))
        return format_html('{}<span class="quiet small said" data-message>{}</span>', shown, sentences.said(document.sentence))

    @admin.display(description=_("State"), ordering="state")
    def state_shown(self, document: Document) -> str:
        return state(document.state)

    @admin.display(description=_("Progress"), ordering="fraction")
    def progress_shown(self, document: Document) -> str:
        return format_html(
            '<progress class="bar" max="1" value="{}" data-document="{}" data-state="{}" aria-label="{}"></progress>',
            f"{document.fraction:.4f}",
            document.pk,
            document.state,
            gettext("Progress of {}").format(document.name),
        )

    @admin.display(description=_("Pages"))
    def pages_shown(self, document: Document) -> int | None:
        return queries.pages_of(document)

    @admin.display(description=_("Chunks"))
    def chunks_shown(self, document: Document) -> int:
        return int(document.chunk_count)

    @admin.display(description=_("Entities"))
    def entities_shown(self, document: Document) -> str:
        """The page asks for them afterwards: to count those of fifty long documents takes a second."""
        return format_html('<span data-entities="{}"></span>', document.pk)

    @admin.display(description=_("Time"), ordering="took")
    def took_shown(self, document: Document) -> str:
        return duration(document.took.total_seconds() if document.took is not None else None)

    @admin.display(description=_("Parser and extractor"))
    def engines_shown(self, document: Document) -> str:
        return format_html('<span class="quiet small"><bdi>{}</bdi><br><bdi>{}</bdi></span>', document.parser, document.extractor)

    @admin.display(description=_("Created"), ordering="created_at")
    def created_shown(self, document: Document) -> str:
        return date_format(localtime(document.created_at), "SHORT_DATETIME_FORMAT")

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
                partial(views.act, action=action),
                name=f"documents_document_{action.name}",
            )
            for action in steering.ACTIONS
        ] + super().get_urls()

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        answer: HttpResponse = upload(request)
        return answer

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        answer: HttpResponse = detail(request, object_id)
        return answer

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        answer: HttpResponse = views.history(request, object_id)
        return answer

    # Actions, single and bulk
    @admin.action(description=_("Ingest"), permissions=["ingest"])
    def ingest(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        views.steer(request, queryset, steering.INGEST)

    @admin.action(description=_("Retry what failed or is missing"), permissions=["ingest"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        if request.POST.get("select_across") == "1":  # "Select all": what matches the filter, beyond this page
            views.retry_matching(request, queryset)
        else:
            views.steer(request, queryset, steering.RETRY)

    @admin.action(description=_("Cancel"), permissions=["ingest"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        views.steer(request, queryset, steering.CANCEL)

    @admin.action(description=_("Remove from every store"), permissions=["remove"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Document]) -> HttpResponse | None:
        return views.confirm_removal(request, queryset)
