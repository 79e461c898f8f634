"""Merges: why two names are one entity. To be looked through; the graph page joins names and takes them apart, at once."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from webadmin.documents.models import Merge


@admin.register(Merge)
class MergeAdmin(ModelAdmin):
    list_display = ["left", "right", "reason", "score", "undone", "created_at", "entity_shown"]
    list_filter = ["reason", "undone", "collection"]
    list_select_related = ["left", "right", "collection"]
    search_fields = ["left__name", "right__name"]
    fields = ["collection", "left", "right", "reason", "score", "undone", "entity_shown"]
    actions = None

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
