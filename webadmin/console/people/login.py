"""The log-in form, which tries no password while the throttle says wait."""

from __future__ import annotations

from math import ceil
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import ngettext
from unfold.forms import AuthenticationForm

from webadmin.console.audit.signals import address_of
from webadmin.console.people import throttle


class ThrottledForm(AuthenticationForm):
    def clean(self) -> dict[str, Any]:
        address = address_of(self.request)
        refused: ValidationError | None = None
        cleaned: dict[str, Any] = {}
        with transaction.atomic():  # keeps the turn; the refusal leaves it, so that the failure's row stays
            throttle.take_turn(address)
            try:
                self._require_turn(address)
                cleaned = super().clean()
            except ValidationError as error:
                refused = error
        if refused is not None:
            raise refused
        return cleaned

    def _require_turn(self, address: str) -> None:
        left = throttle.wait(str(self.cleaned_data.get("username", "")), address)
        if left is not None:
            minutes = max(1, ceil(left.total_seconds() / 60))
            raise ValidationError(
                ngettext(
                    "Too many failed log-ins. Try again in {} minute.", "Too many failed log-ins. Try again in {} minutes.", minutes
                ).format(minutes),
                code="throttled",
            )
