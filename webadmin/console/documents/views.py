"""Requests of the document pages -> templates. Parses and renders; what happens is decided in `steering`."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from aegis_assets.errors import AegisError
from webadmin.console import sentences
from webadmin.console.audit import trail
from webadmin.console.document.views import above, found
from webadmin.console.models import AuditEntry
from webadmin.console.page import WRITING, Crumb, page, render
from webadmin.documents import queries, retrying, steering
from webadmin.documents.models import Document

SENTENCES_SHOWN = 10
HISTORY_SHOWN = 200


@page("documents.view_document")
def history(request: HttpRequest, object_id: str) -> HttpResponse:
    """Show what people did to a document. Whoever may see it may see this, whatever else of the trail is theirs to see."""
    document = found(object_id)
    entries = AuditEntry.objects.filter(target_kind="document", target_id=str(document.pk))[:HISTORY_SHOWN]
    return render(request, "console/documents/history.html", {"entries": entries}, title=_("History"), crumbs=above(document))


@page(methods=WRITING)
def act(request: HttpRequest, document: UUID, action: steering.Action) -> HttpResponse:
    """Do one action on one document, from a button of its page."""
    one = found(str(document))
    if not request.user.has_perm(f"documents.{action.permission}"):
        raise PermissionDenied
    if action is steering.REMOVE and "confirm" not in request.POST:
        return _confirm(request, [one])
    _steer(request, [one], action)
    return HttpResponseRedirect(reverse("admin:documents_document_change", args=[one.pk]))


def steer(request: HttpRequest, queryset: QuerySet[Document], action: steering.Action) -> None:
    """Do one action on the documents ticked in the list."""
    _steer(request, list(queryset), action)


def retry_matching(request: HttpRequest, queryset: QuerySet[Document]) -> None:
    """Retry all documents that match the list's filter, however many they are."""
    count = 0
    try:
        for batch in retrying.retry_in_batches(queryset):
            trail.record_each(request, "document.retry", Document.objects.filter(pk__in=batch))
            count += len(batch)
    except AegisError as error:
        messages.error(request, sentences.said(error.message))
    if count:
        messages.success(request, str(steering.RETRY.done).format(ngettext("{} document", "{} documents", count).format(count)))
    else:
        messages.warning(request, _("None of these documents failed, is partial or was cancelled."))


def confirm_removal(request: HttpRequest, queryset: QuerySet[Document]) -> HttpResponse | None:
    documents = list(queryset)
    if "confirm" not in request.POST:
        return _confirm(request, documents)
    _steer(request, documents, steering.REMOVE)
    return None


def _confirm(request: HttpRequest, documents: list[Document]) -> HttpResponse:
    context = {
        "documents": documents[:100],
        "more": max(0, len(documents) - 100),
        "ids": [document.pk for document in documents],
        "total": len(documents),
        "weight": queries.weight([document.pk for document in documents]),
        "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        "changelist": reverse("admin:documents_document_changelist"),
        "kept": _page_of(documents),
    }
    return render(request, "console/documents/remove.html", context, title=_("Remove documents"), crumbs=_above())


def _page_of(documents: list[Document]) -> str:
    """Return the address where they are seen again: one on its own page, several in the list."""
    if len(documents) == 1:
        return reverse("admin:documents_document_change", args=[documents[0].pk])
    return reverse("admin:documents_document_changelist")


def _above() -> list[Crumb]:
    return [(_("Documents"), reverse("admin:documents_document_changelist"))]


def _steer(request: HttpRequest, documents: list[Document], action: steering.Action) -> None:
    try:
        result = action.steer([document.pk for document in documents])
    except AegisError as error:
        messages.error(request, sentences.said(error.message))
        return
    if result.done:
        done = set(result.done)
        trail.record_each(request, f"document.{action.name}", [document for document in documents if document.pk in done])
        count = len(result.done)
        said = ngettext("{} document", "{} documents", count).format(count)
        messages.success(request, str(action.done).format(said))
    for refusal in result.refused[:SENTENCES_SHOWN]:
        messages.error(request, f"{refusal.name}: {sentences.said(refusal.sentence)}")
    if len(result.refused) > SENTENCES_SHOWN:
        messages.error(request, _("{} more were refused.").format(len(result.refused) - SENTENCES_SHOWN))
    if result.notice:
        messages.warning(request, sentences.said(result.notice))
