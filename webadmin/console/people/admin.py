"""People, their roles, and their tokens.

A role is a group. Who may change people but is no superuser can neither make one nor touch one: otherwise the role `admin` would be
a way to every right there is.
"""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from webadmin.console.audit import trail
from webadmin.console.modeladmin import AuditedAdmin
from webadmin.console.models import ApiToken
from webadmin.console.people import tokens

OWN: Final = ("is_superuser",)  # what only a superuser changes

admin.site.unregister(Group)  # the three groups come by migration; a fourth would be a role that no page knows
admin.site.unregister(User)


@admin.register(User)
class PeopleAdmin(UserAdmin, AuditedAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "first_name", "last_name", "roles_shown", "is_active", "last_login"]
    list_filter = ["groups", "is_active", "is_superuser"]
    filter_horizontal: list[str] = []
    readonly_fields = ["last_login", "date_joined"]
    add_form_template = "admin/change_form.html"
    add_fieldsets = [(None, {"fields": ["username", "password1", "password2", "groups"]})]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        (_("Person"), {"fields": ["first_name", "last_name", "email"]}),
        (_("Rights"), {"fields": ["is_active", "groups", "is_superuser"]}),
        (_("Dates"), {"fields": ["last_login", "date_joined"]}),
    ]
    actions = None  # deleting is for one person at a time; making inactive is the usual way

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description=_("Roles"))
    def roles_shown(self, person: User) -> str:
        names = [group.name for group in person.groups.all()]
        return ", ".join([*([str(_("superuser"))] if person.is_superuser else []), *names])

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        return [*self.readonly_fields, *(() if request.user.is_superuser else OWN)]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj) and obj != request.user

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Everybody here uses the console; what else they may, their role says."""
        obj.is_staff = True
        super().save_model(request, obj, form, change)


@admin.register(ApiToken)
class ApiTokenAdmin(AuditedAdmin):
    """Everybody's tokens, to be revoked. A person makes theirs on the page of their own account."""

    list_display = ["user", "name", "start", "created_at", "expires_at", "used_at", "revoked_at"]
    list_display_links = None
    list_filter = ["user"]
    search_fields = ["name", "user__username", "start"]
    list_select_related = ["user"]
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("console.change_apitoken"))

    @admin.action(description=_("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        chosen = queryset if request.user.is_superuser else queryset.filter(user__is_superuser=False)
        gone = tokens.revoke(chosen)
        trail.record_each(request, "apitoken.revoke", gone)
        messages.success(request, ngettext("{} token revoked.", "{} tokens revoked.", len(gone)).format(len(gone)))


def _may_touch(request: HttpRequest, obj: User | None) -> bool:
    return obj is None or not obj.is_superuser or bool(request.user.is_superuser)
