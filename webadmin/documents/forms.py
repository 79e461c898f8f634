"""What the upload page asks for."""

from __future__ import annotations

from django import forms
from django.core.files.uploadedfile import UploadedFile

from aegis_assets.errors import BadInput
from aegis_assets.stores.ledger.naming import collection_name
from webadmin.documents.models import Collection


def checked_collection_name(name: str) -> str:
    """The ledger's rule, as a form's error."""
    try:
        return collection_name(name)
    except BadInput as error:
        raise forms.ValidationError(error.message) from error


class CollectionForm(forms.ModelForm):
    def clean_name(self) -> str:
        return checked_collection_name(str(self.cleaned_data["name"]))


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
    collection = forms.ModelChoiceField(Collection.objects.none(), required=False, empty_label="(a new one, named below)")
    new_collection = forms.CharField(
        required=False, max_length=63, help_text="Letters, digits, '-', '_' or '.'. Left empty, the one chosen above is used."
    )
    files = SeveralFilesField(required=False, allow_empty_file=True, help_text="You may choose several.")
    ingest = forms.BooleanField(required=False, initial=True, label="Ingest at once")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["collection"].queryset = Collection.objects.all()

    def clean_new_collection(self) -> str:
        name = str(self.cleaned_data["new_collection"]).strip()
        return checked_collection_name(name) if name else ""

    def clean(self) -> dict[str, object]:
        cleaned: dict[str, object] = super().clean() or self.cleaned_data
        if not cleaned.get("collection") and not cleaned.get("new_collection") and not self.errors:
            raise forms.ValidationError("Choose a collection or name a new one.")
        return cleaned

    @property
    def collection_name(self) -> str:
        return str(self.cleaned_data["new_collection"] or self.cleaned_data["collection"].name)
