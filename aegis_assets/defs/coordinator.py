"""The queue of runs, whose daemon is told when there is something for it to do, and in which a page waits for no book.

Dagster's own daemon looks once a second, in steps of half a second, which was half of what a run took to begin. Here whoever puts a
run into the queue, and a run that ends and so makes room, sends a notification of PostgreSQL. The interval of dagster.yaml still
finds what nobody told of.

A run waits as if it had been launched later by about the time that its work takes. So a page that is uploaded behind ten books is
the next, and no book waits longer for pages that come all the while than it takes itself.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from threading import Event
from typing import Any, Final

import psycopg2  # type: ignore[import-untyped]
import sqlalchemy
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.instance.config import ConcurrencyConfig
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster._core.workspace.context import IWorkspaceProcessContext
from dagster._daemon.daemon import DaemonIterator
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon
from dagster_shared.record import copy

from aegis_assets.errors import AegisError
from aegis_assets.logs import logger
from aegis_assets.model.launch import BYTES_PER_SECOND, MAX_SECONDS, SIZE_TAG
from aegis_assets.settings import settings
from aegis_assets.stores.ledger import Ledger

log = logger(__name__)
NOTIFY: Final = "NOTIFY aegis_queue"
LISTEN: Final = "LISTEN aegis_queue"
STEP_SECONDS: Final = 0.5  # between looks at whether the daemon is to stop
TURN_TAG: Final = "aegis/turn"  # seconds of the epoch
UNKNOWN_SECONDS: Final = 30.0  # launched from Dagster's page


class PromptRunCoordinator(QueuedRunCoordinator):
    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        run = context.dagster_run
        if run.status == DagsterRunStatus.NOT_STARTED:  # whatever turn its tags say: a run that is executed again has its parent's
            self._instance.add_run_tags(run.run_id, {TURN_TAG: f"{turn(run.tags, time.time()):.3f}"})
        run = super().submit_run(context)
        tell(self._instance)
        return run


def turn(tags: Mapping[str, str], now: float) -> float:
    """Return the moment by which a run's place in the queue is found."""
    size = tags.get(SIZE_TAG, "")
    seconds = float(size) / BYTES_PER_SECOND if size.isascii() and size.isdigit() else UNKNOWN_SECONDS
    return now + min(seconds, MAX_SECONDS)


def tell(instance: DagsterInstance) -> None:
    """Tell the daemon that there is something to do. If that fails, the queue is looked at all the same, only later."""
    with suppress(Exception), engine_of(instance).connect() as connection:
        connection.execute(sqlalchemy.text(NOTIFY))


class PromptQueueDaemon(QueuedRunCoordinatorDaemon):
    """Also keeps to the number of documents at once that the console sets: Dagster itself reads its own once, when it starts."""

    def __init__(self, *positional: Any, ledger: Ledger | None = None, **named: Any) -> None:
        super().__init__(*positional, **named)
        self._ledger = ledger
        self._wanted: int | None = None

    def core_loop(self, workspace_process_context: IWorkspaceProcessContext[Any], shutdown_event: Event) -> DaemonIterator:
        ear = Ear(workspace_process_context.instance)
        try:
            while not shutdown_event.is_set():
                yield from self.run_iteration(workspace_process_context)
                until = time.monotonic() + self.interval_seconds
                while not shutdown_event.is_set() and time.monotonic() < until and not ear.heard(STEP_SECONDS, shutdown_event):
                    yield None
                yield None
        finally:
            ear.close()

    def _get_runs_to_dequeue(
        self, instance: DagsterInstance, concurrency_config: ConcurrencyConfig, fixed_iteration_time: float | None
    ) -> list[DagsterRun]:
        queue = concurrency_config.run_queue_config
        wanted = self._documents_at_once()
        if queue is not None and wanted is not None:
            concurrency_config = copy(concurrency_config, run_queue_config=queue._replace(max_concurrent_runs=wanted))
        return super()._get_runs_to_dequeue(instance, concurrency_config, fixed_iteration_time)

    def _priority_sort(self, runs: Iterable[DagsterRun]) -> list[DagsterRun]:
        """Sort by turn, and by Dagster's own tag of priority first, as there."""
        return super()._priority_sort(sorted(runs, key=_turn_of))

    def _documents_at_once(self) -> int | None:
        """Return the console's number, None where nobody changed it. A ledger that is away leaves it as it was."""
        if self._ledger is None:
            self._ledger = Ledger(settings().postgres_url.get_secret_value())
        with suppress(AegisError):
            self._wanted = self._ledger.limits().get("parallel_documents")
        return self._wanted


def _turn_of(run: DagsterRun) -> float:
    """Return the run's turn. A run from before there were turns, or whose tag somebody else wrote, is the next."""
    with suppress(ValueError):
        found = float(run.tags.get(TURN_TAG, ""))
        return found if math.isfinite(found) else 0.0
    return 0.0


class Ear:
    """A connection of its own that listens. One that cannot be had is the same as silence."""

    def __init__(self, instance: DagsterInstance) -> None:
        self._engine = engine_of(instance)
        self._connection: Any = None

    def heard(self, seconds: float, shutdown_event: Event) -> bool:
        """Wait that long for a notification, and return whether there was one."""
        try:
            if self._connection is None:
                self._connection = self._listening()
            readable, _, _ = select.select([self._connection], [], [], seconds)
            if readable:
                self._connection.poll()
            found = bool(self._connection.notifies)
            self._connection.notifies.clear()
            return found
        except (psycopg2.Error, sqlalchemy.exc.SQLAlchemyError, OSError, ValueError) as error:
            log.warning("queue_not_heard", error=type(error).__name__)
            self.close()
            shutdown_event.wait(seconds)
            return False

    def _listening(self) -> Any:
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()  # the pool would hand it to others
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(LISTEN)
        return connection

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg2.Error):
                connection.close()


def engine_of(instance: DagsterInstance) -> sqlalchemy.Engine:
    """Return the engine of PooledPostgresStorage."""
    engine = getattr(instance.run_storage, "_engine", None)
    assert isinstance(engine, sqlalchemy.Engine), "dagster_postgres keeps its engine elsewhere: look again how to share one"
    return engine
