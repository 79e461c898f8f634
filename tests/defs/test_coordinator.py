"""The queue's daemon is told of a run, whoever tells it, and goes on where it cannot be told."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import sqlalchemy
from dagster._core.instance.config import ConcurrencyConfig
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._daemon import controller, sensor
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon

from aegis_assets.defs import daemon
from aegis_assets.defs.coordinator import Ear, PromptQueueDaemon, tell
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
    started = time.monotonic()
    assert ear.heard(5.0, threading.Event())
    assert time.monotonic() - started < 1.0
    assert not ear.heard(0.1, threading.Event())


def test_a_broken_connection_is_silence_and_then_another_connection(instance: Any, ear: Ear, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert connection.execute(TERMINATE).fetchall() == [(True,)]
    deadline = time.monotonic() + 10
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
