"""The audit trail as a list with filters. Nobody changes it here."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import FieldDoesNotExist
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from webadmin.console import words
from webadmin.console.audit.trail import COMMAND
from webadmin.console.models import AuditEntry
from webadmin.documents.models import Collection

PEOPLE_SHOWN = 100
LOOKED_THROUGH = 5000  # newest entries, for who typed commands: the whole trail would take long
BY_COMMAND = "command:"  # in an address; no user's name has a colon


class ActFilter(admin.SimpleListFilter):
    """By what was done, in the reader's words. The choices are known: no query has to look for them in the trail."""

    title = _("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(action, str(said)) for action, said in words.ACTS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(action=self.value()) if self.value() else queryset


class KindFilter(admin.SimpleListFilter):
    """By what it was done to. The choices are known, as those of ActFilter."""

    title = _("kind")
    parameter_name = "target_kind"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(kind, str(said)) for kind, said in words.TARGETS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(target_kind=self.value()) if self.value() else queryset


class ActorFilter(admin.SimpleListFilter):
    """By who did it: the people that there are, and the accounts that typed commands lately."""

    title = _("who")
    parameter_name = "actor"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        people = User.objects.order_by("username").values_list("username", flat=True)[:PEOPLE_SHOWN]
        newest = AuditEntry.objects.order_by("-id").values("pk")[:LOOKED_THROUGH]
        typed = AuditEntry.objects.filter(pk__in=newest, details=COMMAND).order_by("actor").values_list("actor", flat=True)
        accounts = [(BY_COMMAND + name, f"{name} ({gettext('by command')})") for name in typed.distinct()[:PEOPLE_SHOWN]]
        return [(name, name) for name in people] + accounts

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        who = self.value()
        if not who:
            return queryset
        if who.startswith(BY_COMMAND):
            return queryset.filter(actor=who.removeprefix(BY_COMMAND), details=COMMAND)
        return queryset.filter(actor=who).exclude(details=COMMAND)


def _several(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _label(kind: str, name: str) -> str:
    """Of a field, in the reader's language. Django's own forms give what they call it in English, as its history does."""
    try:
        return str(Collection._meta.get_field(name).verbose_name) if kind == "collection" else gettext(name or "?")
    except FieldDoesNotExist:
        return name


@admin.register(AuditEntry)
class AuditAdmin(ModelAdmin):
    list_display = ["at", "actor_shown", "act_shown", "target_shown", "details_shown", "address"]
    list_display_links = None
    list_filter = [ActFilter, KindFilter, ActorFilter]
    search_fields = ["actor", "target", "target_id"]
    date_hierarchy = "at"
    list_per_page = 50
    show_full_result_count = False
    actions = None
    # Not `details` itself: unfold paints JSON with inline styles, which the policy forbids.
    fields = ["at", "actor_shown", "act_shown", "kind_shown", "target_shown", "target_id", "details_shown", "address"]
    readonly_fields = ["actor_shown", "act_shown", "kind_shown", "target_shown", "details_shown"]

    @admin.display(description=_("Who"), ordering="actor")
    def actor_shown(self, entry: AuditEntry) -> str:
        if entry.token:
            return format_html("<bdi>{}</bdi> ({} <bdi>{}</bdi>)", entry.actor, _("by token"), entry.token)
        if entry.details == COMMAND:
            return format_html("<bdi>{}</bdi> ({})", entry.actor, _("by command"))
        return format_html("<bdi>{}</bdi>", entry.actor)

    @admin.display(description=_("Action"), ordering="action")
    def act_shown(self, entry: AuditEntry) -> str:
        return words.act(entry.action)

    @admin.display(description=_("What"), ordering="target")
    def target_shown(self, entry: AuditEntry) -> str:
        return format_html("<bdi>{}</bdi>", entry.target)

    @admin.display(description=_("Kind"))
    def kind_shown(self, entry: AuditEntry) -> str:
        return str(words.TARGETS.get(entry.target_kind, entry.target_kind))

    @admin.display(description=_("Details"))
    def details_shown(self, entry: AuditEntry) -> str:
        """In the order of words.DETAILS; what else is kept, such as ids, is for machines."""
        kept = {**entry.details, "fields": [_label(entry.target_kind, name) for name in entry.details.get("fields", [])] or None}
        said = [
            format_html(str(phrase), format_html_join(", ", "<bdi>{}</bdi>", ((one,) for one in _several(kept[name]))))
            for name, phrase in words.DETAILS.items()
            if kept.get(name) is not None
        ]
        return format_html_join(" · ", "{}", ((one,) for one in said))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False
