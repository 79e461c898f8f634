"""What the page of limits asks for."""

from __future__ import annotations

from collections.abc import Mapping

from django import forms
from django.utils.translation import gettext as _

from aegis_assets.stores.leases import CHOICE_WORDS
from webadmin.console.limits.numbers import ACTING, CHOICE, CHOICE_LABELS, Shown, ShownChoice
from webadmin.documents import platform


class LimitsForm(forms.Form):
    """All numbers and the choice at once. What the page showed comes back beside each: only what differs from that was meant to be
    changed, and a number that somebody else changed meanwhile stays as it is now."""

    def __init__(self, shown: Mapping[str, Shown], choice: ShownChoice, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.shown = shown
        words = [(word, CHOICE_LABELS[word]) for word in reversed(CHOICE_WORDS)]
        self.fields[CHOICE] = forms.ChoiceField(choices=words, initial=choice.value, widget=forms.RadioSelect)
        self.fields[was(CHOICE)] = forms.ChoiceField(choices=words, initial=choice.value, widget=forms.HiddenInput)
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
        """Name -> new value, of what the person changed. A choice is a number too: the place of its word in CHOICE_WORDS."""
        values = self.cleaned_data
        changed = {number.name: int(values[number.name]) for number in ACTING if values[number.name] != values[was(number.name)]}
        if values[CHOICE] != values[was(CHOICE)]:
            changed[CHOICE] = CHOICE_WORDS.index(values[CHOICE])
        return changed


def was(name: str) -> str:
    return f"was_{name}"
