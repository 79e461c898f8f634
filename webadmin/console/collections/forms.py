"""What the pages of collections ask for."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aegis_assets.errors import BadInput
from aegis_assets.model.extraction import Schema
from aegis_assets.stores.ledger.naming import collection_name
from webadmin.console import sentences
from webadmin.documents.models import Collection

MOST_TYPES: Final = 100  # all stand in every prompt
TYPE_LENGTH: Final = 64
MOST_PROMPT: Final = 4000  # characters: what it takes of the context is taken from the text
MODEL: Final = re.compile(r"[\w][\w.:/@-]*")
AREA: Final = {"class": "input", "spellcheck": "false"}


def checked_collection_name(name: str) -> str:
    """The ledger's rule, as a form's error."""
    try:
        return collection_name(name)
    except BadInput as error:
        raise forms.ValidationError(sentences.said(error.message)) from error


class TypesField(forms.CharField):
    """One type a line, or several with commas between. Each once, in the order in which they came."""

    widget = forms.Textarea({**AREA, "rows": 8})

    def to_python(self, value: object) -> list[str]:
        words = (" ".join(word.split()) for word in re.split(r"[\n,]", str(value or "")))
        return list(dict.fromkeys(word for word in words if word))

    def prepare_value(self, value: object) -> object:
        return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value

    def validate(self, value: object) -> None:
        super().validate(value)
        assert isinstance(value, list)
        if len(value) > MOST_TYPES:
            raise forms.ValidationError(_("These are {} types; {} are the most.").format(len(value), MOST_TYPES))
        for word in value:
            if len(word) > TYPE_LENGTH:
                raise forms.ValidationError(_("“{}…” is longer than {} characters.").format(word[:20], TYPE_LENGTH))
            if any(unicodedata.category(char).startswith("C") for char in word):
                raise forms.ValidationError(_("A type holds a character that cannot be seen: type it anew."))

    def run_validators(self, value: object) -> None:
        """Those of a text do not fit a list."""


class SchemaForm(forms.ModelForm):
    """What decides the extractor's work, and so what a change of it costs."""

    entity_types = TypesField(
        required=False,
        label=gettext_lazy("Entity types"),
        help_text=gettext_lazy("One a line. Left empty, the extractor takes its own."),
    )
    relation_types = TypesField(
        required=False,
        label=gettext_lazy("Relation types"),
        help_text=gettext_lazy("One a line. Left empty, the extractor words them itself."),
    )
    prompt = forms.CharField(
        required=False,
        max_length=MOST_PROMPT,
        label=gettext_lazy("Prompt"),
        help_text=gettext_lazy("Is added to the rules that every prompt has. Only a language model reads it."),
        widget=forms.Textarea({"class": "input", "rows": 6}),
    )
    model = forms.CharField(
        required=False,
        max_length=128,
        label=gettext_lazy("Language model"),
        help_text=gettext_lazy("As the server names it. Left empty, AEGIS_OLLAMA_MODEL or AEGIS_LLM_MODEL."),
        widget=forms.TextInput({"class": "input", "autocomplete": "off", "list": "models", "spellcheck": "false"}),
    )

    pairs = forms.BooleanField(
        required=False,
        label=gettext_lazy("Ask about two neighbouring chunks at once"),
        help_text=gettext_lazy(
            "Where both together have at most 500 tokens: half the requests. For a language model. A relation that only both chunks"
            " together state is lost."
        ),
    )

    class Meta:
        model = Collection
        fields: tuple[str, ...] = ("entity_types", "relation_types", "prompt", "model", "pairs")

    def clean_prompt(self) -> str:
        return _text(str(self.cleaned_data["prompt"]))

    def clean_model(self) -> str:
        name = str(self.cleaned_data["model"]).strip()
        if name and not MODEL.fullmatch(name):
            raise forms.ValidationError(_("A model's name has letters, digits and . : / @ _ - only."))
        return name

    @property
    def schema(self) -> Schema:
        """As the person would have it."""
        values = self.cleaned_data
        return Schema(
            entity_types=tuple(values["entity_types"]),
            relation_types=tuple(values["relation_types"]),
            prompt=values["prompt"],
            model=values["model"],
            pairs=values["pairs"],
        )


class EditForm(SchemaForm):
    class Meta(SchemaForm.Meta):
        fields: tuple[str, ...] = ("description", *SchemaForm.Meta.fields)
        widgets = {"description": forms.Textarea({"class": "input", "rows": 2})}


class AddForm(EditForm):
    class Meta(EditForm.Meta):
        fields = ("name", *EditForm.Meta.fields)
        widgets = {**EditForm.Meta.widgets, "name": forms.TextInput({"class": "input", "autocomplete": "off"})}

    def clean_name(self) -> str:
        return checked_collection_name(str(self.cleaned_data["name"]))


class TrialForm(SchemaForm):
    """A schema, and a text to try it on."""

    text = forms.CharField(
        label=gettext_lazy("Text"),
        max_length=8000,
        strip=False,
        widget=forms.Textarea({"class": "input", "rows": 8}),
        error_messages={"required": gettext_lazy("Choose a chunk or paste a text first.")},
    )

    def clean_text(self) -> str:
        text = _text(str(self.cleaned_data["text"]))
        if not text.strip():
            raise forms.ValidationError(self.fields["text"].error_messages["required"])
        return text


def _text(text: str) -> str:
    """Line ends as the ledger has them: browsers send two characters for each."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
