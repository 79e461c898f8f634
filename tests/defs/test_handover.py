"""What ops hand each other: gone with their run, however it ended, and with it what was written later."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._utils.interrupts import capture_interrupts

from aegis_assets.defs.platform import PlatformResource
from aegis_assets.defs.sensors import after_cancel, after_failure, purge_handovers
from aegis_assets.model.document import State
from aegis_assets.pipeline.flow import handover
from aegis_assets.pipeline.flow.handover import KEPT
from aegis_assets.settings import ROOT
from tests.defs.conftest import QUIET, Bench
from tests.doubles.ollama import OllamaDouble

NOTE = b"# Note\n\nGrace Hopper wrote a compiler at Remington Rand.\n"
A_WHILE = timedelta(hours=1)


@pytest.fixture
def ollama(environment: pytest.MonkeyPatch) -> Iterator[OllamaDouble]:
    with OllamaDouble(slots=4) as double:
        environment.setenv("AEGIS_OLLAMA_URL", double.url)
        yield double


@pytest.fixture
def own_bucket(environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The engine server's is that of all tests, and runs of other instances are over to this one."""
    environment.setenv("AEGIS_BUCKET_URL", (tmp_path / "bucket").as_uri())
    return tmp_path / "bucket"


def job() -> ReconstructableJob:
    return ReconstructableRepository.for_module("aegis_assets.definitions", "defs", str(ROOT)).get_reconstructable_job("ingest")


def handed(bench: Bench, run_id: str) -> list[str]:
    return list(bench.platform.bucket.keys(f"runs/{run_id}"))


def has_begun(bench: Bench, step: str) -> bool:
    """And read its input, in the run that was launched last."""
    logs = [log for run in bench.instance.get_runs(limit=1) for log in bench.instance.all_logs(run.run_id)]
    events = [log.get_dagster_event() for log in logs if log.is_dagster_event]
    return any(event.event_type == dg.DagsterEventType.LOADED_INPUT and step in str(event.step_key) for event in events)


def killed_while_it_extracts(bench: Bench, ollama: OllamaDouble, document: UUID) -> str:
    """Its id."""
    ollama.configure(latency="constant:60")

    def kill() -> None:
        deadline = time.monotonic() + 60
        while not has_begun(bench, "extract_window[") and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=kill, daemon=True).start()
    with capture_interrupts(), suppress(DagsterExecutionInterruptedError):
        dg.execute_job(job(), bench.instance, run_config=QUIET, tags={"dagster/partition": bench.partition(document)})
    (run,) = bench.instance.get_runs(limit=1)
    assert run.status == dg.DagsterRunStatus.FAILURE
    ollama.reset()
    ollama.configure(latency="constant:0")
    return run.run_id


def notice(bench: Bench, sensor: dg.RunStatusSensorDefinition, run_id: str) -> None:
    """As Dagster's daemon does within seconds of the run's end."""
    run = bench.instance.get_run_by_id(run_id)
    (event, *_) = [log for log in bench.instance.all_logs(run_id) if log.is_dagster_event and log.get_dagster_event().is_failure]
    assert run is not None
    context = dg.build_run_status_sensor_context("tests", event.get_dagster_event(), bench.instance, run)
    sensor(context, platform=PlatformResource())


def age(bucket: Path, by: timedelta) -> None:
    """Objects of a directory are as old as their files."""
    written = time.time() - by.total_seconds()
    for path in (bucket / "runs").rglob("*"):
        if path.is_file():
            os.utime(path, (written, written))


def test_a_run_that_ends_leaves_nothing_behind(bench: Bench) -> None:
    document, broken = bench.register("note.md", NOTE), bench.register("broken.pdf", b"%PDF-1.4 and nothing more")
    run = bench.materialize(document)
    assert run.success
    assert handed(bench, run.run_id) == []
    failed = bench.materialize(document, broken)
    assert not failed.success, "its last step says that a document failed"
    assert handed(bench, failed.run_id) == []


def test_a_killed_run_leaves_nothing(ollama: OllamaDouble, bench: Bench) -> None:
    document = bench.register("note.md", NOTE)
    killed = killed_while_it_extracts(bench, ollama, document)
    assert any("enrich_window" in key for key in handed(bench, killed))
    notice(bench, after_failure, killed)
    assert bench.result(document)["state"] == State.PENDING, "it is tried again by itself"
    assert handed(bench, killed) == []


def test_a_cancelled_run_leaves_nothing(ollama: OllamaDouble, bench: Bench) -> None:
    document = bench.register("note.md", NOTE)
    cancelled = killed_while_it_extracts(bench, ollama, document)
    assert handed(bench, cancelled)
    notice(bench, after_cancel, cancelled)
    assert bench.result(document)["state"] == State.CANCELLED
    assert handed(bench, cancelled) == []


def test_what_is_written_after_the_end_is_purged_and_what_a_run_at_work_may_read_is_not(own_bucket: Path, bench: Bench) -> None:
    statuses = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.STARTED)
    *over, at_work = (bench.instance.create_run_for_job(job().get_definition(), status=status).run_id for status in statuses)
    over.append("unknown")
    for run_id in (*over, at_work):
        bench.platform.bucket.put(f"runs/{run_id}/extract_window[w00000]/result", b"[]")
    for old, left in ((KEPT - A_WHILE, 1), (KEPT + A_WHILE, 0)):
        age(own_bucket, old)
        purge_handovers(dg.build_sensor_context(bench.instance), platform=PlatformResource())
        assert [len(handed(bench, run_id)) for run_id in over] == [left] * 3
        assert len(handed(bench, at_work)) == 1, "however long it takes"


def test_purging_goes_on_where_its_time_was_over(own_bucket: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick of a sensor has an end, and each comes further."""
    monkeypatch.setattr(handover, "PURGE_SECONDS", 0.0)
    for number in range(3):
        bench.platform.bucket.put(f"runs/old/plan/result/w{number}", b"[]")
    age(own_bucket, KEPT + A_WHILE)
    for left in (2, 1, 0):
        purge_handovers(dg.build_sensor_context(bench.instance), platform=PlatformResource())
        assert len(handed(bench, "old")) == left
