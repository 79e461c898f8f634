"""What the limits are used for now: leases and who has them, chunks in flight, documents, and Dagster's queue and pools."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Count, Q
from django.utils import timezone

from aegis_assets.errors import AegisError
from aegis_assets.model.document import Mark, Stage, State
from aegis_assets.model.parsing import Frozen
from aegis_assets.settings import settings
from aegis_assets.stores.leases import LIMITS
from webadmin.console.limits.numbers import ACTING, changes, shown
from webadmin.documents import platform
from webadmin.documents.models import ChunkTask, Document
from webadmin.orchestrator.client import DagsterClient, Pool, Queue
from webadmin.shared_reading import shared_readings

KEPT_SECONDS: Final = 1.0
HOLDERS_SHOWN: Final = 8
DOCUMENTS_SHOWN: Final = 5
PATIENCE: Final = 2.0  # for Dagster: the rest of the page does not wait for it


class Holder(Frozen):
    """document: None for a lease that is for no document, such as a dry run. since: of being held, or of waiting."""

    name: str
    document: UUID | None
    weight: int
    held: bool
    holder: str
    since: datetime

    @property
    def seconds(self) -> float:
        return max(0.0, (timezone.now() - self.since).total_seconds())


class InFlight(Frozen):
    document: UUID
    name: str
    chunks: int


class Use(Frozen):
    """Of one number. used is of the same kind as the number; more: holders that are not shown. ceiling: above a capacity that is
    found out, 0 for none. answered: requests in the last minute, None where nobody counts them."""

    name: str
    used: int
    capacity: int
    waiting: int = 0
    holders: tuple[Holder, ...] = ()
    more: int = 0
    ceiling: int = 0
    answered: int | None = None
    in_flight: tuple[InFlight, ...] = ()

    @property
    def over(self) -> bool:
        return self.used > self.capacity


class Engaged(Frozen):
    """problem: why leases cannot be told, '' when they can."""

    uses: dict[str, Use]
    problem: str = ""


class Dagster(Frozen):
    queue: Queue | None = None
    pools: tuple[Pool, ...] = ()
    problem: str = ""


def engaged() -> Engaged:
    """At most a second old: viewers share one reading."""
    return shared_readings.get("console.limits", read, KEPT_SECONDS)


def read() -> Engaged:
    changed = changes()
    capacity = {number.name: shown(number, changed).value for number in ACTING}
    uses = {
        "parallel_documents": _documents(capacity["parallel_documents"]),
        "parallel_chunks_per_doc": _chunks(capacity["parallel_chunks_per_doc"]),
        "embedding_batch_size": _embedding(capacity["embedding_batch_size"]),
    }
    try:
        uses |= _leases(capacity)
    except AegisError as error:
        return Engaged(uses=uses, problem=error.message)
    return Engaged(uses=uses)


def _documents(capacity: int) -> Use:
    states = Document.objects.aggregate(
        running=Count("id", filter=Q(state=State.RUNNING)), waiting=Count("id", filter=Q(state__in=[State.QUEUED, State.PENDING]))
    )
    return Use(name="parallel_documents", used=states["running"], capacity=capacity, waiting=states["waiting"])


def _chunks(capacity: int) -> Use:
    """The busiest documents. The number is each document's own, so the fullest one is what it is used to."""
    rows = (
        ChunkTask.objects.filter(document__state=State.RUNNING, stage=Stage.EXTRACT, state=Mark.RUNNING)
        .order_by()
        .values("document", "document__name")
        .annotate(chunks=Count("id"))
        .order_by("-chunks", "document")[:DOCUMENTS_SHOWN]
    )
    found = tuple(InFlight(document=row["document"], name=row["document__name"], chunks=row["chunks"]) for row in rows)
    return Use(
        name="parallel_chunks_per_doc", used=max((one.chunks for one in found), default=0), capacity=capacity, in_flight=found
    )


def _embedding(capacity: int) -> Use:
    running = ChunkTask.objects.filter(document__state=State.RUNNING, stage=Stage.EMBED, state=Mark.RUNNING).count()
    return Use(name="embedding_batch_size", used=running, capacity=capacity)


def _leases(capacity: dict[str, int]) -> dict[str, Use]:
    """Of living holders only, whatever a killed one left in the table."""
    leases = platform.leases()
    rows, found = leases.holders(), leases.found_limit("ollama")
    names = dict(Document.objects.filter(pk__in={row.owner for row in rows}).values_list("pk", "name"))
    uses = {}
    for resource, limit in LIMITS.items():
        here = [row for row in rows if row.resource == resource]
        holders = tuple(
            Holder(
                name=names.get(row.owner, ""),
                document=row.owner if row.owner in names else None,
                weight=row.weight,
                held=row.held,
                holder=row.holder,
                since=row.granted_at or row.requested_at,
            )
            for row in here[:HOLDERS_SHOWN]
        )
        uses[limit] = Use(
            name=limit,
            used=sum(row.weight for row in here if row.held),
            capacity=capacity[limit],
            waiting=sum(not row.held for row in here),
            holders=holders,
            more=max(0, len(here) - HOLDERS_SHOWN),
        )
    name = LIMITS["ollama"]
    uses[name] = uses[name].model_copy(
        update={"capacity": found.limit, "ceiling": found.ceiling if found.auto else 0, "answered": found.answered}
    )
    return uses


def dagster() -> Dagster:
    """A second old at most, as above."""
    return shared_readings.get("console.limits.dagster", _occupancy, KEPT_SECONDS)


def _occupancy() -> Dagster:
    """A Dagster that is away is a sentence."""
    try:
        queue, pools = DagsterClient(settings().dagster_address, timeout=PATIENCE).occupancy()
    except AegisError as error:
        return Dagster(problem=error.message)
    return Dagster(queue=queue, pools=pools)
