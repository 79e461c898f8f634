"""Requests of the graph page -> the page, its panels and its pictures; and a person's decisions about names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aegis_assets.errors import AegisError, BadInput, NotFound
from webadmin.console import links, sentences
from webadmin.console.graph import decisions, evidence, queries
from webadmin.console.page import WRITING, api, page, render
from webadmin.console.timed import limited
from webadmin.documents.models import Chunk, Collection, Decision, Document, Entity

TITLE = gettext_lazy("Graph")
SEE = "documents.view_document"
DECIDE = "documents.change_merge"


@page(SEE)
def graph(request: HttpRequest) -> HttpResponse:
    """Around an entity, a document or a chunk, if the address names one; else what a collection's newest documents say."""
    collections = queries.collections()
    start = _start(request)
    chosen = start["collection"] or next((one.pk for one in collections if one.name == request.GET.get("collection")), None)
    if chosen is None and collections:
        chosen = _liveliest(collections)
    context = {
        "collections": collections,
        "chosen": chosen,
        "about": start["about"],
        "chunk": start["chunk"],
        "query": start["query"] or f"collection={chosen}",
        "entity": start["entity"],
        "may_decide": request.user.has_perm(DECIDE),
    }
    return render(request, "console/graph/graph.html", context, title=TITLE)


def _liveliest(collections: list[Collection]) -> UUID:
    """The one that was added to last: a first look at an empty one says nothing."""
    newest = Document.objects.filter(live__isnull=False).order_by("-created_at", "id").values_list("collection", flat=True)[:1]
    return next(iter(newest), collections[0].pk)


def _start(request: HttpRequest) -> dict[str, Any]:
    """What the address asks to begin with. Raises Http404 when that does not exist."""
    nothing = {"entity": None, "collection": None, "about": None, "chunk": "", "query": ""}
    if "entity" in request.GET:
        entity = _entity(_uuid(request.GET["entity"]))
        return {**nothing, "entity": entity, "collection": entity.collection_id, "query": f"entity={entity.pk}"}
    if "document" in request.GET:
        document = Document.objects.filter(pk=_uuid(request.GET["document"])).first()
        if document is None:
            raise Http404("There is no such document.")
        return {**nothing, "collection": document.collection_id, "about": document, "query": f"document={document.pk}"}
    if "chunk" in request.GET:
        chunk = Chunk.objects.filter(pk=_uuid(request.GET["chunk"])).select_related("document").first()
        if chunk is None:
            raise Http404("There is no such chunk any more.")
        about = {"collection": chunk.document.collection_id, "about": chunk.document}
        return {**nothing, **about, "chunk": links.chunk(chunk.document_id, chunk.pk), "query": f"chunk={chunk.pk}"}
    return nothing


@page(SEE)
def entity(request: HttpRequest, entity: UUID) -> HttpResponse:
    """The panel beside the picture. An address that was opened as a page leads to the page."""
    if "HX-Request" not in request.headers:
        return HttpResponseRedirect(f"{reverse('console:graph')}?entity={entity}")
    found = _entity(entity)
    limit = evidence.MORE if "all" in request.GET else evidence.SHOWN
    context = {"all": "all" in request.GET, "may_decide": request.user.has_perm(DECIDE), "collection": found.collection_id}
    return _panel(request, "console/graph/entity.html", context, lambda: {"portrait": evidence.portrait(found.pk, limit)})


@page(SEE)
def relation(request: HttpRequest, source: UUID, target: UUID) -> HttpResponse:
    """What is said of two entities, by the type of the relation."""
    ends = {"source": _entity(source), "target": _entity(target)}
    kind = request.GET.get("type", "")[:64]
    limit = evidence.MORE if "all" in request.GET else evidence.SHOWN

    def read() -> dict[str, object]:
        sentences, total = evidence.statements_of(ends["source"].pk, kind, ends["target"].pk, limit)
        return {"sentences": sentences, "total": total}

    return _panel(request, "console/graph/relation.html", {**ends, "type": kind}, read)


def _panel(request: HttpRequest, template: str, context: dict[str, object], read: Callable[[], dict[str, object]]) -> HttpResponse:
    try:
        with limited():
            context |= read()
    except AegisError as error:
        context["problem"] = error.message
    return TemplateResponse(request, template, context)


@page(SEE)
def history(request: HttpRequest) -> HttpResponse:
    """What people decided about names, newest first."""
    context: dict[str, object] = {"may_decide": request.user.has_perm(DECIDE)}
    try:
        with limited():
            context["decisions"] = evidence.decisions(limit=evidence.MORE)
    except AegisError as error:
        context["problem"] = error.message
    return render(
        request, "console/graph/decisions.html", context, title=_("Decisions"), crumbs=[(TITLE, reverse("console:graph"))]
    )


@api(SEE)
def picture(request: HttpRequest) -> JsonResponse:
    """Return nodes and relations to draw: around an entity, or a first look at a document, chunks or a collection. `addressed=no`
    leaves out the relations that may be instructions."""

    def read() -> dict[str, object]:
        whole = _picture(request)
        return (whole.stated() if request.GET.get("addressed") == "no" else whole).model_dump(mode="json")

    return _answer(read)


def _picture(request: HttpRequest) -> queries.Picture:
    asked = request.GET
    seen = _uuids(asked.getlist("seen"))
    with limited():
        if "entity" in asked:
            [entity] = _uuids([asked["entity"]])
            stands = queries.canonical([entity, *seen])
            if entity not in stands:
                raise NotFound(_("There is no such entity any more."))
            return queries.neighbourhood(stands[entity], [one for one in seen if stands.get(one) == one])
        if "document" in asked:
            return queries.of_document(_uuids([asked["document"]])[0])
        if "chunk" in asked:
            return queries.of_chunks(_uuids(asked.getlist("chunk")))
        if "collection" in asked:
            return queries.of_collection(_uuids([asked["collection"]])[0])
        return queries.around(seen)


@api(SEE)
def names(request: HttpRequest) -> JsonResponse:
    """Entities of a collection whose name, or another name of theirs, holds what was typed."""

    def read() -> dict[str, object]:
        collection = _uuids([request.GET.get("collection", "")])[0]
        with limited():
            found = queries.names(collection, request.GET.get("q", ""))
        return {"names": [one.model_dump(mode="json") for one in found]}

    return _answer(read)


def _answer(read: Callable[[], dict[str, object]]) -> JsonResponse:
    try:
        return JsonResponse(read())
    except (BadInput, NotFound) as error:
        return JsonResponse({"error": sentences.said(error.message)}, status=400 if isinstance(error, BadInput) else 404)
    except AegisError as error:
        return JsonResponse({"error": sentences.said(error.message)}, status=503)


@page(DECIDE, methods=WRITING)
def merge(request: HttpRequest, entity: UUID) -> HttpResponse:
    ours = _entity(entity)
    other = Entity.objects.filter(pk=_uuid(request.POST.get("other", "")), collection=ours.collection_id).first()
    if other is None:
        messages.error(request, _("Choose another entity of the same collection."))
        return _back(ours.pk)
    done = _("{} and {} are one from now on, in ledger and graph.").format(ours.name, other.name)
    return _decided(request, ours.pk, lambda: decisions.merge(request, ours, other), done)


@page(DECIDE, methods=WRITING)
def split(request: HttpRequest, entity: UUID) -> HttpResponse:
    ours = _entity(entity)
    taken = [_uuid(name) for name in request.POST.getlist("name")]
    done = _("The names were taken out of {}, in ledger and graph.").format(ours.name)
    return _decided(request, ours.pk, lambda: decisions.split(request, ours, taken), done)


@page(DECIDE, methods=WRITING)
def undo(request: HttpRequest, decision: int) -> HttpResponse:
    found = Decision.objects.filter(pk=decision).first()
    if found is None:
        raise Http404("There is no such decision.")
    entity = Entity.objects.filter(pk__in=found.names).order_by("name").values_list("pk", flat=True).first()
    return _decided(request, entity, lambda: decisions.undo(request, found), _("Undone, in ledger and graph."))


def _decided(request: HttpRequest, entity: UUID | None, decide: Callable[[], None], done: str) -> HttpResponse:
    try:
        decide()
    except AegisError as error:
        messages.error(request, sentences.said(error.message))
    else:
        messages.success(request, done)
    return _back(entity)


def _back(entity: UUID | None) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('console:graph')}?entity={entity}" if entity else reverse("console:graph-decisions"))


def _entity(entity: UUID) -> Entity:
    """The one that stands for it. Raises Http404."""
    found = Entity.objects.select_related("canonical", "canonical__collection").filter(pk=entity).first()
    if found is None:
        raise Http404("There is no such entity any more.")
    return found.canonical


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Http404("This address names nothing.") from error


def _uuids(texts: list[str]) -> list[UUID]:
    """Raises BadInput. At most as many as are drawn."""
    try:
        return [UUID(text) for text in texts[: queries.NODES_AT_MOST]]
    except ValueError as error:
        raise BadInput(_("This is no id.")) from error
