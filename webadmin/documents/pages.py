"""Requests of the document pages -> templates. Parses and renders; what happens is decided in `steering` and `services`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import helpers
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from aegis_assets.errors import AegisError
from aegis_assets.model.document import Stage, State
from webadmin.documents import platform, queries, services, steering
from webadmin.documents.forms import UploadForm
from webadmin.documents.models import Document

if TYPE_CHECKING:
    from webadmin.documents.admin import DocumentAdmin

SENTENCES_SHOWN = 10


def detail(model_admin: DocumentAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    document = _document(object_id)
    if not model_admin.has_view_permission(request, document):
        raise PermissionDenied
    stages, fraction = _progress(document)
    dagster = platform.dagster()
    context = {
        **model_admin.admin_site.each_context(request),
        "title": document.name,
        "opts": Document._meta,
        "document": document,
        "stages": stages,
        "fraction": f"{fraction:.4f}",
        "percent": int(fraction * 100),
        "facts": _facts(document),
        "failures": list(queries.failures(document)),
        "runs": [
            {
                "row": run,
                "address": dagster.run_address(run.run_id),
                "seconds": [getattr(run, f"{stage}_seconds") for stage in Stage],
            }
            for run in queries.runs(document)
        ],
        "chunks": queries.placements(document, request.GET.get("page")),
        "actions": _offered(request, document),
        "run_address": dagster.run_address(document.run_id) if _is_run(document.run_id) else "",
    }
    return TemplateResponse(request, "admin/documents/document/detail.html", context)


def upload(model_admin: DocumentAdmin, request: HttpRequest) -> HttpResponse:
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    outcomes: list[services.Outcome] = []
    notice = ""
    too_large = list(getattr(request, "too_large", []))
    if request.method == "POST" and form.is_valid():
        outcomes = [services.too_large(name) for name in too_large]
        outcomes += [services.upload(file, file.name or "", form.collection_name) for file in form.cleaned_data["files"]]
        if not outcomes:
            form.add_error("files", "Choose at least one file.")
        waiting = [outcome.document for outcome in outcomes if outcome.document and outcome.pending]
        if form.cleaned_data["ingest"] and waiting and model_admin.has_ingest_permission(request):
            notice = steering.ingest(waiting).notice
        elif waiting:
            steering.hold(waiting)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Upload documents",
        "opts": Document._meta,
        "form": UploadForm(initial={"collection": form.data.get("collection")}) if outcomes else form,
        "outcomes": outcomes,
        "notice": notice,
    }
    return TemplateResponse(request, "admin/documents/document/upload.html", context)


def act(model_admin: DocumentAdmin, request: HttpRequest, object_id: UUID, action: steering.Action) -> HttpResponse:
    """One action on one document, from a button of its page."""
    document = _document(str(object_id))
    if not request.user.has_perm(f"documents.{action.permission}"):
        raise PermissionDenied
    if action is steering.REMOVE and "confirm" not in request.POST:
        return _confirm(model_admin, request, [document])
    _steer(request, [document], action)
    return HttpResponseRedirect(reverse("admin:documents_document_change", args=[document.pk]))


def steer(model_admin: DocumentAdmin, request: HttpRequest, queryset: QuerySet[Document], action: steering.Action) -> None:
    """One action on the documents ticked in the list."""
    _steer(request, list(queryset), action)


def confirm_removal(model_admin: DocumentAdmin, request: HttpRequest, queryset: QuerySet[Document]) -> HttpResponse | None:
    documents = list(queryset)
    if "confirm" not in request.POST:
        return _confirm(model_admin, request, documents)
    _steer(request, documents, steering.REMOVE)
    return None


def _confirm(model_admin: DocumentAdmin, request: HttpRequest, documents: list[Document]) -> HttpResponse:
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Remove documents",
        "opts": Document._meta,
        "documents": documents[:100],
        "more": max(0, len(documents) - 100),
        "ids": [document.pk for document in documents],
        "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        "changelist": reverse("admin:documents_document_changelist"),
    }
    return TemplateResponse(request, "admin/documents/document/remove.html", context)


def _steer(request: HttpRequest, documents: list[Document], action: steering.Action) -> None:
    try:
        result = action.steer([document.pk for document in documents])
    except AegisError as error:
        messages.error(request, error.message)
        return
    if result.done:
        LogEntry.objects.log_actions(
            user_id=request.user.pk,
            queryset=[document for document in documents if document.pk in result.done],
            action_flag=CHANGE,
            change_message=action.label,
        )
        count = len(result.done)
        messages.success(request, action.done.format(f"{count} document{'s' if count != 1 else ''}"))
    for refusal in result.refused[:SENTENCES_SHOWN]:
        messages.error(request, f"{refusal.name}: {refusal.sentence}")
    if len(result.refused) > SENTENCES_SHOWN:
        messages.error(request, f"{len(result.refused) - SENTENCES_SHOWN} more were refused.")
    if result.notice:
        messages.warning(request, result.notice)


def _document(object_id: str) -> Document:
    try:
        return queries.documents().get(pk=UUID(object_id))
    except (ValueError, Document.DoesNotExist) as error:
        raise Http404("There is no such document.") from error


def _progress(document: Document) -> tuple[list[dict[str, Any]], float]:
    """Zeros when the ledger's driver cannot tell: the page's other half still helps."""
    try:
        now = platform.ledger().progress(document.pk)
    except AegisError:
        return [{"name": stage, "total": 0, "done": 0, "failed": 0, "in_flight": 0} for stage in Stage], document.fraction
    return [{"name": stage.value, **counts.model_dump()} for stage, counts in now.stages.items()], now.fraction


def _facts(document: Document) -> list[tuple[str, object]]:
    generation = document.making or document.live
    return [
        ("Collection", document.collection.name),
        ("Source", f"{document.source}: {document.source_key}"),
        ("Format", document.format),
        ("Size", f"{document.size:,} bytes"),
        ("Pages", generation.pages if generation else None),
        ("Generation", generation.number if generation else None),
        ("Parser", document.parser),
        ("Embedder", document.embedder),
        ("Extractor", document.extractor),
        ("SHA-256", document.sha256),
        ("Id and partition", document.pk),
    ]


def _offered(request: HttpRequest, document: Document) -> list[dict[str, str]]:
    return [
        {"name": action.name, "label": action.label, "url": reverse(f"admin:documents_document_{action.name}", args=[document.pk])}
        for action in steering.ACTIONS
        if State(document.state) in action.states and request.user.has_perm(f"documents.{action.permission}")
    ]


def _is_run(run_id: str) -> bool:
    return bool(run_id) and not run_id.startswith("claim:")
