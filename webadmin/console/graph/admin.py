"""Merges: why two names are one entity. To be looked through; the graph page joins names and takes them apart, at once."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from webadmin.console import words
from webadmin.documents.models import Merge


class ReasonFilter(admin.SimpleListFilter):
    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(kept, str(said)) for kept, said in words.REASONS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Merge]) -> QuerySet[Merge]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(Merge)
class MergeAdmin(ModelAdmin):
    list_display = ["left_shown", "right_shown", "reason_shown", "score", "undone", "created_shown", "entity_shown"]
    list_filter = [ReasonFilter, "undone", "collection"]
    list_fullwidth = True
    list_select_related = ["left", "right", "collection"]
    search_fields = ["left__name", "right__name"]
    fields = ["collection", "left", "right", "reason_shown", "score", "undone", "entity_shown"]
    actions = None

    @admin.display(description=_("left"), ordering="left__name")
    def left_shown(self, merge: Merge) -> SafeString:
        """Not the field itself: a list never breaks the name of what a row refers to."""
        return format_html("<bdi>{}</bdi>", merge.left)

    @admin.display(description=_("right"), ordering="right__name")
    def right_shown(self, merge: Merge) -> SafeString:
        return format_html("<bdi>{}</bdi>", merge.right)

    @admin.display(description=_("reason"), ordering="reason")
    def reason_shown(self, merge: Merge) -> SafeString:
        return format_html("<bdi>{}</bdi>", words.reason(merge.reason))

    @admin.display(description=_("created"), ordering="created_at")
    def created_shown(self, merge: Merge) -> str:
        return date_format(localtime(merge.created_at), "SHORT_DATETIME_FORMAT")

    @admin.display(description=_("Entity"))
    def entity_shown(self, merge: Merge) -> SafeString:
        address = f"{reverse('console:graph')}?entity={merge.left_id}"
        return format_html('<a class="link" href="{}">{}</a>', address, _("Look at its names"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Merge | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Merge | None = None) -> bool:
        return False
