"""A run's worker that cannot begin says why, and one on another host is asked to stop through the database."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.instance import InstanceRef
from dagster._core.launcher.base import WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin

from aegis_assets.dagster_ext.launcher import STARTED, launch, reported_place, stop_when_canceling, worker_of
from aegis_assets.dagster_ext.threads import ThreadedExecutor
from aegis_assets.settings import ROOT
from tests.waiting import until


@dg.job
def nothing() -> None:
    """Only its name is asked for."""


def test_a_run_whose_code_cannot_be_imported_fails_and_says_why(tmp_path: Path) -> None:
    """Fails: `_execute_run_command_body` in dagster/_cli/api.py executes and reports otherwise; see `execute_run_command` there."""
    pointer = ModuleCodePointer("no_such_module", "defs", str(tmp_path))
    origin = JobPythonOrigin("ingest", RepositoryPythonOrigin("python", pointer))
    with dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance:
        run = instance.create_run_for_job(nothing, job_code_origin=origin)
        daemon = get_context("spawn").Process(target=launch, args=(run.run_id, instance.get_ref()))
        daemon.start()
        daemon.join(60)
        until(lambda: instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE, 30)  # type: ignore[union-attr]
        assert "no_such_module" in str(instance.all_logs(run.run_id))
        place = reported_place(instance, run.run_id)
        assert place is not None
        assert place.host == socket.gethostname()


def test_a_worker_that_cannot_say_why_in_its_events_says_it_in_the_run_s_output(tmp_path: Path) -> None:
    with keeping(tmp_path) as instance:
        run = instance.create_run_for_job(nothing)  # without an origin of its code
        launched(run, instance)
        until(lambda: "does not include an origin" in output(instance, run)[1], 30)


@dg.executor(requirements=[])
def threads(_: dg.InitExecutorContext) -> dg.Executor:
    return ThreadedExecutor(2, [])


@dg.op(out=dg.DynamicOut(int))
def three() -> Iterator[dg.DynamicOutput[int]]:
    print("three of them")  # noqa: T201
    yield from (dg.DynamicOutput(number, mapping_key=str(number)) for number in range(3))


@dg.op
def talk(number: int) -> None:
    print(f"number {number}")  # noqa: T201


@dg.job(executor_def=threads)
def talking() -> None:
    three().map(talk)


talkative = dg.Definitions(jobs=[talking])


def test_what_the_steps_of_a_run_print_is_what_dagster_s_page_shows_of_each(tmp_path: Path) -> None:
    """Fails: dagster/_core/execution/plan/execute_plan.py says otherwise by now which file holds what a step printed."""
    pointer = ModuleCodePointer(__name__, "talkative", str(ROOT))
    origin = JobPythonOrigin("talking", RepositoryPythonOrigin("python", pointer))
    with keeping(tmp_path) as instance:
        run = instance.create_run_for_job(talking, job_code_origin=origin)
        launched(run, instance)
        until(lambda: instance.get_run_by_id(run.run_id).is_finished, 60)  # type: ignore[union-attr]
        events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)
        captured: Any = events[-1].get_dagster_event().event_specific_data
        assert sorted(captured.step_keys) == ["talk[0]", "talk[1]", "talk[2]", "three"]
        until(lambda: instance.compute_log_manager.is_capture_complete([run.run_id, "compute_logs", captured.file_key]), 30)
        said, logged = output(instance, run)
        assert sorted(said.splitlines()) == ["number 0", "number 1", "number 2", "three of them"]
        assert "RUN_SUCCESS" in logged


@contextmanager
def keeping(directory: Path) -> Iterator[dg.DagsterInstance]:
    """Yield an instance that keeps what runs print."""
    output = {"module": "aegis_assets.dagster_ext.output", "class": "RunOutput", "config": {"base_dir": str(directory)}}
    with dg.DagsterInstance.local_temp(str(directory), {"telemetry": {"enabled": False}, "compute_logs": output}) as instance:
        yield instance


def launched(run: dg.DagsterRun, instance: dg.DagsterInstance) -> None:
    daemon = get_context("spawn").Process(target=launch, args=(run.run_id, instance.get_ref()))
    daemon.start()
    daemon.join(60)


def output(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[str, str]:
    """Return what the run's process printed, and what it logged."""
    found = instance.compute_log_manager.get_log_data([run.run_id, "compute_logs", "run"])
    return (found.stdout or b"").decode(), (found.stderr or b"").decode()


def test_the_place_of_a_worker_is_read_where_an_earlier_release_or_dagster_itself_reported_it(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance:
        run = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)
        instance.report_engine_event("Something else.", run)
        assert reported_place(instance, run.run_id) is None
        instance.report_engine_event("Started process for run (pid: 77).", run)
        place = reported_place(instance, run.run_id)
        assert place is not None
        assert place[:2] == (77, socket.gethostname())


def stored(instance: dg.DagsterInstance, host: str, pid: int) -> dg.DagsterRun:
    """A run whose worker has said where it is."""
    run = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)
    instance.report_engine_event(STARTED.format(pid=pid, host=host), run)
    return run


def test_a_worker_on_another_host_is_not_looked_for_by_its_pid_here(tmp_path: Path) -> None:
    """In a container of its own Dagster's page would send the signal to whoever has that pid there."""
    launcher = {"module": "aegis_assets.dagster_ext.launcher", "class": "ForkingRunLauncher"}
    with dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}, "run_launcher": launcher}) as instance:
        here, there = stored(instance, socket.gethostname(), os.getpid()), stored(instance, "daemon-7", os.getpid())
        assert worker_of(instance, here.run_id) == psutil.Process()
        assert worker_of(instance, there.run_id) is None
        assert instance.run_launcher.terminate(there.run_id)
        assert instance.get_run_by_id(there.run_id).status == dg.DagsterRunStatus.CANCELING  # type: ignore[union-attr]
        assert instance.run_launcher.check_run_worker_health(there).status == WorkerStatus.FAILED


def wait_for_the_word(run_id: str, reference: InstanceRef) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite that was started in the background ignores it
    with dg.DagsterInstance.from_ref(reference) as instance:
        threading.Thread(target=stop_when_canceling, args=(instance, run_id), daemon=True).start()
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            os._exit(7)


def test_a_worker_interrupts_itself_once_its_run_is_to_stop(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance:
        run = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)
        worker = get_context("spawn").Process(target=wait_for_the_word, args=(run.run_id, instance.get_ref()))
        worker.start()
        instance.report_run_canceling(run)
        worker.join(50)
        assert worker.exitcode == 7
