"""Dagster's own queue asks our coordinator for the number of runs at once, and takes runs in the order of their priorities."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon

from aegis_assets import settings as settings_module
from aegis_assets.dagster_ext import coordinator
from aegis_assets.dagster_ext.coordinator import EPOCH, PRIORITY_TAG, priority
from aegis_assets.embedded import bootstrap
from aegis_assets.embedded.postgres import Postgres
from aegis_assets.model.launch import SIZE_TAG
from aegis_assets.stores.ledger import Ledger
from tests.defs.light import engine_of

LIMIT = """
INSERT INTO aegis_limit (name, value) VALUES ('parallel_documents', %(value)s)
ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"""
UPGRADED = (
    "Dagster's queue asks its coordinator otherwise than by get_run_queue_config: see who reads max_concurrent_runs in"
    " dagster/_daemon/run_coordinator, and give it AegisRunCoordinator's number there."
)


@dataclass
class Queue:
    """Dagster's queue as the stack has it: the project's dagster.yaml, Dagster's tables and the ledger in PostgreSQL."""

    instance: dg.DagsterInstance
    ledger: Ledger

    def submit(self, name: str, tags: Mapping[str, str] | None = None) -> str:
        @dg.job(name="ingest")
        def ingest() -> None: ...

        place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("aegis"), "__repository__")
        origin = RemoteJobOrigin(place, "ingest")
        run = self.instance.create_run_for_job(ingest, tags={"name": name, **(tags or {})}, remote_job_origin=origin)
        return self.submit_again(run).run_id

    def submit_again(self, run: dg.DagsterRun) -> dg.DagsterRun:
        return self.instance.run_coordinator.submit_run(dg.SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]

    def run(self, run_id: str) -> dg.DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def taken(self) -> list[str]:
        """The runs that would be launched next."""
        daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
        config = self.instance.get_concurrency_config()
        return [run.run_id for run in daemon._get_runs_to_dequeue(self.instance, config, None)]

    def limit(self, documents: int) -> None:
        with self.ledger.connection() as connection:
            connection.execute(LIMIT, {"value": documents})


@pytest.fixture
def queue(ledger_url: str, postgres_server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    database = f"queue_{os.getpid()}_{time.monotonic_ns()}"
    url = postgres_server.ensure_database(database).replace("postgresql://", "postgresql+psycopg2://", 1)
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    monkeypatch.setenv("AEGIS_POSTGRES_URL", ledger_url)
    monkeypatch.setenv("AEGIS_DAGSTER_POSTGRES_URL", url)
    monkeypatch.setenv("DAGSTER_HOME", str(bootstrap.dagster_home(tmp_path)))
    settings_module.settings.cache_clear()
    coordinator._ledger.cache_clear()
    with dg.DagsterInstance.get() as instance:
        yield Queue(instance, coordinator._ledger())
        engine_of(instance).dispose()
    coordinator._ledger().close()
    coordinator._ledger.cache_clear()
    settings_module.settings.cache_clear()
    postgres_server.drop_database(database)


def test_a_page_goes_before_books_that_wait_and_no_book_waits_for_pages_without_end() -> None:
    """Books at once, then a page every second, all larger than what is free."""
    names = {"book": "20000000", "page": "10000", "unknown": None, "monstrous": "9" * 5000}
    came = [("book", 0), ("book", 1), ("unknown", 2), ("monstrous", 2), *(("page", second) for second in range(3, 1000))]
    runs = [_run(name, second, names[name]) for name, second in came]
    order = [(run.tags["name"], int(run.tags["came"])) for run in QueuedRunCoordinatorDaemon(1)._priority_sort(runs)]
    assert order[0] == ("page", 3), "it came after two books"
    assert order.index(("book", 0)) < order.index(("page", 401)), "a book of 20 MB waits for 400 seconds of pages"
    assert order.index(("book", 0)) < order.index(("book", 1))
    assert order.index(("monstrous", 2)) < order.index(("page", 603))
    assert order.index(("unknown", 2)) < order.index(("page", 33))


def _run(name: str, came: int, size: str | None) -> dg.DagsterRun:
    tags = {"name": name, "came": str(came)} | ({} if size is None else {SIZE_TAG: size})
    return dg.DagsterRun(job_name="ingest", tags=tags | {PRIORITY_TAG: str(priority(tags, EPOCH + came))})


def test_priorities_fit_where_dagster_keeps_those_of_steps_for_fifty_years() -> None:
    assert -(2**31) < priority({SIZE_TAG: "9" * 50}, time.time() + 50 * 365 * 86_400) < coordinator.OURS


def test_the_queue_gives_the_page_that_came_last_before_the_books(queue: Queue) -> None:
    now = time.time()
    books = [queue.submit("book", {SIZE_TAG: "20000000"}) for _ in range(3)]
    parent = {SIZE_TAG: "20000000", PRIORITY_TAG: str(priority({SIZE_TAG: "0"}, now - 500))}
    again = queue.submit("a book that is executed again, with its parent's tags", parent)
    page = queue.submit("page", {SIZE_TAG: "5000"})
    urgent = queue.submit("a person's", {SIZE_TAG: "20000000", PRIORITY_TAG: "-3"})
    odd = queue.submit("odd", {SIZE_TAG: "20000000", PRIORITY_TAG: "soon"})
    assert {queue.run(run).status for run in (*books, again, page)} == {dg.DagsterRunStatus.QUEUED}
    assert EPOCH - int(queue.run(books[0]).tags[PRIORITY_TAG]) == pytest.approx(now + 400, abs=60)
    queue.limit(7)
    taken = queue.taken()
    assert taken[:2] == [urgent, page]
    assert set(taken[2:]) == {*books, again, odd}, UPGRADED
    assert books.index(taken[2]) == 0
    assert queue.run(urgent).tags[PRIORITY_TAG] == "-3"
    before = queue.run(page).tags[PRIORITY_TAG]
    queue.submit_again(queue.run(page))
    assert queue.run(page).tags[PRIORITY_TAG] == before, "a run that is in the queue already keeps its priority"


def test_the_number_of_documents_at_once_follows_the_console(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [queue.submit(f"run {number}", {PRIORITY_TAG: str(-number)}) for number in range(6)]
    assert queue.taken() == runs[:2], f"as the settings say. {UPGRADED}"
    queue.limit(5)
    assert queue.taken() == runs[:5], UPGRADED
    with monkeypatch.context() as patched:
        patched.setattr(coordinator, "_ledger", lambda: Ledger("postgresql://nobody@127.0.0.1:1/none"))
        assert queue.taken() == runs[:2], "a ledger that is away lets runs go on by the settings"
