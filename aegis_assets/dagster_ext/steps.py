"""Steps that another process executes: Dagster's executor for those, and what is below `dagster api execute_step`.

This is the way of dagster-k8s and dagster-docker: an executor that reads from the event log what became of its steps, and a handler
that says how one is sent and whether it is still worked on.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

import dagster as dg
from dagster._cli.api import _execute_step_command_body
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import CheckStepHealthResult, StepDelegatingExecutor, StepHandler

POLL_SECONDS: Final = 0.1  # Dagster's default is a second, and a document has seven steps in a row; a look costs 10 ms of CPU
HEALTH_SECONDS: Final = 1
# Ids of events are given in another order than their transactions end, so what follows the last one is not all that is new: without
# this, an event that was written late is never read, and its run waits for ever.
OFFSET: Final = ("DAGSTER_EXECUTOR_POP_EVENTS_OFFSET", "100")


class StepSender(Protocol):
    """How steps get to those who execute them."""

    def send(self, run: dg.DagsterRun, step: str, tags: Mapping[str, str], arguments: str) -> None:
        """Send a step. arguments: what `execute_step` takes there."""

    def find_problem(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
        """Return why no step of the run can go on; '' while they can. Asked every second for each step that has not ended."""


class SenderHandler(StepHandler):
    def __init__(self, sender: StepSender) -> None:
        self._sender = sender

    @property
    def name(self) -> str:
        return type(self._sender).__name__

    def launch_step(self, step_handler_context: Any) -> Iterator[dg.DagsterEvent]:
        """Send a step, without the address book of this machine's instance: who executes it has one."""
        arguments = json.loads(dg.serialize_value(step_handler_context.execute_step_args)) | {"instance_ref": None}
        for step, tags in step_handler_context.step_tags.items():
            self._sender.send(step_handler_context.dagster_run, step, tags, json.dumps(arguments))
        yield from ()

    def check_step_health(self, step_handler_context: Any) -> CheckStepHealthResult:
        problem = self._sender.find_problem(step_handler_context.instance, step_handler_context.dagster_run)
        return CheckStepHealthResult.unhealthy(problem) if problem else CheckStepHealthResult.healthy()

    def terminate_step(self, step_handler_context: Any) -> Iterator[dg.DagsterEvent]:
        """Do nothing: a step that has not begun finds its run over, and one that has asks the ledger before each chunk."""
        yield from ()


def sending_executor(sender: StepSender) -> dg.Executor:
    """Return the executor of a run whose steps the sender sends. How many are worked on at once is for who takes them to say."""
    os.environ.setdefault(*OFFSET)
    executor: dg.Executor = StepDelegatingExecutor(
        SenderHandler(sender),
        retries=RetryMode.DISABLED,
        sleep_seconds=POLL_SECONDS,
        check_step_health_interval_seconds=HEALTH_SECONDS,
    )
    return executor


def execute_step(arguments: Any, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Execute a step in this thread; its events go to the event log. arguments: as sent, deserialized."""
    for _ in _execute_step_command_body(arguments, instance, run):
        pass


def set_up_logging_once() -> None:
    """Keep the handlers that Dagster makes of dagster.yaml, for a process whose steps are threads.

    Dagster sets Python's logging up for each step, and takes the locks of all handlers while it holds the module's. A step that
    logs takes them the other way round, for Dagster's handler writes to a database whose driver logs too: two steps at once waited
    for each other for ever. No step logs before the first of them has come past here.
    """
    set_up: Callable[[Any], Any] = dg.DagsterInstance.get_yaml_python_handlers
    lock = threading.Lock()
    handlers: list[Any] = []

    def get_handlers(instance: dg.DagsterInstance) -> Any:
        with lock:
            if not handlers:
                handlers.append(set_up(instance))
            return handlers[0]

    dg.DagsterInstance.get_yaml_python_handlers = get_handlers  # type: ignore[method-assign,assignment]
