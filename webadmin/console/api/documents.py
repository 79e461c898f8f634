"""Documents as JSON: lists, one, how far it is, uploads and actions. What happens is decided in `services` and `steering`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from aegis_assets.errors import BadInput
from aegis_assets.model.document import State
from webadmin.console import sentences
from webadmin.console.api.errors import refused, said
from webadmin.console.api.parameters import WRONG_PLACE, ids_of, number_of
from webadmin.console.audit import trail
from webadmin.console.live.topics import standing
from webadmin.console.page import READING, WRITING, api
from webadmin.console.upload import kept
from webadmin.console.upload.forms import UploadForm
from webadmin.documents import platform, queries, retrying, services, steering
from webadmin.documents.models import Document

MOST_IDS: Final = 500
MOST_ROWS: Final = 200
FILTERS: Final = {"collection": "collection", "state": "state", "q": "text"}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SHOWN: Final = (
    *("name", "source", "source_key", "state", "message", "format", "media_type", "size", "sha256"),
    *("parser", "embedder", "extractor", "run_id", "created_at", "updated_at"),
)


def documents(request: HttpRequest) -> HttpResponse:
    view = _upload if request.method in WRITING else _documents
    answer: HttpResponse = view(request)
    return answer


@api("documents.view_document")
@said
def document(request: HttpRequest, document: UUID) -> HttpResponse:
    """Return a row of the list, with what `ingest --json` says of the document."""
    result = platform.ledger().result(document)
    return JsonResponse({**_row(queries.documents().get(pk=document)), "result": result})


@api("documents.view_document")
@said
def progress(request: HttpRequest, document: UUID) -> HttpResponse:
    return JsonResponse(platform.ledger().progress(document).model_dump(mode="json"))


@api("documents.view_document")
@said
def states(request: HttpRequest) -> HttpResponse:
    """Return how several documents stand: the same as the events `standing`, for pages that cannot have these."""
    asked = ids_of(request, MOST_IDS)
    rows = platform.ledger().standings(asked)
    return JsonResponse({"documents": [standing(row) for row in rows]})


@api("documents.view_document")
@said
def entities(request: HttpRequest) -> HttpResponse:
    """Count each document's entities. Apart from the list, which would wait for the counting."""
    counted = queries.entities(ids_of(request, MOST_IDS))
    return JsonResponse({"entities": {str(document): count for document, count in counted.items()}})


@api(methods=WRITING)
@said
def act(request: HttpRequest, document: UUID, action: steering.Action) -> HttpResponse:
    """Do one action on a document. 202: the ledger has it. What is not allowed in the document's state is 409."""
    if not request.user.has_perm(f"documents.{action.permission}"):
        return refused(_("You may not do this."), 403)
    row = platform.ledger().document(document)
    targets = list(Document.objects.filter(pk=document))  # before it is gone
    result = action.steer([document])
    if result.refused:
        return refused(result.refused[0].sentence, 409)
    trail.record_each(request, f"document.{action.name}", targets)
    return JsonResponse({"document": str(row.id), "state": _state_now(row.id), "notice": sentences.said(result.notice)}, status=202)


@api("documents.ingest_document", methods=WRITING)
@said
def retry(request: HttpRequest) -> HttpResponse:
    """Retry all documents that match the filters, and count them. Without `state`: what failed or is partial."""
    asked = request.GET.dict() | request.POST.dict()
    if unknown := sorted(set(asked) - set(FILTERS)):
        raise BadInput(f"{unknown[0]!r} is no filter: use {', '.join(FILTERS)}.")
    count = 0
    for batch in retrying.retry_in_batches(retrying.matching(**{FILTERS[name]: str(value) for name, value in asked.items()})):
        trail.record_each(request, "document.retry", Document.objects.filter(pk__in=batch))
        count += len(batch)
    return JsonResponse({"retried": count}, status=202)


@api("documents.view_document", methods=READING)
@said
def _documents(request: HttpRequest) -> HttpResponse:
    """List documents, newest first, in pages: `next` is what `after` asks for."""
    limit = number_of(request, "limit", 50, MOST_ROWS)
    rows = list(_after(_chosen(request), request.GET.get("after", ""))[: limit + 1])
    following = _place(rows[limit - 1]) if len(rows) > limit else None
    return JsonResponse({"documents": [_row(row) for row in rows[:limit]], "next": following})


@api("documents.add_document", methods=WRITING)
@said
def _upload(request: HttpRequest) -> HttpResponse:
    """Upload files. 201 when something is new. Files are refused one by one; 400 when all are."""
    fields = {"new_collection": request.POST.get("collection", ""), "ingest": request.POST.get("ingest", "yes") == "yes"}
    form = UploadForm(fields, request.FILES, may_make_collections=request.user.has_perm("documents.add_collection"))
    if not form.is_valid():
        raise BadInput(" ".join(sentence for sentences in form.errors.values() for sentence in sentences))
    outcomes = [services.too_large(name) for name in getattr(request, "too_large", [])]
    outcomes += services.upload_all(form.cleaned_data["files"], form.collection_name)
    if not outcomes:
        raise BadInput("Send at least one file, as `files`.")
    kept.write_down(request, outcomes)
    notice = kept.begin(request, outcomes, form.cleaned_data["ingest"] and request.user.has_perm("documents.ingest_document"))
    told = [
        {**outcome.model_dump(mode="json", include={"name", "document", "outcome"}), "sentence": sentences.said(outcome.sentence)}
        for outcome in outcomes
    ]
    if all(outcome.document is None for outcome in outcomes):
        return refused(outcomes[0].sentence, 400, documents=told)
    status = 201 if any(outcome.outcome == "new" for outcome in outcomes) else 200
    return JsonResponse({"documents": told, "notice": sentences.said(notice)}, status=status)


def _chosen(request: HttpRequest) -> QuerySet[Document]:
    rows = queries.documents().order_by("-created_at", "id")
    if collection := request.GET.get("collection"):
        rows = rows.filter(collection__name=collection)
    if state := request.GET.get("state"):
        if state not in set(State):
            raise BadInput(f"A state is one of {', '.join(State)}.")
        rows = rows.filter(state=state)
    if text := request.GET.get("q"):
        rows = rows.filter(Q(name__icontains=text) | Q(source_key__icontains=text))
    return rows


def _place(row: Document) -> str:
    """Return where a page ends, in the order of the list."""
    return f"{(row.created_at - EPOCH) // timedelta(microseconds=1)}.{row.pk}"


def _after(rows: QuerySet[Document], place: str) -> QuerySet[Document]:
    if not place:
        return rows
    microseconds, _dot, identity = place.partition(".")
    try:
        at, last = EPOCH + timedelta(microseconds=int(microseconds)), UUID(identity)
    except (ValueError, OverflowError) as error:
        raise BadInput(WRONG_PLACE) from error
    return rows.filter(Q(created_at__lt=at) | Q(created_at=at, pk__gt=last))


def _row(row: Document) -> dict[str, Any]:
    shown = {name: getattr(row, name) for name in SHOWN} | {"message": sentences.said(row.sentence)}
    counts = {"pages": queries.pages_of(row), "chunks": row.chunk_count, "fraction": row.fraction}
    waiting = {"waiting": row.waiting.model_dump(mode="json") if row.state == State.PENDING and row.not_before else None}
    return {"document": str(row.pk), "collection": row.collection.name, **shown, **counts, **waiting}


def _state_now(document: UUID) -> str | None:
    """Return the document's state, None for one that is gone already."""
    found: str | None = Document.objects.filter(pk=document).values_list("state", flat=True).first()
    return found
