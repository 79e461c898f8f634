"""The queue's daemon is told of a run, whoever tells it, and goes on where it cannot be told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import psycopg
import pytest
import sqlalchemy
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import EmptyWorkspaceTarget

from aegis_assets.defs.coordinator import TURN_TAG, Ear, PromptQueueDaemon, engine_of, tell, turn
from aegis_assets.embedded import bootstrap
from aegis_assets.embedded.postgres import Postgres
from aegis_assets.model.launch import SIZE_TAG
from aegis_assets.settings import ROOT, load
from aegis_assets.stores.ledger import Ledger
from tests.waiting import until

LIMIT = """
INSERT INTO aegis_limit (name, value) VALUES ('parallel_documents', %(value)s)
ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"""
LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN aegis_queue' AND datname = current_database()"
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN aegis_queue' AND pid <> pg_backend_pid()"


@pytest.fixture
def instance(database_url: str) -> Iterator[Any]:
    """What the coordinator knows of Dagster's instance."""
    url = database_url.replace("postgresql://", "postgresql+psycopg2://", 1)
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    yield SimpleNamespace(run_storage=SimpleNamespace(_engine=engine))
    engine.dispose()


@dataclass
class Queue:
    """Dagster's queue as the stack has it: the project's dagster.yaml, Dagster's tables and the ledger in PostgreSQL."""

    instance: dg.DagsterInstance
    ledger: Ledger
    daemon: PromptQueueDaemon

    def submit(self, name: str, tags: Mapping[str, str] | None = None) -> str:
        @dg.job(name="ingest")
        def ingest() -> None: ...

        place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("aegis"), "__repository__")
        origin = RemoteJobOrigin(place, "ingest")
        run = self.instance.create_run_for_job(ingest, tags={"name": name, **(tags or {})}, remote_job_origin=origin)
        self.instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]  # it needs none
        return run.run_id

    def run(self, run_id: str) -> dg.DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def taken(self) -> list[str]:
        """The runs that would be launched next."""
        config = self.instance.get_concurrency_config()
        return [run.run_id for run in self.daemon._get_runs_to_dequeue(self.instance, config, None)]

    def limit(self, documents: int) -> None:
        with self.ledger.connection() as connection:
            connection.execute(LIMIT, {"value": documents})

    def listeners(self) -> int:
        with engine_of(self.instance).connect() as connection:
            return int(connection.execute(sqlalchemy.text(LISTENERS)).scalar_one())


@pytest.fixture
def queue(ledger_url: str, postgres_server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    database = f"queue_{os.getpid()}_{time.monotonic_ns()}"
    url = postgres_server.ensure_database(database).replace("postgresql://", "postgresql+psycopg2://", 1)
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    monkeypatch.setenv("AEGIS_DAGSTER_POSTGRES_URL", url)
    monkeypatch.setenv("DAGSTER_HOME", str(bootstrap.dagster_home(tmp_path, load())))
    ledger = Ledger(ledger_url)
    with dg.DagsterInstance.get() as instance:
        yield Queue(instance, ledger, PromptQueueDaemon(interval_seconds=2, ledger=ledger))
        engine_of(instance).dispose()
    ledger.close()
    postgres_server.drop_database(database)


@pytest.fixture
def ear(instance: Any) -> Iterator[Ear]:
    one = Ear(instance)
    one.heard(0.0, threading.Event())
    yield one
    one.close()


def test_a_word_is_heard_at_once_and_only_once(instance: Any, ear: Ear) -> None:
    tell(instance)
    assert ear.heard(30.0, threading.Event())
    assert not ear.heard(0.1, threading.Event())


def test_a_broken_connection_is_silence_and_then_another_connection(instance: Any, ear: Ear, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert connection.execute(TERMINATE).fetchall() == [(True,)]
    deadline = time.monotonic() + 60
    while ear._connection is not None:
        assert not ear.heard(0.1, threading.Event())
        assert time.monotonic() < deadline, "nothing was noticed"
    assert not ear.heard(0.0, threading.Event()), "it listens again"
    tell(instance)
    assert ear.heard(5.0, threading.Event())


def test_telling_a_server_that_is_away_harms_nobody() -> None:
    engine = sqlalchemy.create_engine("postgresql+psycopg2://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 1})
    away: Any = SimpleNamespace(run_storage=SimpleNamespace(_engine=engine))
    tell(away)
    assert not Ear(away).heard(0.0, threading.Event())


def test_a_run_is_taken_up_as_soon_as_it_is_put_into_the_queue(queue: Queue) -> None:
    """The coordinator, the notification, the daemon's loop and Dagster's queue as they are; only the code of the run is missing."""
    daemon_, stop = PromptQueueDaemon(interval_seconds=3600, ledger=queue.ledger), threading.Event()
    with create_test_daemon_workspace_context(EmptyWorkspaceTarget(), queue.instance) as workspace:
        first = queue.submit("first")
        thread = threading.Thread(target=lambda: [None for _ in daemon_.core_loop(workspace, stop)])
        thread.start()
        try:
            until(lambda: queue.run(first).status != dg.DagsterRunStatus.QUEUED)  # by the look at the beginning
            until(lambda: queue.listeners() == 1)
            second = queue.submit("second")
            until(lambda: queue.run(second).status != dg.DagsterRunStatus.QUEUED)  # an interval is an hour
        finally:
            stop.set()
            thread.join(60)
    assert not thread.is_alive()


def test_a_page_goes_before_books_that_wait_and_no_book_waits_for_pages_without_end() -> None:
    """Books at once, then a page every second, all larger than what is free."""
    names = {"book": "20000000", "page": "10000", "unknown": None, "monstrous": "9" * 5000}
    came = [("book", 0), ("book", 1), ("unknown", 2), ("monstrous", 2), *(("page", second) for second in range(3, 1000))]
    runs = [_run(name, second, names[name]) for name, second in came]
    order = [(run.tags["name"], int(run.tags["came"])) for run in PromptQueueDaemon(interval_seconds=2)._priority_sort(runs)]
    assert order[0] == ("page", 3), "it came after two books"
    assert order.index(("book", 0)) < order.index(("page", 401)), "a book of 20 MB waits for 400 seconds of pages"
    assert order.index(("book", 0)) < order.index(("book", 1))
    assert order.index(("monstrous", 2)) < order.index(("page", 603))
    assert order.index(("unknown", 2)) < order.index(("page", 33))


def test_dagster_s_own_priority_goes_before_and_what_is_no_number_is_the_next() -> None:
    urgent = dg.DagsterRun(job_name="ingest", tags={TURN_TAG: "900", "dagster/priority": "1", "name": "urgent"})
    odd = [dg.DagsterRun(job_name="ingest", tags={TURN_TAG: tag, "name": tag}) for tag in ("soon", "nan", "inf")]
    usual = dg.DagsterRun(job_name="ingest", tags={TURN_TAG: "5", "name": "usual"})
    order = PromptQueueDaemon(interval_seconds=2)._priority_sort([usual, *odd, urgent])
    assert [run.tags["name"] for run in order] == ["urgent", "soon", "nan", "inf", "usual"]


def test_the_queue_gives_the_page_that_came_last_before_the_books(queue: Queue) -> None:
    now = time.time()
    books = [queue.submit("book", {SIZE_TAG: "20000000"}) for _ in range(3)]
    again = queue.submit(
        "a book that is executed again, with its parent's tags", {SIZE_TAG: "20000000", TURN_TAG: f"{now - 5:.3f}"}
    )
    page = queue.submit("page", {SIZE_TAG: "5000"})
    assert {queue.run(run).status for run in (*books, again, page)} == {dg.DagsterRunStatus.QUEUED}
    assert float(queue.run(books[0]).tags[TURN_TAG]) == pytest.approx(now + 400, abs=60)
    queue.limit(5)
    assert queue.taken() == [page, *books, again]
    queue.limit(2)
    assert queue.taken() == [page, books[0]]
    turn_of_page = queue.run(page).tags[TURN_TAG]
    queue.instance.run_coordinator.submit_run(SubmitRunContext(queue.run(page), workspace=None))  # type: ignore[arg-type]
    assert queue.run(page).tags[TURN_TAG] == turn_of_page, "a run that is in the queue already keeps its turn"


def _run(name: str, came: int, size: str | None) -> dg.DagsterRun:
    tags = {"name": name, "came": str(came)} | ({} if size is None else {SIZE_TAG: size})
    return dg.DagsterRun(job_name="ingest", tags=tags | {TURN_TAG: f"{turn(tags, came):.3f}"})


COMMAND = """
import sys
from multiprocessing import forkserver
from types import SimpleNamespace
from aegis_assets.defs import daemon
sys.argv = ["dagster-daemon", "--help"]  # Dagster's own command, which says what it can and ends
try:
    daemon.main()
except SystemExit:
    pass
from dagster._daemon import controller, sensor
coordinator = SimpleNamespace(dequeue_interval_seconds=2)
made = controller.create_daemon_of_type("QUEUED_RUN_COORDINATOR", SimpleNamespace(run_coordinator=coordinator))
print(type(made).__name__, sensor.MIN_INTERVAL_LOOP_TIME, forkserver._forkserver._forkserver_pid is not None)
"""


@pytest.mark.parametrize(("folder", "forks"), [("", True), ("deploy/kubernetes", False)])
def test_the_daemon_command_runs_this_queue_and_makes_a_fork_server_where_runs_are_forked(
    tmp_path: Path, folder: str, forks: bool
) -> None:
    (tmp_path / "dagster").mkdir()
    shutil.copy(ROOT / folder / "dagster.yaml", tmp_path / "dagster")
    environment = {**os.environ, "AEGIS_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path / "dagster")}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines()[-1:] == [f"PromptQueueDaemon 1 {forks}"], done.stderr[-2000:]
    assert "Usage:" in done.stdout, "Dagster's own command was reached"


def test_the_number_of_documents_at_once_follows_the_console(queue: Queue) -> None:
    runs = [queue.submit(f"run {number}") for number in range(6)]
    assert queue.taken() == runs[:2], "as the settings say"
    queue.limit(5)
    assert queue.taken() == runs[:5]
    queue.daemon._ledger = Ledger("postgresql://nobody@127.0.0.1:1/none")
    assert queue.taken() == runs[:5], "a ledger that is away changes nothing"
