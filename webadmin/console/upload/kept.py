"""Files that became documents -> the audit trail, and work on them or a hold: for the pages and for the API."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest

from aegis_assets.errors import AegisError
from webadmin.console.audit import trail
from webadmin.documents import services, steering
from webadmin.documents.models import Collection, Document


def write_down(request: HttpRequest, outcomes: Sequence[services.Outcome]) -> None:
    made = [outcome.document for outcome in outcomes if outcome.made_collection]
    trail.record_each(request, "collection.add", Collection.objects.filter(documents__in=made))
    kept = [outcome.document for outcome in outcomes if outcome.outcome in ("new", "revised")]
    trail.record_each(request, "document.upload", Document.objects.filter(pk__in=kept))


def begin(request: HttpRequest, outcomes: Sequence[services.Outcome], at_once: bool) -> str:
    """Launch what waits, or keep from being launched what waits because of these files: not what somebody else asked for.

    Returns what the person should know, '' normally.
    """
    waiting = [outcome.document for outcome in outcomes if outcome.document and outcome.pending and outcome.outcome != "duplicate"]
    ours = [outcome.document for outcome in outcomes if outcome.document and outcome.made_pending]
    try:
        result = steering.ingest(waiting) if at_once else steering.hold(ours)
    except AegisError as error:  # the files are kept and Dagster's sensor takes up what is pending
        return error.message
    if at_once:
        trail.record_each(request, "document.ingest", Document.objects.filter(pk__in=result.done))
    return result.notice
