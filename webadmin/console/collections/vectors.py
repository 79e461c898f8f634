"""How a collection's vectors are kept on a Qdrant server: a form of its own on the collection's page."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aegis_assets.errors import AegisError
from aegis_assets.model.vector_settings import VectorSettings
from webadmin.console import sentences
from webadmin.console.audit import trail
from webadmin.documents import platform
from webadmin.documents.aside import aside
from webadmin.documents.models import Collection

AT_CREATION: Final = ("shards", "replicas")


def _number(label: Any, least: int, most: int, help_text: Any) -> forms.IntegerField:
    return forms.IntegerField(
        required=False,
        min_value=least,
        max_value=most,
        label=label,
        help_text=help_text,
        widget=forms.NumberInput({"class": "input"}),
    )


class VectorForm(forms.Form):
    """A VectorSettings. The bounds are those of the model, where a test compares them."""

    prefix = "vectors"

    on_disk = forms.BooleanField(
        required=False,
        label=gettext_lazy("Vectors on disk"),
        help_text=gettext_lazy("Takes less memory; a search reads the disk."),
    )
    quantization = forms.ChoiceField(
        label=gettext_lazy("Quantisation"),
        choices=[
            ("none", gettext_lazy("none")),
            ("scalar", gettext_lazy("scalar: a quarter of the memory")),
            ("binary", gettext_lazy("binary: a 32nd of the memory, for 1,024 dimensions and more")),
        ],
        help_text=gettext_lazy("The best candidates are scored anew by their whole vectors."),
        widget=forms.Select({"class": "input"}),
    )
    hnsw_m = _number(
        gettext_lazy("HNSW: edges per point (m)"),
        4,
        256,
        gettext_lazy("Left empty, the server's own. A change builds the index anew."),
    )
    hnsw_ef_construct = _number(
        gettext_lazy("HNSW: candidates while building (ef_construct)"),
        4,
        4096,
        gettext_lazy("Left empty, the server's own. A change builds the index anew."),
    )
    shards = _number(
        gettext_lazy("Shards"),
        1,
        256,
        gettext_lazy("Acts only when the vector collection is created: the first run does, or a rebuild after it was deleted."),
    )
    replicas = _number(
        gettext_lazy("Replicas of each shard"),
        1,
        32,
        gettext_lazy("Acts only when the vector collection is created: the first run does, or a rebuild after it was deleted."),
    )

    @classmethod
    def of(cls, collection: Collection) -> VectorForm:
        """Return the form as the collection has it."""
        return cls(initial=stored(collection).model_dump())

    @property
    def settings(self) -> VectorSettings:
        """Return what a valid form says."""
        return VectorSettings.model_validate(self.cleaned_data)


def stored(collection: Collection) -> VectorSettings:
    return VectorSettings.model_validate(collection.vectors)


def save(request: HttpRequest, collection: Collection, wanted: VectorSettings) -> None:
    """Store the settings, apply those that can change to the server's collection, and tell the person what acts when."""
    before = stored(collection)
    changed = [name for name in VectorSettings.model_fields if getattr(before, name) != getattr(wanted, name)]
    if not changed:
        messages.success(request, _("Nothing was changed."))
        return
    with transaction.atomic():
        Collection.objects.filter(pk=collection.pk).update(vectors=wanted.model_dump(exclude_defaults=True))
        trail.record(request, "collection.change", collection, fields=[f"vectors.{name}" for name in changed])
    messages.success(request, _("Saved."))
    if collection.embedder and any(name in AT_CREATION for name in changed):
        messages.warning(request, _("Shards and replicas stay as they are until the vector collection is created anew."))
    if any(name not in AT_CREATION for name in changed):
        _apply(request, collection.pk, wanted)


def _apply(request: HttpRequest, collection: UUID, wanted: VectorSettings) -> None:
    try:
        aside.call(platform.configure_vectors, collection, wanted)
    except AegisError as error:
        sentence = sentences.said(error.message)
        messages.warning(request, _("The server does not have it yet; the collection's next run applies it. {}").format(sentence))
