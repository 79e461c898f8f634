"""What the page of a document shows beside grid and waterfall: what stands, runs, and which generation."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from webadmin.documents.models import Document, Failure, RunDocument

RUNS_SHOWN: Final = 20


def standing(document: UUID) -> int:
    """Failures that are not resolved."""
    return Failure.objects.filter(document=document, resolved=False).count()


def runs(document: UUID, wanted: str = "") -> list[RunDocument]:
    """The newest, and the one that was asked for."""
    rows = RunDocument.objects.filter(document=document).order_by("-started_at")
    found = list(rows[:RUNS_SHOWN])
    if wanted and all(run.run_id != wanted for run in found):
        found += rows.filter(run_id=wanted)[:1]
    return found


def shown(document: Document) -> int | None:
    """The generation in the making, else the live one."""
    making: int | None = document.making_id
    return making or document.live_id
