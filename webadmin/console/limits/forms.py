"""What the page of limits asks for."""

from __future__ import annotations

from collections.abc import Mapping

from django import forms
from django.utils.translation import gettext as _

from webadmin.console.limits.numbers import ACTING, Shown
from webadmin.documents import platform


class LimitsForm(forms.Form):
    """All numbers at once. What the page showed comes back beside each: only what differs from that was meant to be changed, and a
    number that somebody else changed meanwhile stays as it is now."""

    def __init__(self, shown: Mapping[str, Shown], *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.shown = shown
        for number in ACTING:
            one = shown[number.name]
            self.fields[number.name] = forms.IntegerField(
                label=number.label,
                initial=one.value,
                min_value=one.least,
                max_value=one.most,
                widget=forms.NumberInput({"class": "input", "aria-describedby": f"acts-{number.name}"}),
            )
            self.fields[was(number.name)] = forms.IntegerField(initial=one.value, widget=forms.HiddenInput())

    def clean(self) -> dict[str, object]:
        cleaned: dict[str, object] = super().clean() or self.cleaned_data
        for number in ACTING:
            value = cleaned.get(number.name)
            if number.resource and isinstance(value, int) and value != cleaned.get(was(number.name)):
                self._require_room(number.name, number.resource, value)
        return cleaned

    def _require_room(self, name: str, resource: str, value: int) -> None:
        """Work that runs may need more than one slot for one call: less than that would fail it."""
        heaviest = max((row.weight for row in platform.leases().holders() if row.resource == resource), default=0)
        if value < heaviest:
            self.add_error(name, _("A call that is under way needs {}: with less it would fail.").format(heaviest))

    @property
    def changed(self) -> dict[str, int]:
        """Name -> new value, of what the person changed."""
        values = self.cleaned_data
        return {number.name: int(values[number.name]) for number in ACTING if values[number.name] != values[was(number.name)]}


def was(name: str) -> str:
    return f"was_{name}"
