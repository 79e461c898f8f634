"""Files from a browser -> documents. What is decided of them is in `services` and `steering`.

With scripts each file is its own request, so that each has a bar and a refusal of its own; it is held until all are there, and then
they are ingested together, because Dagster packs small documents into one run. Without scripts the form sends all at once.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import TypeAdapter, ValidationError

from aegis_assets.errors import AegisError
from aegis_assets.settings import settings
from webadmin.console import sentences
from webadmin.console.audit import trail
from webadmin.console.page import READING, WRITING, api, page, render
from webadmin.console.upload import kept, queries
from webadmin.console.upload.forms import UploadForm
from webadmin.documents import services, steering
from webadmin.documents.models import Document

TITLE: Final = gettext_lazy("Upload documents")
MOST_FILES: Final = 5000  # that one question may name
ANNOUNCED: Final = TypeAdapter(list[queries.Announced])
IDS: Final = TypeAdapter(list[UUID])
TEXTS: Final = {
    "hashing": gettext_lazy("being compared …"),
    "waiting": gettext_lazy("waits"),
    "sending": gettext_lazy("being sent …"),
    "lost": gettext_lazy("The connection broke; try again."),
    "remove": gettext_lazy("Take off the list"),
    "too_large": gettext_lazy("Larger than {} MB."),
    "closed": gettext_lazy("{} cannot be read."),
    "chosen": gettext_lazy("{} files, {} of them to be sent"),
    "collection": gettext_lazy("Choose a collection or name a new one."),
    "begun": gettext_lazy("{} documents are being ingested."),
    "held": gettext_lazy("{} documents wait until somebody ingests them."),
    "progress": gettext_lazy("Upload of {}"),
}


@page("documents.add_document", methods=(*READING, *WRITING))
def upload(request: HttpRequest) -> HttpResponse:
    form = _form(request)
    outcomes: list[services.Outcome] = []
    notice = ""
    if request.method == "POST" and form.is_valid():
        outcomes = [services.too_large(name) for name in getattr(request, "too_large", [])]
        outcomes += services.upload_all(form.cleaned_data["files"], form.collection_name)
        if not outcomes:
            form.add_error("files", _("Choose at least one file."))
        kept.write_down(request, outcomes)
        notice = kept.begin(request, outcomes, form.cleaned_data["ingest"] and request.user.has_perm("documents.ingest_document"))
    shown = UploadForm(initial={"collection": form.data.get("collection")}) if outcomes else form
    context = {
        "form": shown,
        "outcomes": outcomes,
        "notice": notice,
        "texts": {name: str(text) for name, text in TEXTS.items()},
        "most_mb": settings().max_file_mb,
        "may_ingest": request.user.has_perm("documents.ingest_document"),
    }
    return render(request, "console/upload/upload.html", context, title=TITLE)


@api("documents.add_document", methods=WRITING)
def known(request: HttpRequest) -> JsonResponse:
    """What the files would be. Reads only; a POST because thousands of names fit no address."""
    try:
        files = ANNOUNCED.validate_json(request.POST.get("files", ""))
    except ValidationError:
        return JsonResponse({"error": _("This is no list of files.")}, status=400)
    if len(files) > MOST_FILES:
        return JsonResponse({"error": _("Choose at most {} files at once.").format(MOST_FILES)}, status=400)
    found = queries.known(request.POST.get("collection", ""), files)
    return JsonResponse({"files": [one.model_dump() for one in found]})


@api("documents.add_document", methods=WRITING)
def one(request: HttpRequest) -> JsonResponse:
    """One file of several, held until `begin`. path: its place below a folder that was chosen, else its name."""
    form = _form(request)
    if not form.is_valid():
        return JsonResponse({"error": " ".join(str(text) for texts in form.errors.values() for text in texts)}, status=400)
    too_large = getattr(request, "too_large", [])
    files = form.cleaned_data["files"]
    if too_large:
        outcome = services.too_large(too_large[0])
    elif files:
        path = request.POST.get("path") or files[0].name or ""
        outcome = services.receive(files[0], path, path, form.collection_name)
    else:
        return JsonResponse({"error": _("Choose at least one file.")}, status=400)
    kept.write_down(request, [outcome])
    notice = kept.begin(request, [outcome], at_once=False)
    address = reverse("admin:documents_document_change", args=[outcome.document]) if outcome.document else ""
    told: dict[str, Any] = outcome.model_dump(mode="json", exclude={"state", "made_collection"})
    told |= {"url": address, "notice": sentences.said(notice), "sentence": sentences.said(outcome.sentence)}
    return JsonResponse(told)


@api("documents.ingest_document", methods=WRITING)
def begin(request: HttpRequest) -> JsonResponse:
    """Ingest what was uploaded, all of it together."""
    try:
        documents = IDS.validate_json(request.POST.get("documents", ""))
    except ValidationError:
        return JsonResponse({"error": _("An id is not a UUID.")}, status=400)
    try:
        result = steering.ingest(documents)
    except AegisError as error:
        return JsonResponse({"error": sentences.said(error.message)}, status=503)
    trail.record_each(request, "document.ingest", Document.objects.filter(pk__in=result.done))
    refused = [f"{refusal.name}: {sentences.said(refusal.sentence)}" for refusal in result.refused]
    return JsonResponse({"done": len(result.done), "refused": refused, "notice": sentences.said(result.notice)})


def _form(request: HttpRequest) -> UploadForm:
    given = (request.POST, request.FILES) if request.method == "POST" else ()
    return UploadForm(*given, may_make_collections=request.user.has_perm("documents.add_collection"))
