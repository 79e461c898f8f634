"""unfold's ModelAdmin, whose changes also stand in the audit trail."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from webadmin.console.audit import trail


class AuditedAdmin(ModelAdmin):
    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        trail.record(request, f"{self.opts.model_name}.add", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        trail.record(request, f"{self.opts.model_name}.change", obj, fields=_changed(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Model]) -> Any:
        trail.record_each(request, f"{self.opts.model_name}.delete", queryset)
        return super().log_deletions(request, queryset)


def _changed(message: Any) -> list[str]:
    """Names of the fields, from the message that Django makes of a form."""
    found = (
        [part.get("changed", {}).get("fields", []) for part in message if isinstance(part, dict)]
        if isinstance(message, list)
        else []
    )
    return [str(field) for fields in found for field in fields]
