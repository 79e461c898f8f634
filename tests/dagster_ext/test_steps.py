"""What `dagster_ext/steps.py` takes from Dagster's private API is there and does what it is taken for.

If one of these fails after an upgrade, its message says where to look: dagster-docker (`DockerStepHandler`) is the smallest user of
the same executor and is kept working by Dagster's own release.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
from dagster._cli import api
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import CheckStepHealthResult, StepDelegatingExecutor, StepHandler

from aegis_assets.dagster_ext import steps


@dg.op
def count() -> int:
    return 3


@dg.op
def double(number: int) -> int:
    return 2 * number


@dg.executor(name="threads_beside", requirements=dg.multiple_process_executor_requirements())
def beside(context: dg.InitExecutorContext) -> dg.Executor:
    return steps.sending_executor(ThreadSender())


@dg.job(executor_def=beside)
def doubled() -> None:
    double(count())


class ThreadSender:
    """Executes what is sent, in a thread, as a worker does: from the text that it got."""

    pool = ThreadPoolExecutor(2)
    broken = ""

    def send(self, run: dg.DagsterRun, step: str, tags: Mapping[str, str], arguments: str) -> None:
        assert json.loads(arguments)["instance_ref"] is None
        self.pool.submit(self._work, run.run_id, arguments)

    def find_problem(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
        return self.broken

    def _work(self, run_id: str, arguments: str) -> None:
        if not self.broken:
            with dg.DagsterInstance.get() as instance:
                run = instance.get_run_by_id(run_id)
                assert run is not None
                steps.execute_step(dg.deserialize_value(arguments), instance, run)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return dg.DagsterInstance.get()


def test_a_sent_step_is_executed_where_it_arrives_and_its_run_hears_of_it(instance: dg.DagsterInstance) -> None:
    with instance, dg.execute_job(dg.reconstructable(doubled), instance) as result:
        assert result.success
        assert result.output_for_node("double") == 6


def test_a_problem_ends_the_run_with_its_sentence(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ThreadSender, "broken", "No worker takes from the queue run.")
    with instance, dg.execute_job(dg.reconstructable(doubled), instance) as result:
        assert not result.success
        (failure,) = [event for event in result.all_events if event.is_step_failure]
        assert ThreadSender.broken in str(failure.step_failure_data.error)


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (StepDelegatingExecutor, {"step_handler", "retries", "sleep_seconds", "check_step_health_interval_seconds"}),
        (api._execute_step_command_body, {"args", "instance", "dagster_run"}),
        (CheckStepHealthResult.unhealthy, {"reason"}),
    ],
)
def test_what_is_called_takes_what_it_is_given(function: object, names: set[str]) -> None:
    """Fails: see how dagster-docker's executor calls it now, and `execute_step_command` in dagster/_cli/api.py."""
    assert names <= set(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_a_handler_implements_what_dagster_asks_for() -> None:
    """Fails: a method came or went; dagster-docker's handler shows what is expected of it."""
    assert StepHandler.__abstractmethods__ == {"name", "launch_step", "check_step_health", "terminate_step"}
    assert RetryMode.DISABLED.for_inner_plan() is RetryMode.DISABLED


def test_events_that_are_written_late_are_read(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails: look in StepDelegatingExecutor for how many events it reads again; a run waits for ever for one it passed over."""
    name, number = steps.OFFSET
    monkeypatch.setenv(name, number)
    executor = steps.sending_executor(ThreadSender())
    with instance:
        assert executor._get_pop_events_offset(instance) == int(number)  # type: ignore[attr-defined]


def test_a_step_that_begins_does_not_wait_for_one_that_logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fails: Dagster sets logging up elsewhere; see what calls dictConfig there, and drop `set_up_logging_once` if nothing does."""
    of_dagster = "get_yaml_python_handlers"
    monkeypatch.setattr(dg.DagsterInstance, of_dagster, getattr(dg.DagsterInstance, of_dagster))  # as before, in the end
    steps.set_up_logging_once()
    settings = {"telemetry": {"enabled": False}}  # an instance without any sets no logging up
    with dg.DagsterInstance.local_temp(str(tmp_path), settings) as instance, ThreadPoolExecutor(1) as other:
        (written,) = instance.get_handlers()
        handler = logging.StreamHandler()
        handler.acquire()
        try:
            assert [type(one) for one in other.submit(instance.get_handlers).result(10)] == [type(written)]
        finally:
            handler.release()
