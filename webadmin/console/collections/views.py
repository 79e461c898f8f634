"""The pages of a collection: its schema, what a change of it costs, a dry run of it, and the ingestion that follows."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aegis_assets.errors import AegisError
from aegis_assets.model.extraction import Schema
from aegis_assets.model.ids import collection_id
from aegis_assets.settings import settings
from webadmin.console import sentences
from webadmin.console.audit import trail
from webadmin.console.collections import cost, queries, shown, trial
from webadmin.console.collections.forms import AddForm, EditForm, SchemaForm, TrialForm
from webadmin.console.collections.vectors import VectorForm
from webadmin.console.collections.vectors import save as save_vectors
from webadmin.console.page import READING, WRITING, Crumb, page, render
from webadmin.console.timed import limited
from webadmin.documents import steering
from webadmin.documents.models import Collection

CHANGE: Final = "documents.change_collection"
INGEST: Final = "documents.ingest_document"
MODELS_SECONDS: Final = 3.0
UNKNOWN: Final = "unknown"  # what stands for a cost that nobody could say


@page("documents.view_collection", (*READING, *WRITING))
def edit(request: HttpRequest, object_id: str) -> HttpResponse:
    collection = _collection(object_id)
    may_change = request.user.has_perm(CHANGE)
    if request.method == "POST" and not may_change:
        raise PermissionDenied
    before = _schema(collection)
    form = EditForm(request.POST if request.method == "POST" else None, instance=collection)
    context: dict[str, object] = {"form": form}
    if request.method == "POST" and form.is_valid():
        wanted = _cost(collection.pk, before, form.schema)
        if wanted.get("free") or wanted["said"] == request.POST.get("said"):
            return _save(request, collection, form)
        context["unsaid"] = True
        context |= wanted
    return _edit_page(request, collection, before, {"vectors": VectorForm.of(collection), **context})


@page(CHANGE, WRITING)
def vectors(request: HttpRequest, collection: UUID) -> HttpResponse:
    """How the collection's vectors are kept."""
    found = _collection(str(collection))
    form = VectorForm(request.POST)
    if not form.is_valid():
        return _edit_page(request, found, _schema(found), {"vectors": form, "form": EditForm(instance=found)})
    save_vectors(request, found, form.settings)
    return HttpResponseRedirect(reverse("admin:documents_collection_change", args=[found.pk]))


def _edit_page(request: HttpRequest, collection: Collection, schema: Schema, context: dict[str, object]) -> HttpResponse:
    """schema: the one that is stored; a form that is valid has changed the collection's."""
    context |= {
        "collection": collection,
        "may_change": request.user.has_perm(CHANGE),
        "local_vectors": not settings().qdrant_url,
        "stale": _cost(collection.pk, None, schema),
        "may_ingest": request.user.has_perm(INGEST),
        "may_delete": request.user.has_perm("documents.delete_collection") and not collection.documents.exists(),
        "text": queries.text_of(collection.pk, chosen) if (chosen := _uuid(request.GET.get("chunk", ""))) else "",
        "documents": collection.documents.count(),
    }
    return render(request, "console/collections/edit.html", context, title=collection.name, crumbs=_above())


@page("documents.add_collection", (*READING, *WRITING))
def add(request: HttpRequest) -> HttpResponse:
    form = AddForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            collection = form.save(commit=False)
            collection.id = collection_id(collection.name)
            collection.save()
            trail.record(request, "collection.add", collection)
        messages.success(request, _("The collection is made. Try its schema on a text before you ingest."))
        return HttpResponseRedirect(reverse("admin:documents_collection_change", args=[collection.pk]))
    context = {"form": form, "may_change": True}
    return render(request, "console/collections/add.html", context, title=_("New collection"), crumbs=_above())


@page(CHANGE, WRITING)
def said(request: HttpRequest, collection: UUID) -> HttpResponse:
    """What the schema of the form would cost: a part of the page, fetched while the person edits."""
    found = _collection(str(collection))
    form = SchemaForm(request.POST, instance=found)
    before = _schema(found)
    if not form.is_valid():
        return TemplateResponse(request, "console/collections/cost.html", {"form": form})
    return TemplateResponse(request, "console/collections/cost.html", _cost(found.pk, before, form.schema))


@page(CHANGE, WRITING)
async def attempt(request: HttpRequest, collection: UUID) -> HttpResponse:
    """A dry run. One at a time for each person: a request that nobody waits for any more still holds a slot."""
    found = await sync_to_async(_collection)(str(collection))
    before = _schema(found)
    form = TrialForm(request.POST, instance=found)
    user = await request.auser()
    held = f"console.trial.{user.pk}"
    if not await sync_to_async(form.is_valid)():
        return await _trial(request, {"form": form})
    if not await cache.aadd(held, True, trial.SECONDS + 10):
        return await _trial(request, {"problem": _("Your last dry run has not ended yet.")})
    text = form.cleaned_data["text"]
    try:
        now, edited = await trial.compare(text, before, form.schema)
    except AegisError as error:
        return await _trial(request, {"problem": error.message})
    finally:
        await cache.adelete(held)
    return await _trial(request, {"columns": shown.columns(text, now, edited), "same": before == form.schema})


@page("documents.view_collection")
def chunks(request: HttpRequest, collection: UUID) -> HttpResponse:
    found = _collection(str(collection))
    context: dict[str, object] = {"collection": found}
    try:
        with limited():
            context["chunks"] = queries.chunks(found.pk, request.GET.get("q", "").strip())
    except AegisError as error:
        context["problem"] = error.message
    return TemplateResponse(request, "console/collections/chunks.html", context)


@page("documents.view_collection")
def chunk(request: HttpRequest, collection: UUID, chunk: UUID) -> HttpResponse:
    """The field with the chunk's text in it."""
    text = queries.text_of(collection, chunk)
    if text is None:
        raise Http404("There is no such chunk.")
    return TemplateResponse(request, "console/collections/text.html", {"text": text})


@page(CHANGE)
async def models(request: HttpRequest) -> HttpResponse:
    """Offer names to choose from. A server that is away is no error here: a name can be typed."""
    from aegis_assets.engines import chosen

    names: tuple[str, ...] = ()
    if not settings().extracts_locally:
        try:
            names = await chosen.language_model_extractor(settings()).models(MODELS_SECONDS)
        except AegisError:
            names = ()
    return TemplateResponse(request, "console/collections/models.html", {"names": names}).render()


@page(INGEST, WRITING)
def ingest(request: HttpRequest, collection: UUID) -> HttpResponse:
    """The documents whose extraction is of another schema than the collection's."""
    found = _collection(str(collection))
    back = HttpResponseRedirect(reverse("admin:documents_collection_change", args=[found.pk]))
    try:
        extractor, schema = trial.extractor(), _schema(found)
        documents = cost.affected(found.pk, extractor.fingerprint(schema), extractor.earlier(schema))
        result = steering.ingest(documents)
    except AegisError as error:
        messages.error(request, sentences.said(error.message))
        return back
    trail.record(request, "collection.ingest", found, documents=len(result.done))
    messages.success(request, str(steering.INGEST.done).format(len(result.done)))
    if result.refused:
        messages.warning(request, _("{} were refused: {}").format(len(result.refused), sentences.said(result.refused[0].sentence)))
    if result.notice:
        messages.warning(request, sentences.said(result.notice))
    return back


async def _trial(request: HttpRequest, context: dict[str, object]) -> HttpResponse:
    answer = TemplateResponse(request, "console/collections/trial.html", context)
    return await sync_to_async(answer.render)()  # as a thread of its own would not know the reader's language


def _save(request: HttpRequest, collection: Collection, form: EditForm) -> HttpResponse:
    with transaction.atomic():
        form.save()
        if form.changed_data:
            trail.record(request, "collection.change", collection, fields=form.changed_data)
    messages.success(request, _("Saved.") if form.changed_data else _("Nothing was changed."))
    return HttpResponseRedirect(reverse("admin:documents_collection_change", args=[collection.pk]))


def _cost(collection: UUID, before: Schema | None, wanted: Schema) -> dict[str, object]:
    """For the template. before: None to ask what is out of date already. said: what the form sends back, so that a save without
    having been told the cost is noticed."""
    if before == wanted or not cost.has_extracted(collection):
        return {"free": True, "said": ""}  # no engine has to be asked
    try:
        extractor = trial.extractor()
        made = cost.of(collection, extractor.fingerprint(wanted), extractor.named(wanted), extractor.earlier(wanted))
        same = before is not None and extractor.fingerprint(before) == made.fingerprint
    except AegisError as error:
        return {"problem": error.message, "said": UNKNOWN}
    return {
        "cost": made,
        "same": same,
        "free": same or not made.chunks,
        "said": made.fingerprint,
        "extractor": extractor.named(wanted),
    }


def _schema(collection: Collection) -> Schema:
    """Taken before a form is bound to the collection: a form that is valid has changed it."""
    return Schema(
        entity_types=tuple(collection.entity_types),
        relation_types=tuple(collection.relation_types),
        prompt=collection.prompt,
        model=collection.model,
        pairs=collection.pairs,
    )


def _collection(object_id: str) -> Collection:
    identity = _uuid(object_id)
    found = Collection.objects.filter(pk=identity).first() if identity else None
    if found is None:
        raise Http404("There is no such collection.")
    return found


def _uuid(word: str) -> UUID | None:
    try:
        return UUID(word)
    except ValueError:
        return None


def _above() -> list[Crumb]:
    return [(gettext_lazy("Collections"), reverse("admin:documents_collection_changelist"))]
