"""What runs, how fast, what waits, what failed: read in a constant number of queries, and once a second whoever looks."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import Final
from uuid import UUID

from django.db.models import Count, F, Max, OuterRef, Subquery
from django.db.models.functions import TruncMinute
from django.utils import timezone

from aegis_assets.model.document import Mark, Stage, State
from aegis_assets.model.parsing import Frozen
from aegis_assets.stores.leases import LIMITS
from webadmin.documents import platform
from webadmin.documents.models import ChunkTask, Document, Failure, RunDocument
from webadmin.shared_reading import shared_readings

RUNNING_SHOWN: Final = 12
KINDS_SHOWN: Final = 8
MINUTES: Final = 60
SURE_FROM: Final = 0.03  # of a document; what it still takes is a guess before that
KEPT_SECONDS: Final = 1.0


class Running(Frozen):
    """seconds: since its run began on it. left: seconds, None while unknown."""

    id: UUID
    name: str
    collection: str
    state: State
    fraction: float
    seconds: int
    left: int | None

    @property
    def percent(self) -> int:
        return int(self.fraction * 100)


class Minute(Frozen):
    """height: of 0 to 100, the busiest minute being 100."""

    at: datetime
    chunks: int
    height: int

    @property
    def rate(self) -> float:
        return self.chunks / 60

    @property
    def top(self) -> int:
        return 100 - self.height


class Use(Frozen):
    resource: str
    held: int
    capacity: int
    waiting: int


class FailureKind(Frozen):
    stage: str
    kind: str
    count: int
    documents: int
    document: UUID
    message: str


class Work(Frozen):
    """states: documents by state, all of them. chunks: done within the last hour, by minute."""

    states: dict[str, int]
    running: tuple[Running, ...]
    minutes: tuple[Minute, ...]
    uses: tuple[Use, ...]
    failures: tuple[FailureKind, ...]

    @property
    def chunks(self) -> int:
        return sum(minute.chunks for minute in self.minutes)

    @property
    def rate(self) -> float:
        """Chunks per second over the last two whole minutes, so that a minute that has just begun does not read as a stop."""
        return sum(minute.chunks for minute in self.minutes[-3:-1]) / 120

    @property
    def best(self) -> float:
        return max((minute.rate for minute in self.minutes), default=0.0)


def work() -> Work:
    """At most a second old: viewers share one reading."""
    return shared_readings.get("console.work", read, KEPT_SECONDS)


def read() -> Work:
    now = timezone.now()
    return Work(states=_states(), running=_running(now), minutes=_minutes(now), uses=_uses(), failures=_failures())


def _states() -> dict[str, int]:
    counted = dict(Document.objects.order_by().values_list("state").annotate(number=Count("id")))
    return {state.value: counted.get(state.value, 0) for state in State}


def _running(now: datetime) -> tuple[Running, ...]:
    began = RunDocument.objects.filter(document=OuterRef("pk"), run_id=OuterRef("run_id")).values("started_at")[:1]
    rows = (
        Document.objects.filter(state__in=[State.RUNNING, State.QUEUED])
        .annotate(began=Subquery(began))
        .order_by("-state", F("began").asc(nulls_last=True), "created_at")
        .values("id", "name", "collection__name", "state", "fraction", "began")[:RUNNING_SHOWN]
    )
    return tuple(
        Running(
            id=row["id"],
            name=row["name"],
            collection=row["collection__name"],
            state=State(row["state"]),
            fraction=row["fraction"],
            seconds=(seconds := int((now - row["began"]).total_seconds()) if row["began"] else 0),
            left=_left(row["fraction"], seconds),
        )
        for row in rows
    )


def _left(fraction: float, seconds: int) -> int | None:
    """The fraction weighs stages by what they cost, so what is left of it takes as long in proportion."""
    return ceil(seconds * (1 - fraction) / fraction) if fraction >= SURE_FROM and seconds else None


def _minutes(now: datetime) -> tuple[Minute, ...]:
    """Chunks whose extraction ended, by minute. Through the documents that changed within the hour: tasks have no index on time."""
    first = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    moved = Document.objects.filter(updated_at__gte=first).values("pk")
    rows = (
        ChunkTask.objects.filter(
            document__in=moved, stage=Stage.EXTRACT, state__in=[Mark.DONE, Mark.SKIPPED], finished_at__gte=first
        )
        .order_by()
        .annotate(minute=TruncMinute("finished_at"))
        .values_list("minute")
        .annotate(number=Count("id"))
    )
    counted = dict(rows)
    most = max(counted.values(), default=0)
    ats = [first + timedelta(minutes=number) for number in range(MINUTES)]
    return tuple(
        Minute(at=at, chunks=counted.get(at, 0), height=ceil(100 * counted.get(at, 0) / most) if most else 0) for at in ats
    )


def _uses() -> tuple[Use, ...]:
    """Of living holders only, whatever a killed one left in the table."""
    leases = platform.leases()
    capacities, rows = leases.capacities(), leases.holders()
    return tuple(
        Use(
            resource=resource,
            held=sum(row.weight for row in rows if row.resource == resource and row.held),
            capacity=capacities[resource],
            waiting=sum(row.resource == resource and not row.held for row in rows),
        )
        for resource in LIMITS
    )


def _failures() -> tuple[FailureKind, ...]:
    """Unresolved ones, the commonest first, each with its newest example."""
    rows = list(
        Failure.objects.filter(resolved=False)
        .order_by()
        .values("stage", "kind")
        .annotate(number=Count("id"), documents=Count("document", distinct=True), newest=Max("id"))
        .order_by("-number", "stage", "kind")[:KINDS_SHOWN]
    )
    newest = Failure.objects.in_bulk([row["newest"] for row in rows])
    return tuple(
        FailureKind(
            stage=row["stage"],
            kind=row["kind"],
            count=row["number"],
            documents=row["documents"],
            document=newest[row["newest"]].document_id,
            message=newest[row["newest"]].message,
        )
        for row in rows
        if row["newest"] in newest  # resolved and removed by a run in between
    )
