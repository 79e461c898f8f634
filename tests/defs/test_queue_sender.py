"""What a run does about steps that it has sent: over a broker that goes and comes, and of workers that die. No worker is needed."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from aegis_assets import settings as settings_module
from aegis_assets.dagster_ext import steps
from aegis_assets.defs import queue_app, queue_sender
from aegis_assets.settings import Settings
from aegis_assets.stores.broker import Broker
from aegis_assets.stores.holds import Holds
from tests import queue_service

RUN = dg.DagsterRun(job_name="ingest", run_id="00000000-0000-4000-8000-000000000000")
STEP = "parse_window[d00_p0001_0008]"
Sender = Callable[[str], queue_sender.QueueSender]


@pytest.fixture
def sender(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Sender:
    """Make one that looks whenever it is asked, and has sent a step."""
    monkeypatch.setattr(queue_sender, "requirements", lambda _: {"agreed_on": "", "only_at": ""})
    monkeypatch.setattr(queue_sender, "LOOK_SECONDS", 0.0)

    def make(broker: str) -> queue_sender.QueueSender:
        made = queue_sender.QueueSender(Settings(celery_broker=SecretStr(broker), postgres_url=SecretStr(ledger_url)))
        made.send(RUN, STEP, {"lane": "docling"}, "{}")
        return made

    return make


def test_what_the_broker_did_not_take_is_sent_when_it_is_back(sender: Sender, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        made = sender(f"redis://:{queue_service.PASSWORD}@127.0.0.1:{port}/0")
        assert made.find_problem(instance, RUN) == ""
        with queue_service.broker(tmp_path, port) as url:
            assert Broker(url).waiting("docling") == 0
            assert made.find_problem(instance, RUN) == ""
            assert made.find_problem(instance, RUN) == ""
            assert Broker(url).waiting("docling") == 1


def test_a_broker_that_stays_away_ends_the_run(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_sender, "OUTAGE_SECONDS", 0.0)
    with dg.DagsterInstance.ephemeral() as instance:
        assert "has not answered for a minute" in sender("redis://127.0.0.1:1/0").find_problem(instance, RUN)


def test_a_step_that_took_three_workers_ends_the_run(
    sender: Sender, ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_sender, "LOST_SECONDS", 0.0)
    problems = []
    with queue_service.broker(tmp_path) as url, dg.DagsterInstance.ephemeral() as instance:
        made = sender(url)
        for _ in range(queue_sender.ATTEMPTS):
            with Holds(ledger_url).hold(queue_app.step_name(RUN.run_id, STEP)) as mine:
                assert mine
                problems.append(made.find_problem(instance, RUN))
            problems.append(made.find_problem(instance, RUN))
        assert Broker(url).waiting("docling") == queue_sender.ATTEMPTS
    assert problems[:-1] == [""] * (2 * queue_sender.ATTEMPTS - 1)
    assert problems[-1] == f"The step {STEP} ended 3 workers: see their memory. Retry does what is missing."


class DeliversTwice:
    """A broker that gives every message to two workers."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(4)
        self.deliveries: list[Future[None]] = []

    def send(self, run: dg.DagsterRun, step: str, tags: Mapping[str, str], arguments: str) -> None:
        task: Any = SimpleNamespace(request=SimpleNamespace(hostname="tests"))
        self.deliveries += [self.pool.submit(queue_app.take_step, task, arguments, "", "") for _ in range(2)]

    def find_problem(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
        return ""


twice = DeliversTwice()


@dg.op
def first() -> None:
    """What comes before."""


@dg.op(ins={"after": dg.In(dg.Nothing)})
def second() -> None:
    """What comes after."""


@dg.executor(name="twice", requirements=dg.multiple_process_executor_requirements())
def delivering_twice(context: dg.InitExecutorContext) -> dg.Executor:
    return steps.sending_executor(twice)


@dg.job(executor_def=delivering_twice)
def chain() -> None:
    second(first())


def test_a_message_delivered_twice_is_worked_on_once(ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_POSTGRES_URL", ledger_url)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    settings_module.settings.cache_clear()
    with dg.DagsterInstance.get() as instance, dg.execute_job(dg.reconstructable(chain), instance) as result:
        for delivery in twice.deliveries:
            delivery.result(60)
        log = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.STEP_START)
    settings_module.settings.cache_clear()
    assert result.success
    assert len(twice.deliveries) == 4
    assert sorted(str(entry.step_key) for entry in log) == ["first", "second"]
