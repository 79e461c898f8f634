"""The queue's daemon is told of a run, whoever tells it, and goes on where it cannot be told."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import psycopg
import pytest
import sqlalchemy
from dagster._core.instance.config import ConcurrencyConfig
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._daemon import controller, sensor
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon

from aegis_assets.defs import daemon
from aegis_assets.defs.coordinator import SIZE_TAG, TURN_TAG, Ear, PromptQueueDaemon, PromptRunCoordinator, tell, turn
from aegis_assets.errors import StoreUnavailable
from aegis_assets.settings import ROOT, Settings

TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN aegis_queue' AND pid <> pg_backend_pid()"


@pytest.fixture
def instance(database_url: str) -> Iterator[Any]:
    """What the coordinator knows of Dagster's instance."""
    url = database_url.replace("postgresql://", "postgresql+psycopg2://", 1)
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    yield SimpleNamespace(run_storage=SimpleNamespace(_engine=engine))
    engine.dispose()


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


def test_the_queue_is_looked_at_as_soon_as_there_is_a_word(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = threading.Semaphore(0)

    def look(*_: object) -> Iterator[None]:
        looked.release()
        yield None

    monkeypatch.setattr(PromptQueueDaemon, "run_iteration", look)
    stop = threading.Event()
    loop = PromptQueueDaemon(interval_seconds=60).core_loop(SimpleNamespace(instance=instance), stop)  # type: ignore[arg-type]
    thread = threading.Thread(target=lambda: [None for _ in loop])
    thread.start()
    try:
        assert looked.acquire(timeout=10)
        time.sleep(0.3)
        tell(instance)
        assert looked.acquire(timeout=10), "an interval is a minute"
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_a_page_goes_before_books_that_wait_and_no_book_waits_for_pages_without_end() -> None:
    """Books at once, then a page every second, all larger than what is free."""
    names = {"book": 20_000_000, "page": 10_000, "unknown": None, "monstrous": 10**30}
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
    odd = dg.DagsterRun(job_name="ingest", tags={TURN_TAG: "soon", "name": "odd"})
    usual = dg.DagsterRun(job_name="ingest", tags={TURN_TAG: "5", "name": "usual"})
    order = PromptQueueDaemon(interval_seconds=2)._priority_sort([usual, odd, urgent])
    assert [run.tags["name"] for run in order] == ["urgent", "odd", "usual"]


def test_a_run_gets_its_turn_when_it_is_put_into_the_queue_and_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @dg.job
    def ingest() -> None: ...

    monkeypatch.setattr(QueuedRunCoordinator, "submit_run", lambda _, context: context.dagster_run)
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(ingest, tags={SIZE_TAG: "5000000"})
        kept = instance.create_run_for_job(ingest, tags={TURN_TAG: "7"})
        coordinator = PromptRunCoordinator()
        coordinator.register_instance(instance)
        now = time.time()
        for one in (run, kept):
            coordinator.submit_run(SubmitRunContext(one, workspace=None))  # type: ignore[arg-type]
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert float(found.tags[TURN_TAG]) == pytest.approx(now + 100, abs=5)
        again = instance.get_run_by_id(kept.run_id)
        assert again is not None
        assert again.tags[TURN_TAG] == "7"


def _run(name: str, came: int, size: int | None) -> dg.DagsterRun:
    tags = {"name": name, "came": str(came)} | ({} if size is None else {SIZE_TAG: str(size)})
    return dg.DagsterRun(job_name="ingest", tags=tags | {TURN_TAG: f"{turn(tags, came):.3f}"})


@pytest.mark.parametrize(("folder", "forks"), [("", 1), ("deploy/kubernetes", 0)])
def test_the_daemon_command_runs_this_queue_and_makes_a_fork_server_where_runs_are_forked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str, forks: int
) -> None:
    made_at_once: list[str] = []
    (tmp_path / "dagster").mkdir()
    shutil.copy(ROOT / folder / "dagster.yaml", tmp_path / "dagster")
    monkeypatch.setattr(daemon, "settings", lambda: Settings(home=tmp_path))
    monkeypatch.setattr(controller, daemon.QUEUE, getattr(controller, daemon.QUEUE))
    monkeypatch.setattr(sensor, daemon.SENSORS, getattr(sensor, daemon.SENSORS))
    monkeypatch.setattr("dagster._daemon.cli.main", lambda: None)
    monkeypatch.setattr("multiprocessing.forkserver.ensure_running", lambda: made_at_once.append("fork server"))
    daemon.main()
    assert len(made_at_once) == forks
    made = controller.create_daemon_of_type(
        PromptQueueDaemon.daemon_type(), SimpleNamespace(run_coordinator=SimpleNamespace(dequeue_interval_seconds=2))
    )  # type: ignore[arg-type]
    assert isinstance(made, PromptQueueDaemon)


@pytest.mark.parametrize(("changed", "wanted"), [({}, 2), ({"parallel_documents": 5}, 5)])
def test_the_number_of_documents_at_once_follows_the_console(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, int], wanted: int
) -> None:
    kept_to: list[int] = []

    def dequeue(_: object, __: object, config: Any, fixed_iteration_time: float | None) -> list[Any]:
        kept_to.append(config.run_queue_config.max_concurrent_runs)
        return []

    monkeypatch.setattr(QueuedRunCoordinatorDaemon, "_get_runs_to_dequeue", dequeue)
    ledger: Any = SimpleNamespace(limits=lambda: changed)
    queue = QueuedRunCoordinator().get_run_queue_config()._replace(max_concurrent_runs=2)
    config = ConcurrencyConfig.from_concurrency_settings({}, queue)
    daemon_ = PromptQueueDaemon(interval_seconds=2, ledger=ledger)
    daemon_._get_runs_to_dequeue(Any, config, None)  # type: ignore[arg-type]

    def away() -> dict[str, int]:
        raise StoreUnavailable("The ledger is away.")

    ledger.limits = away
    daemon_._get_runs_to_dequeue(Any, config, None)  # type: ignore[arg-type]
    assert kept_to == [wanted, wanted], "a ledger that is away changes nothing"
