"""What the upload page asks for."""

from __future__ import annotations

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webadmin.console.collections.forms import checked_collection_name
from webadmin.documents.models import Collection


class SeveralFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class SeveralFilesField(forms.FileField):
    """A list of files. Emptiness is no error of the form: services says it of the file that is empty."""

    widget = SeveralFilesInput

    def clean(self, data: object, initial: object = None) -> list[UploadedFile]:
        files = [file for file in (data if isinstance(data, list | tuple) else [data]) if file]
        if self.required and not files:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return files


class UploadForm(forms.Form):
    collection = forms.ModelChoiceField(
        Collection.objects.none(),
        required=False,
        label=gettext_lazy("Collection"),
        empty_label=gettext_lazy("(a new one, named below)"),
        widget=forms.Select({"class": "input"}),
    )
    new_collection = forms.CharField(
        required=False,
        max_length=63,
        label=gettext_lazy("New collection"),
        help_text=gettext_lazy("Letters, digits, '-', '_' or '.'. Left empty, the one chosen above is used."),
        widget=forms.TextInput({"class": "input", "autocomplete": "off"}),
    )
    files = SeveralFilesField(
        required=False, allow_empty_file=True, label=gettext_lazy("Files"), help_text=gettext_lazy("You may choose several.")
    )
    ingest = forms.BooleanField(required=False, initial=True, label=gettext_lazy("Ingest at once"))

    def __init__(self, *args: object, may_make_collections: bool = True, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._may_make = may_make_collections
        self.fields["collection"].queryset = Collection.objects.all()

    def clean_new_collection(self) -> str:
        name = str(self.cleaned_data["new_collection"]).strip()
        if not name:
            return ""
        checked_collection_name(name)
        if not self._may_make and not Collection.objects.filter(name=name).exists():
            raise forms.ValidationError(_("You may not make collections: choose one above, or name one that is there."))
        return name

    def clean(self) -> dict[str, object]:
        cleaned: dict[str, object] = super().clean() or self.cleaned_data
        if not cleaned.get("collection") and not cleaned.get("new_collection") and not self.errors:
            raise forms.ValidationError(_("Choose a collection or name a new one."))
        return cleaned

    @property
    def collection_name(self) -> str:
        return str(self.cleaned_data["new_collection"] or self.cleaned_data["collection"].name)
