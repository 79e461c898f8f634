"""Steps in queues: workers beside each other, one that dies, one that is missing. Real Redis and workers; engines of set cost."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import dagster as dg
import psutil
import pytest
from celery.contrib.testing.worker import start_worker
from dagster._core.definitions.reconstruct import ReconstructableRepository

from aegis_assets import settings as settings_module
from aegis_assets.defs import platform as platform_module
from aegis_assets.defs import queue_sender
from aegis_assets.defs.queue_app import app_of
from aegis_assets.embedded import bootstrap
from aegis_assets.embedded.postgres import Postgres
from aegis_assets.model.document import State
from aegis_assets.model.launch import CLAIM_TAG
from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.publish import consistency
from aegis_assets.settings import ROOT, load
from aegis_assets.stores.leases import Leases
from tests import queue_service
from tests.defs.conftest import COLLECTION
from tests.doubles.engine import EngineDouble
from tests.doubles.ollama import OllamaDouble
from tests.waiting import until

PAGES, PER_PAGE = 5, 5
CELERY = {"execution": {"config": {"mode": "celery"}}, "loggers": {"console": {"config": {"log_level": "ERROR"}}}}
BOOK = "\f".join(
    f"## Page {page}\n\n"
    + "\n\n".join(f"Ada Lovelace wrote note {page}.{n} to Charles Babbage. " + "It spoke of wheels. " * 20 for n in range(PER_PAGE))
    for page in range(1, PAGES + 1)
)


@dataclass
class Desk:
    """A platform over doubles, a Dagster instance that several processes share, and a broker."""

    platform: Platform
    instance: dg.DagsterInstance
    engine: EngineDouble
    ollama: OllamaDouble
    broker: str
    home: Path

    def register(self, name: str, content: bytes) -> UUID:
        digest = hashlib.sha256(content).hexdigest()
        self.platform.bucket.put(f"blobs/{digest}", content)
        found = self.platform.ledger.register(COLLECTION, "upload", name, name, f"blobs/{digest}", digest, len(content))  # type: ignore[attr-defined]
        self.instance.add_dynamic_partitions("documents", list(self.platform.ledger.partition_keys([found.document]).values()))
        return UUID(str(found.document))

    def claim(self, document: UUID) -> str:
        """As whoever launches a run does."""
        self.platform.ledger.claim(1)
        self.platform.ledger.launched([document], "claim:tests")
        return "claim:tests"

    def materialize(self, document: UUID, tags: Mapping[str, str] | None = None) -> dg.ExecuteJobResult:
        repository = ReconstructableRepository.for_module("aegis_assets.definitions", "defs", str(ROOT))
        return dg.execute_job(
            repository.get_reconstructable_job("ingest"),
            self.instance,
            run_config=CELERY,
            tags={"dagster/partition": self.platform.ledger.partition_keys([document])[document], **(tags or {})},
            raise_on_error=False,
        )

    @contextmanager
    def materializing(self, document: UUID) -> Iterator[Callable[[], dg.ExecuteJobResult]]:
        with ThreadPoolExecutor(1) as thread:
            run = thread.submit(self.materialize, document)
            yield lambda: run.result(120)

    def workers(self, count: int) -> AbstractContextManager[list[queue_service.Worker]]:
        return queue_service.workers(count, self.home, self.broker, {})

    def written(self) -> int:
        """Answers of the model in the ledger."""
        with self.platform.ledger.connection() as connection:  # type: ignore[attr-defined]
            return len(connection.execute("SELECT 1 FROM aegis_extraction").fetchall())

    def texts(self) -> list[str]:
        """Of the chunks that the model was asked about, once per question."""
        return [str(request["text"]) for request in self.ollama.requests()]


@pytest.fixture
def desk(
    ledger_url: str, postgres_server: Postgres, arcadedb: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    home, bucket, database = tmp_path / "home", tmp_path / "bucket", f"dagster_{os.getpid()}_{time.monotonic_ns()}"
    home.mkdir()
    bucket.mkdir()
    dagster_url = postgres_server.ensure_database(database).replace("postgresql://", "postgresql+psycopg2://", 1)
    with queue_service.broker(tmp_path) as broker, EngineDouble(bucket) as engine, OllamaDouble(slots=8) as ollama:
        for name, value in {
            "AEGIS_HOME": str(home),
            "AEGIS_POSTGRES_URL": ledger_url,
            "AEGIS_DAGSTER_POSTGRES_URL": dagster_url,
            "AEGIS_NEO4J_URL": arcadedb[0],
            "AEGIS_NEO4J_USER": "root",
            "AEGIS_NEO4J_PASSWORD": arcadedb[1],
            "AEGIS_ENGINE_URL": engine.url,
            "AEGIS_ENGINE_TOKEN": "none",
            "AEGIS_OLLAMA_URL": ollama.url,
            "AEGIS_BUCKET_URL": bucket.as_uri(),
            "AEGIS_EXECUTOR": "celery",
            "AEGIS_CELERY_BROKER": broker,
            "AEGIS_WINDOW_PAGES": "1",
        }.items():
            monkeypatch.setenv(name, value)
        (home / "stack.env").touch()  # beside a stack: what the stores are is said by the environment
        settings_module.settings.cache_clear()
        platform_module.build.cache_clear()
        monkeypatch.setenv("DAGSTER_HOME", str(bootstrap.dagster_home(home)))
        platform = platform_module.build()
        with dg.DagsterInstance.get() as instance:
            yield Desk(platform, instance, engine, ollama, broker, home)
        platform.ledger.close()  # type: ignore[attr-defined]
        settings_module.settings.cache_clear()
        platform_module.build.cache_clear()
    postgres_server.drop_database(database)


def busy(desk: Desk, workers: list[queue_service.Worker]) -> tuple[queue_service.Worker, set[UUID]] | None:
    """A worker in the middle of the document, and the leases that it holds: its questions to the model."""
    if len(desk.texts()) < PAGES:
        return None
    held = [lease for lease in desk.platform.leases.holders() if lease.held]  # type: ignore[attr-defined]
    for worker in workers:
        pids = {process.pid for process in psutil.Process(worker.group).children(recursive=True)}
        if asking := {lease.id for lease in held if int(lease.holder.rsplit(":", 1)[1]) in pids}:
            return worker, asking
    return None


def test_a_killed_workers_steps_are_done_by_another_and_nothing_else_again(desk: Desk) -> None:
    desk.ollama.configure(latency="constant:1")
    document = desk.register("book.pdf", BOOK.encode())
    leases = desk.platform.leases
    assert isinstance(leases, Leases)
    with desk.workers(2) as both, desk.materializing(document) as result:
        victim, asking = until(lambda: busy(desk, both))
        unwritten = len(desk.texts()) - desk.written()
        victim.kill()
        killed = time.monotonic()
        until(lambda: not asking & {lease.id for lease in leases.holders()}, 5)
        freed = time.monotonic() - killed
        commands = [word for process in psutil.process_iter() for word in cmdline(process)]
        assert result().success
    assert freed < 5
    assert desk.platform.ledger.document(document).state == State.SUCCEEDED
    assert consistency(document, desk.platform.ledger, desk.platform.vectors, desk.platform.graph).agree
    assert len(desk.texts()) <= PAGES * PER_PAGE + unwritten, "no answer that was written is asked for again"
    assert len([call for call in desk.engine.calls() if call["call"] == "parse"]) <= PAGES + 1
    log = desk.instance.all_logs(result().run_id)
    begun = [entry.step_key for entry in log if entry.is_dagster_event and entry.get_dagster_event().is_step_start]
    assert len(begun) > len(set(begun)), "what the dead worker had begun began again"

    password = desk.broker.split("@")[0].rsplit(":", 1)[1]
    everywhere = [*commands, *map(str, log), str(desk.instance.get_run_by_id(result().run_id))]
    everywhere += [worker.log.read_text() for worker in both]
    assert not any(password in text for text in everywhere)


@pytest.mark.slow
def test_where_one_queue_loses_its_worker_all_end_and_those_that_come_do_what_is_left(desk: Desk) -> None:
    """A queue that nobody serves would end the run long before the others have answered their last question."""
    desk.ollama.configure(latency="constant:100")
    document = desk.register("book.pdf", BOOK.encode())
    with desk.materializing(document) as result:
        with desk.workers(1) as (only,):
            until(desk.texts)
            asking = {int(lease.holder.rsplit(":", 1)[1]) for lease in desk.platform.leases.holders()}  # type: ignore[attr-defined]
            idle = next(child for child in psutil.Process(only.group).children() if child.pid not in asking)
            idle.kill()
            assert only.process.wait(60) == 1
        desk.ollama.configure(latency="constant:0")
        with desk.workers(1):
            assert result().success
    assert desk.platform.ledger.document(document).state == State.SUCCEEDED


@pytest.mark.slow
def test_a_broker_that_is_restarted_without_its_messages_costs_time_only(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_sender, "SERVICE_SECONDS", 1.0)
    monkeypatch.setattr(queue_sender, "LOST_MESSAGE_SECONDS", 1.0)
    desk.ollama.configure(latency="constant:1")
    document = desk.register("book.pdf", BOOK.encode())
    port = int(desk.broker.rsplit(":", 1)[1].split("/")[0])
    with desk.workers(1), desk.materializing(document) as result:
        until(desk.texts)
        (server,) = (one.pid for one in psutil.net_connections() if one.laddr and one.laddr.port == port and one.status == "LISTEN")
        assert server is not None
        psutil.Process(server).kill()
        time.sleep(3)  # in which steps end and others are due
        with queue_service.broker(desk.home, port):
            assert result().success
    assert desk.platform.ledger.document(document).state == State.SUCCEEDED
    assert len(desk.texts()) == PAGES * PER_PAGE, "what had begun went on"


def test_a_queue_without_a_worker_ends_the_run_with_a_sentence(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_sender, "SERVICE_SECONDS", 0.5)
    monkeypatch.setattr(queue_sender, "UNSERVED_SECONDS", 1.0)
    document = desk.register("book.pdf", BOOK.encode())
    with queue_service.workers(1, desk.home, desk.broker, {}, "run=1"):
        assert not desk.materialize(document, {CLAIM_TAG: desk.claim(document)}).success
    row = desk.platform.ledger.document(document)
    assert (row.state, row.waiting_for) == (State.PENDING, "a worker of the queue docling")
    assert row.message == "No worker takes from the queue docling: start one with `make worker QUEUES=docling`."


def refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a document says whose steps no worker would do."""
    monkeypatch.setattr(queue_sender, "LOST_SECONDS", 1.0)
    document = desk.register("book.pdf", BOOK.encode())
    assert not desk.materialize(document, {CLAIM_TAG: desk.claim(document)}).success
    row = desk.platform.ledger.document(document)
    assert row.state == State.FAILED
    assert desk.texts() == []
    return row.message


def test_a_worker_with_other_settings_refuses_and_the_document_says_why(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with queue_service.workers(1, desk.home, desk.broker, {"AEGIS_WINDOW_PAGES": "2"}, "run=1"):
        assert "other engines or limits than the run was planned with" in refused(desk, monkeypatch)


def test_a_worker_elsewhere_refuses_what_it_cannot_reach_and_the_document_says_why(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = threading.current_thread()  # has the run; the worker has a thread of its own
    monkeypatch.setattr(socket, "gethostname", lambda: "here" if threading.current_thread() is stack else "elsewhere")
    with start_worker(app_of(load()), pool="solo", perform_ping_check=False, queues=["run"]):
        assert "on another machine than the stack" in refused(desk, monkeypatch)


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
