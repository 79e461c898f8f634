"""Steps among each other, before there is a broker: which are sent first, and that none waits for another's words."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.execution.api import create_execution_plan
from dagster._core.execution.plan.outputs import StepOutputHandle
from dagster._core.execution.retries import RetryMode

from aegis_assets.defs import queue_executor
from aegis_assets.defs.worker import logging_once


@dg.op(tags={"rank": "0"})
def first() -> None:
    """A window to be parsed."""


@dg.op(tags={"rank": "1"}, ins={"after": dg.In(dg.Nothing)})
def second() -> None:
    """What comes after it."""


@dg.job
def book() -> None:
    for number in range(3 * queue_executor.STEPS_AT_ONCE):
        second.alias(f"second_{number}")(first.alias(f"first_{number}")())


def test_a_step_that_can_go_on_does_not_wait_until_all_others_have_begun() -> None:
    plan = tuple.__new__(queue_executor.Paced, create_execution_plan(book))
    active = plan.start(RetryMode.DISABLED, sort_key_fn=lambda step: -int(step.tags["rank"]))
    with suppress(DagsterExecutionInterruptedError), active:  # what was sent does not come back here
        sent = active.get_steps_to_execute()
        assert len(sent) == queue_executor.STEPS_AT_ONCE
        for done in sent[:2]:
            active.mark_step_produced_output(StepOutputHandle(done.key))
            active.mark_success(done.key)
        following = [step.key for step in active.get_steps_to_execute()]
        assert len(following) == queue_executor.STEPS_AT_ONCE
        assert set(following[:2]) == {done.key.replace("first", "second") for done in sent[:2]}
        active.mark_interrupted()


def test_a_step_that_begins_does_not_wait_for_one_that_logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Dagster sets logging up for each step, and takes the lock of every handler for it, with which a step that logs may wait."""
    of_dagster = "get_yaml_python_handlers"
    monkeypatch.setattr(dg.DagsterInstance, of_dagster, getattr(dg.DagsterInstance, of_dagster))  # as before, in the end
    logging_once()
    settings = {"telemetry": {"enabled": False}}  # an instance without any sets no logging up
    with dg.DagsterInstance.local_temp(str(tmp_path), settings) as instance, ThreadPoolExecutor(1) as other:
        (written,) = instance.get_handlers()
        handler = logging.StreamHandler()
        handler.acquire()
        try:
            assert [type(one) for one in other.submit(instance.get_handlers).result(10)] == [type(written)]
        finally:
            handler.release()
