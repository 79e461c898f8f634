"""What `dagster_ext` takes from Dagster's private API is there and does what it is taken for.

The tests beside this one run the real thing (launcher, coordinator, daemon, threads, steps). This one names each part, so that
an upgrade that breaks it says which, and where to look.
"""

import inspect
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._cli.api import _execute_run_command_body
from dagster._core.events import StepMaterializationData
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.execute_plan import dagster_event_sequence_for_step
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._core.storage.event_log import SqlEventLogStorageMetadata
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.runs import RunStorageSqlMetadata
from dagster._core.storage.schedules import ScheduleStorageSqlMetadata
from dagster._utils.error import serializable_error_info_from_exc_info
from dagster._utils.interrupts import capture_interrupts, check_captured_interrupt
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage, PostgresScheduleStorage

from aegis_assets.dagster_ext.events import step_event
from aegis_assets.dagster_ext.storage import TABLES
from aegis_assets.dagster_ext.threads import ThreadedExecutor

THREADS = "dagster_ext/threads.py follows dagster/_core/executor/multiprocess.py: compare the two again."
LAUNCHER = "See what `dagster api execute_run` does now (dagster/_cli/api.py), and DefaultRunLauncher for a launcher's methods."
OUTPUT = "See how `inner_plan_execution_iterator` in dagster/_core/execution/plan/execute_plan.py captures what steps print."
STORAGE = "See how dagster_postgres makes its engines and tables now; a storage whose engine is not ours loses runs in an outage."
EVENTS = "See DagsterEvent.asset_materialization and asset_check_evaluation in dagster/_core/events: step_event writes the same."


@pytest.mark.parametrize(
    ("function", "names", "advice"),
    [
        (ExecuteRunWithPlanIterable, ["execution_plan", "iterator", "execution_context_manager"], THREADS),
        (
            PlanExecutionContextManager,
            ["job", "retry_mode", "execution_plan", "run_config", "dagster_run", "instance"],
            THREADS,
        ),
        (
            ActiveExecution,
            ["execution_plan", "retry_mode", "max_concurrent", "tag_concurrency_limits", "instance_concurrency_context"],
            THREADS,
        ),
        (ActiveExecution.get_steps_to_execute, ["limit"], THREADS),
        (ActiveExecution.handle_event, ["dagster_event"], THREADS),
        (ActiveExecution.verify_complete, ["job_context", "step_key"], THREADS),
        (ActiveExecution.plan_events_iterator, ["job_context"], THREADS),
        (ActiveExecution.concurrency_event_iterator, ["plan_context"], THREADS),
        (ActiveExecution.mark_interrupted, [], THREADS),
        (ActiveExecution.check_for_interrupts, [], THREADS),
        (InstanceConcurrencyContext, ["instance", "dagster_run"], THREADS),
        (dagster_event_sequence_for_step, ["step_context"], THREADS),
        (serializable_error_info_from_exc_info, ["exc_info"], THREADS),
        (dg.Executor.log_failure_or_retry_event_after_error, ["step_context", "err_info", "known_state"], THREADS),
        (_execute_run_command_body, ["run_id", "instance", "write_stream_fn", "set_exit_code_on_failure"], LAUNCHER),
        (CheckRunHealthResult, ["status", "msg"], LAUNCHER),
        (CapturedLogContext, ["log_key"], OUTPUT),
        (dg.DagsterEvent.capture_logs, ["job_context", "step_keys", "log_key", "log_context"], OUTPUT),
        (LocalComputeLogManager.build_log_key_for_run, ["run_id", "step_key"], OUTPUT),
        (dg.DefaultRunLauncher.launch_run, ["context"], LAUNCHER),
        (dg.DefaultRunLauncher.terminate, ["run_id"], LAUNCHER),
        (dg.DefaultRunLauncher.check_run_worker_health, ["run"], LAUNCHER),
        *((storage._init_db, [], STORAGE) for storage in (PostgresRunStorage, PostgresEventLogStorage, PostgresScheduleStorage)),
    ],
)
def test_what_is_called_takes_what_it_is_given(function: Callable[..., Any], names: list[str], advice: str) -> None:
    assert set(names) <= set(inspect.signature(function).parameters), advice


def test_launcher_and_coordinator_know_their_instance(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance:
        assert instance.run_launcher._instance is instance, LAUNCHER
        assert dg.QueuedRunCoordinator._instance, "See how a run coordinator gets at its instance now."


def test_the_monitoring_daemon_ends_runs_of_failed_workers_alone() -> None:
    assert {WorkerStatus.RUNNING.value, WorkerStatus.FAILED.value} <= {status.value for status in WorkerStatus}, LAUNCHER
    assert WorkerStatus.RUNNING != WorkerStatus.FAILED


def test_the_storage_knows_all_tables_and_its_parts_keep_an_engine_each() -> None:
    tables = {*RunStorageSqlMetadata.tables, *SqlEventLogStorageMetadata.tables, *ScheduleStorageSqlMetadata.tables}
    assert set(TABLES) == tables, f"Dagster has other tables now: write them into TABLES of dagster_ext/storage.py. {STORAGE}"
    for part in (PostgresRunStorage, PostgresEventLogStorage, PostgresScheduleStorage):
        source = inspect.getsource(part)
        assert "self._engine = create_pg_engine(" in source, STORAGE
        assert "_engine.connect()" in source or "create_pg_connection(self._engine)" in source, STORAGE


def test_an_interrupt_is_captured_and_seen_by_the_execution() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite that was started in the background ignores it
    with capture_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        assert check_captured_interrupt(), f"It is not captured any more. {LAUNCHER}"


@dg.executor(requirements=[])
def threads(_: dg.InitExecutorContext) -> dg.Executor:
    return ThreadedExecutor(2, [])


@dg.op(out=dg.Out(dg.Nothing))
def report(context: dg.OpExecutionContext) -> None:
    materialization = dg.AssetMaterialization("chunks", partition="a", metadata={"n": 1})
    evaluation = dg.AssetCheckEvaluation(asset_key=dg.AssetKey("chunks"), check_name="agree", passed=True, partition="a")
    context.instance.event_log_storage.store_event_batch([step_event(context, materialization, "Materialized.")])
    context.instance.event_log_storage.store_event(step_event(context, evaluation, "Agreed."))
    context.log_event(materialization)
    context.log_event(evaluation)


@dg.job(executor_def=threads)
def reporting() -> None:
    report()


def test_an_event_of_ours_is_what_dagster_logs_itself_but_for_its_message(tmp_path: Path) -> None:
    kinds = (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    with dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance:
        with dg.execute_job(dg.reconstructable(reporting), instance) as result:
            assert result.success
        for kind in kinds:
            ours, theirs = instance.all_logs(result.run_id, of_type=kind)
            assert ours.message in ("Materialized.", "Agreed.")
            assert _comparable(ours) == _comparable(theirs), EVENTS
            if kind == dg.DagsterEventType.ASSET_MATERIALIZATION:
                assert isinstance(ours.get_dagster_event().event_specific_data, StepMaterializationData)


def _comparable(entry: dg.EventLogEntry) -> tuple[object, ...]:
    event = entry.get_dagster_event()
    tags = {name: value for name, value in (event.logging_tags or {}).items() if not name.startswith("dagster_event")}
    return (
        *(entry.level, entry.step_key, entry.job_name, entry.run_id, event.event_type_value, event.event_specific_data),
        *(event.step_handle, event.node_handle, event.step_kind_value, event.pid, tags),
    )
