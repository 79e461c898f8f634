"""Steps of a run with queues that no queue takes: they belong to no lane, ask stores alone, and come one after another.

Sent to workers, the four of them took 0.6 s longer, while everything else waits: nothing is parsed before the first two are done,
and nobody sees the result before the last two are.
"""

from __future__ import annotations

import threading
from typing import Any

from dagster._core.execution.api import create_execution_plan, execute_plan_iterator
from dagster._core.execution.retries import RetryMode
from dagster._serdes import serialize_value

from aegis_assets.defs import loop


class OwnStep:
    """What dagster-celery's loop takes for a celery result: a step as a thread of the run's own process."""

    def __init__(self, context: Any, step: Any, known_state: Any) -> None:
        """context: the run's PlanOrchestrationContext. known_state: the plan's, as it was when the step was due."""
        self._events: list[str] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, args=(context, step.key, known_state), name=step.key, daemon=True)
        self._thread.start()

    def ready(self) -> bool:
        return not self._thread.is_alive()

    def get(self) -> list[str]:
        """The step's events. Raises what stopped it before it could run; an op that fails is an event."""
        if self._error is not None:
            raise self._error
        return self._events

    def revoke(self) -> None:
        """It stops waiting for engines. What it writes to stores goes on to its end, or as far as the ledger lets it."""
        loop.stop_all()

    def _work(self, context: Any, key: str, known_state: Any) -> None:
        try:
            plan = create_execution_plan(
                context.reconstructable_job, context.run_config, step_keys_to_execute=[key], known_state=known_state
            )
            events = execute_plan_iterator(
                execution_plan=plan,
                job=context.reconstructable_job,
                dagster_run=context.dagster_run,
                instance=context.instance,
                retry_mode=RetryMode.DISABLED.for_inner_plan(),
                run_config=context.run_config,
            )
            self._events.extend(serialize_value(event) for event in events)
        except BaseException as error:  # noqa: BLE001  the run must hear of it, whatever it is
            self._error = error
