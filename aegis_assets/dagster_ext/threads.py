"""Steps as threads of the run's own process.

An op does no work of its own: it asks the ledger and waits for an engine. A process for each, as Dagster's multiprocess executor
makes it, costs 1.5 s of CPU, most of it imports and connections, and its parent looks at one child after another, 20 ms each. A
thread costs a hundredth of that, and its events are handled as they come. What a process would protect from, a killed run resumes
from: the ledger knows what is done.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from queue import Empty, SimpleQueue
from typing import Any, Final

import dagster as dg
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.execute_plan import dagster_event_sequence_for_step
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.retries import RetryMode
from dagster._utils.error import serializable_error_info_from_exc_info

from aegis_assets.dagster_ext.output import captured
from aegis_assets.pipeline.flow import loop

TICK_SECONDS: Final = 0.25  # for a slot of a pool that came free, and for an interrupt
STOP_SECONDS: Final = 15.0  # for steps that were told to stop; a step that writes to a store is not interrupted in it

Message = tuple[str, dg.DagsterEvent | BaseException | None]


class ThreadedExecutor(dg.Executor):
    def __init__(self, max_concurrent: int, tag_concurrency_limits: list[dict[str, Any]]) -> None:
        self._max_concurrent = max_concurrent
        self._limits = tag_concurrency_limits

    @property
    def retries(self) -> RetryMode:
        """Retries happen at the call, with back-off; not stacked."""
        return RetryMode.DISABLED

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """One context, with its resources and loggers, serves all steps. Raises DagsterExecutionInterruptedError when stopped."""
        manager = PlanExecutionContextManager(
            job=plan_context.job,
            retry_mode=self.retries,
            execution_plan=execution_plan,
            run_config=plan_context.run_config,
            dagster_run=plan_context.dagster_run,
            instance=plan_context.instance,
        )
        yield from ExecuteRunWithPlanIterable(execution_plan, self._steps, manager)

    def _steps(self, job_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        messages: SimpleQueue[Message] = SimpleQueue()
        running, begun = set[str](), list[str]()
        stop_at = 0.0
        with ExitStack() as stack:
            slots = stack.enter_context(InstanceConcurrencyContext(job_context.instance, job_context.dagster_run))
            active = stack.enter_context(
                ActiveExecution(
                    execution_plan,
                    retry_mode=self.retries,
                    max_concurrent=self._max_concurrent,
                    tag_concurrency_limits=self._limits,
                    instance_concurrency_context=slots,
                )
            )
            yield captured(job_context, execution_plan.step_keys_to_execute)
            while (not stop_at and not active.is_complete) or running:
                if active.check_for_interrupts():
                    steps = f" Steps at work: {', '.join(sorted(running))}." if running else ""
                    yield job_context.instance.report_engine_event(f"The run is being stopped.{steps}", job_context.dagster_run)
                    active.mark_interrupted()
                    loop.stop_all()
                    stop_at = stop_at or time.monotonic() + STOP_SECONDS
                if not stop_at:
                    for step in active.get_steps_to_execute(limit=self._max_concurrent - len(running)):
                        running.add(step.key)
                        begun.append(step.key)
                        step_context = job_context.for_step(step, active.get_known_state())
                        threading.Thread(target=execute_step, args=(step_context, messages), name=step.key, daemon=True).start()
                    yield from active.concurrency_event_iterator(job_context)
                elif time.monotonic() > stop_at:
                    break
                for key, message in received(messages):
                    if message is None:
                        running.discard(key)
                        active.verify_complete(job_context, key)
                        continue
                    if isinstance(message, BaseException):
                        step_context = job_context.for_step(active.get_step_by_key(key))
                        raised: Any = (type(message), message, message.__traceback__)
                        error = serializable_error_info_from_exc_info(raised)
                        message = self.log_failure_or_retry_event_after_error(step_context, error, active.get_known_state())
                    yield message
                    active.handle_event(message)
                yield from active.plan_events_iterator(job_context)
            yield captured(job_context, begun)  # the mapped ones among them
            if stop_at:
                active.mark_interrupted()
                raise dg.DagsterExecutionInterruptedError


def received(messages: SimpleQueue[Message]) -> Iterator[Message]:
    """What is there; waits a tick for the first."""
    try:
        yield messages.get(timeout=TICK_SECONDS)
        while True:
            yield messages.get_nowait()
    except Empty:
        return


def execute_step(context: Any, messages: SimpleQueue[Message]) -> None:
    """Execute one step, in its thread. The last message is None, whatever happens."""
    key = context.step.key
    try:
        for event in dagster_event_sequence_for_step(context):
            messages.put((key, event))
    except BaseException as error:  # noqa: BLE001  whatever it is, the run must hear of it
        messages.put((key, error))
    finally:
        messages.put((key, None))
