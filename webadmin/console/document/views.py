"""Requests about one document -> its page, and the parts of it that scripts fetch again. Nothing here changes anything."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from aegis_assets.errors import AegisError
from aegis_assets.model.document import AT_REST, Stage, State
from aegis_assets.model.ledger import Counts
from aegis_assets.model.partition import partition_key
from webadmin.console.document import chunk as chunks
from webadmin.console.document import queries
from webadmin.console.document.failures import failures
from webadmin.console.document.generations import generations
from webadmin.console.document.grid import CELLS, WINDOW, Grid, grid, recent
from webadmin.console.document.waterfall import Waterfall, chosen, waterfall
from webadmin.console.page import Crumb, api, page, render
from webadmin.documents import platform, steering
from webadmin.documents.models import Document, Placement, RunDocument
from webadmin.documents.queries import documents, placements

PAGED: Final = ("pdf", "image")


@page("documents.view_document")
def detail(request: HttpRequest, object_id: str) -> HttpResponse:
    document = found(object_id)
    stages, fraction = _progress(document)
    cells = grid(document.pk)
    runs = queries.runs(document.pk, request.GET.get("run", ""))
    context = {
        "document": document,
        "moving": State(document.state) not in AT_REST,
        "stages": stages,
        "fraction": f"{fraction:.4f}",
        "percent": int(fraction * 100),
        "facts": _facts(document),
        "counts": _counts(document),
        "failures": failures(document.pk),
        "standing": queries.standing(document.pk),
        "generations": generations(document.pk),
        "grid": cells,
        "cells": cells._asdict() if cells else None,
        "legend": [*CELLS.items(), *WINDOW.items()],
        "first_chunk": _first(document, cells),
        "actions": _offered(request, document),
        **_time(request, document, runs),
        **_in_dagster(document, runs),
    }
    return render(request, "console/document/detail.html", context, title=document.name, crumbs=_above())


@page("documents.view_document")
def time(request: HttpRequest, document: UUID) -> HttpResponse:
    """The waterfall alone, while it grows."""
    one = found(str(document))
    return TemplateResponse(request, "console/document/waterfall.html", _time(request, one, queries.runs(one.pk)))


@page("documents.view_document")
def chunk(request: HttpRequest, document: UUID, chunk: UUID) -> HttpResponse:
    """By its id, which stays through revisions: what other pages link to. ?from=&to= points out a span of its text."""
    one = found(str(document))
    return _chunk(request, one, chunks.find(one.pk, queries.shown(one), chunk))


@page("documents.view_document")
def chunk_at(request: HttpRequest, document: UUID, window: int, ordinal: int) -> HttpResponse:
    """By its cell in the grid."""
    one = found(str(document))
    return _chunk(request, one, chunks.at(queries.shown(one), window, ordinal))


@page("documents.view_document")
def text(request: HttpRequest, document: UUID) -> HttpResponse:
    """All chunks, to read and to search with the browser."""
    one = found(str(document))
    context = {"document": one, "chunks": placements(one, request.GET.get("page"))}
    return render(request, "console/document/text.html", context, title=_("Text"), crumbs=above(one))


@api("documents.view_document")
def cells(request: HttpRequest, document: UUID) -> JsonResponse:
    """{"state", "generation", "paged", "windows": [[ordinal, first, last, mark, cells]]}: see `recent`."""
    now = recent(document)
    if now is None:
        return JsonResponse({"error": _("There is no such document.")}, status=404)
    return JsonResponse(now._asdict())


def found(object_id: str) -> Document:
    try:
        return documents().get(pk=UUID(object_id))
    except (ValueError, Document.DoesNotExist) as error:
        raise Http404("There is no such document.") from error


def above(document: Document) -> list[Crumb]:
    return [*_above(), (document.name, reverse("admin:documents_document_change", args=[document.pk]))]


def _above() -> list[Crumb]:
    return [(_("Documents"), reverse("admin:documents_document_changelist"))]


def _chunk(request: HttpRequest, document: Document, place: Placement | None) -> HttpResponse:
    if place is None:
        raise Http404("There is no such chunk.")
    read = chunks.reading(place, queries.shown(document), document.format in PAGED, _span(request))
    context = {"document": document, "chunk": read}
    if "HX-Request" in request.headers:
        return TemplateResponse(request, "console/document/chunk.html", context)
    title = _("Chunk {}").format(read.number)
    return render(request, "console/document/chunk_page.html", context, title=title, crumbs=above(document))


def _span(request: HttpRequest) -> tuple[int, int] | None:
    """None where the address names no span, or nonsense."""
    begin, end = request.GET.get("from", ""), request.GET.get("to", "")
    if not (begin.isdecimal() and end.isdecimal() and len(begin) < 9 and len(end) < 9):
        return None
    return (int(begin), int(end)) if int(begin) < int(end) else None


def _first(document: Document, cells: Grid | None) -> str:
    """Address of the chunk that is shown unasked, '' where there is none."""
    first = cells.first() if cells else None
    return reverse("console:chunk-at", args=[document.pk, *first]) if first else ""


def _time(request: HttpRequest, document: Document, runs: list[RunDocument]) -> dict[str, Waterfall | Document | None]:
    run = chosen(runs, request.GET.get("run", ""))
    return {"document": document, "time": waterfall(document.pk, run, document.format in PAGED) if run else None}


def _progress(document: Document) -> tuple[list[dict[str, Any]], float]:
    """Zeros when the ledger's driver cannot tell: the page's other half still helps."""
    try:
        now = platform.ledger().progress(document.pk)
    except AegisError:
        return [{"name": stage, "total": 0, "done": 0, "failed": 0, "in_flight": 0} for stage in Stage], document.fraction
    return [{"name": stage.value, **counts.model_dump()} for stage, counts in now.stages.items()], now.fraction


def _counts(document: Document) -> Counts | None:
    """As `ingest` prints them."""
    try:
        return platform.ledger().counts(document.pk)
    except AegisError:
        return None


def _facts(document: Document) -> list[tuple[str, object]]:
    return [
        (_("Collection"), document.collection.name),
        (_("Source"), f"{document.get_source_display()}: {document.source_key}"),
        (_("Format"), document.format),
        (_("Size"), filesizeformat(document.size)),
        (_("Parser"), document.parser),
        (_("Embedder"), document.embedder),
        (_("Extractor"), document.extractor),
        (_("SHA-256"), document.sha256),
        (_("Id"), document.pk),
        (_("Partition"), _partition(document)),
    ]


def _partition(document: Document) -> str:
    return partition_key(document.collection.name, document.source_key, document.pk)


def _in_dagster(document: Document, runs: list[RunDocument]) -> dict[str, object]:
    dagster = platform.dagster()
    current = bool(document.run_id) and not document.run_id.startswith("claim:")
    rows = [
        {
            "row": run,
            "address": dagster.run_address(run.run_id),
            "seconds": (run.finished_at - run.started_at).total_seconds() if run.finished_at else None,
        }
        for run in runs
    ]
    partition = dagster.partition_address(_partition(document))
    return {"runs": rows, "partition_address": partition, "run_address": dagster.run_address(document.run_id) if current else ""}


def _offered(request: HttpRequest, document: Document) -> list[dict[str, object]]:
    return [
        {"name": action.name, "label": action.label, "url": reverse(f"admin:documents_document_{action.name}", args=[document.pk])}
        for action in steering.ACTIONS
        if State(document.state) in action.states and request.user.has_perm(f"documents.{action.permission}")
    ]
