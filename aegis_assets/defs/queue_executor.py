"""Steps as tasks in queues that workers on any machine take from: dagster-celery's loop, and what it does not do.

Its loop waits for ever for a task whose worker is gone. Here a step that was begun and that nobody holds any more (`stores/holds`)
is sent again, by this executor alone, because a broker either notices nothing or repeats without end; a step that took three
workers with it ends the run. So does a queue that no worker has taken from for two minutes, with a sentence that says so.

What belongs to no lane is done by the run's own process (`defs/own_step`).

The lane limits of the multiprocess executor have no equal here: how many steps of a lane run at once is each worker's number for
that queue, and leases give the exact limits as ever.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import celery
import dagster as dg
from celery import states
from celery.result import AsyncResult
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import pack_value
from dagster_celery import core_execution_loop
from dagster_celery.config import TASK_EXECUTE_PLAN_NAME
from dagster_celery.executor import CeleryExecutor
from kombu.exceptions import OperationalError

from aegis_assets.defs.own_step import OwnStep
from aegis_assets.defs.queue_app import LOST_MESSAGE_SECONDS, app_of, broker_priority, headers, step_name
from aegis_assets.errors import AegisError, EngineFailed, EngineUnavailable, StoreUnavailable, is_outage
from aegis_assets.logs import logger
from aegis_assets.model.launch import CLAIM_TAG
from aegis_assets.settings import Settings
from aegis_assets.stores.broker import BROKER, QUEUES, Broker
from aegis_assets.stores.holds import Holds
from aegis_assets.stores.ledger import Ledger

log = logger(__name__)

# dagster-celery looks once a second, and a document has seven steps after each other. To look costs a question to the broker for
# each step that is out: often where few are, while a document begins and ends, and not for hundreds.
TICK_SECONDS: Final = (0.03, 0.2)  # least and most
TICK_SECONDS_PER_STEP: Final = 0.005
STEPS_AT_ONCE: Final = 6
HOLDS_SECONDS: Final = 1.0
LOST_SECONDS: Final = 5.0  # not held any more; a restarted PostgreSQL is given time to be told again what is held
NEVER_HELD_SECONDS: Final = 10.0  # a busy machine is slow to connect
ATTEMPTS: Final = 3
SERVICE_SECONDS: Final = 15.0
UNSERVED_SECONDS: Final = 120.0  # a worker's machine may be restarting
OUTAGE_SECONDS: Final = 60.0  # so may the broker


@dataclass(eq=False)
class SentStep:
    """What dagster-celery's loop takes for a celery result.

    attempts: the tasks sent for the step. Any of them may answer, because a broker may deliver an earlier one late. state: of the
    last one. held: whether the last one was seen to be. unheld_since: monotonic; 0 unless it was begun and nobody holds it.
    """

    name: str
    queue: str
    send: Callable[[], AsyncResult]
    look: Callable[[], None]
    attempts: list[AsyncResult] = field(default_factory=list)
    answer: AsyncResult | None = None
    state: str = states.PENDING
    sent_at: float = 0.0
    held: bool = False
    unheld_since: float = 0.0

    def ready(self) -> bool:
        self.look()
        return self.answer is not None

    def get(self) -> list[str]:
        """The step's events. Raises what stopped the task before it could run the step."""
        assert self.answer is not None, "the loop asks what is ready"
        events: list[str] = self.answer.get(disable_sync_subtasks=False)
        return events

    def revoke(self) -> None:
        """Not begun: never. Begun: the ops ask the ledger before each chunk whether they may go on."""
        for attempt in self.attempts:
            attempt.revoke()

    def again(self) -> None:
        self.attempts.append(self.send())
        self.state, self.sent_at, self.held, self.unheld_since = states.PENDING, time.monotonic(), False, 0.0

    def lost(self, now: float) -> bool:
        patience = LOST_SECONDS if self.held else NEVER_HELD_SECONDS
        return self.answer is None and self.unheld_since > 0 and now - self.unheld_since >= patience

    def refresh(self) -> None:
        """Raises AegisError for what the worker refused."""
        for attempt in self.attempts:
            self.state = str(attempt.state)
            if self.state in states.READY_STATES:
                self.answer = attempt
                if isinstance(attempt.result, AegisError):
                    raise attempt.result


class Watch:
    """Over all steps of one run that were sent and have not come back."""

    def __init__(self, app: celery.Celery, chosen: Settings, run_id: str) -> None:
        self._app = app
        self._headers = headers(chosen)
        self._run_id = run_id
        self._holds = Holds(chosen.postgres_url.get_secret_value())
        self._broker = Broker(chosen.celery_broker.get_secret_value())
        self._sent: list[SentStep] = []
        self._next = dict.fromkeys(("states", "holds", "service"), 0.0)
        self._answered = time.monotonic()
        self._unserved: dict[str, float] = {}

    def submit(self, _: object, context: Any, step: Any, queue: str, priority: int, known_state: Any) -> SentStep | OwnStep:
        """dagster-celery's hook. Its own app, the first argument, knows nothing of our queues."""
        if queue not in QUEUES:
            return OwnStep(context, step, known_state)
        arguments = ExecuteStepArgs(
            job_origin=context.reconstructable_job.get_python_origin(),
            run_id=self._run_id,
            step_keys_to_execute=[step.key],
            instance_ref=None,  # the worker has its own
            retry_mode=RetryMode.DISABLED.for_inner_plan(),
            known_state=known_state,
        )
        message = {
            "execute_step_args_packed": pack_value(arguments),
            "executable_dict": context.reconstructable_job.to_dict(),
        }

        def send() -> AsyncResult:
            return self._app.tasks[TASK_EXECUTE_PLAN_NAME].apply_async(
                kwargs=message,
                queue=queue,
                priority=broker_priority(self._app, priority),
                headers=self._headers,
                kwargsrepr=step.key,
            )

        sent = SentStep(step_name(self._run_id, step.key), queue, send, self.look)
        sent.again()
        self._sent.append(sent)
        return sent

    def look(self) -> None:
        """As often as it is asked; it looks when it is time. Raises AegisError for what ends the run."""
        if self._due("states", tick := self._tick()):
            core_execution_loop.TICK_SECONDS = tick
            self._refresh()
        if self._due("holds", HOLDS_SECONDS):
            self._send_lost()
        if self._due("service", SERVICE_SECONDS):
            self._require_service()

    def close(self) -> None:
        """Nobody will ask for what is still out: the broker need not keep it."""
        with suppress(Exception):  # the broker may be what ended the run: it is not waited for again for each step
            for sent in self._sent:
                for attempt in sent.attempts:
                    attempt.forget()

    def _tick(self) -> float:
        least, most = TICK_SECONDS
        return min(most, max(least, TICK_SECONDS_PER_STEP * len(self._sent)))

    def _due(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._next[what]:
            return False
        self._next[what] = now + seconds
        return True

    def _refresh(self) -> None:
        self._sent = [sent for sent in self._sent if sent.answer is None]
        try:
            for sent in self._sent:
                sent.refresh()
        except Exception as error:
            if not outage(self._app, error):
                raise
            if time.monotonic() - self._answered > OUTAGE_SECONDS:
                raise StoreUnavailable("The broker (AEGIS_CELERY_BROKER) has not answered for a minute.", server=BROKER) from error
        else:
            self._answered = time.monotonic()

    def _send_lost(self) -> None:
        begun = [sent for sent in self._sent if sent.answer is None and sent.state == states.STARTED]
        try:
            held = self._holds.held([sent.name for sent in begun]) if begun else set()
        except StoreUnavailable:  # whether they are held nobody knows; what the run itself needs of the ledger, its steps will say
            held = {sent.name for sent in begun}
        now = time.monotonic()
        for sent in begun:
            sent.held = sent.held or sent.name in held
            sent.unheld_since = 0.0 if sent.name in held else sent.unheld_since or now
            if sent.lost(now):
                if len(sent.attempts) >= ATTEMPTS:
                    step = sent.name.rsplit(":", 1)[-1]
                    raise EngineFailed(f"The step {step} ended {ATTEMPTS} workers: see their memory. Retry does what is missing.")
                log.warning("step_sent_again", step=sent.name, attempt=len(sent.attempts) + 1)
                sent.again()

    def _require_service(self) -> None:
        """Of queues in which a step of ours waits and none is being worked on."""
        waiting = [sent for sent in self._sent if sent.state == states.PENDING]
        moving = {sent.queue for sent in self._sent if sent.state == states.STARTED}
        late = [sent for sent in waiting if sent.queue not in moving and time.monotonic() - sent.sent_at > SERVICE_SECONDS]
        served = self._broker.queues() if late else {}
        now = time.monotonic()
        self._unserved = {sent.queue: self._unserved.get(sent.queue, now) for sent in late if sent.queue not in served}
        for queue, since in self._unserved.items():
            if now - since > UNSERVED_SECONDS:
                raise EngineUnavailable(
                    f"No worker takes from the queue {queue}: start one with `make worker QUEUES={queue}`.",
                    server=f"a worker of the queue {queue}",
                )
        for sent in late:
            # Neither waiting nor, by now, given back by whoever took it: the broker was restarted without its messages.
            if sent.queue in served and now - sent.sent_at > 2 * LOST_MESSAGE_SECONDS and not self._broker.waiting(sent.queue):
                log.warning("message_lost", step=sent.name)
                sent.again()


class Paced(ExecutionPlan):
    """A plan whose steps are sent a few at a time. Sending one takes some 40 ms: with all windows of a book sent to the parser
    before the loop looks at what has come back, models wait while there are chunks. What comes back goes before (`lane`).
    """

    def start(self, *positional: Any, **named: Any) -> ActiveExecution:
        active = super().start(*positional, **named)
        vars(active)["get_steps_to_execute"] = partial(active.get_steps_to_execute, limit=STEPS_AT_ONCE)
        return active


class QueueExecutor(CeleryExecutor):
    def __init__(self, chosen: Settings) -> None:
        super().__init__(retries=RetryMode.DISABLED, broker=chosen.celery_broker.get_secret_value(), backend="disabled://")
        self._chosen = chosen

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Raises AegisError, after the run's documents have been given its sentence."""
        watch = Watch(app_of(self._chosen), self._chosen, plan_context.run_id)
        core_execution_loop.TICK_SECONDS = TICK_SECONDS[0]
        paced = tuple.__new__(Paced, execution_plan)
        try:
            yield from core_execution_loop.core_celery_execution_loop(plan_context, paced, step_execution_fn=watch.submit)
        except AegisError as error:
            end(self._chosen, plan_context.dagster_run, error)
            raise
        except OperationalError as error:
            away = StoreUnavailable("The broker (AEGIS_CELERY_BROKER) does not answer.", server=BROKER)
            end(self._chosen, plan_context.dagster_run, away)
            raise away from error
        finally:
            watch.close()


def outage(app: celery.Celery, error: Exception) -> bool:
    return isinstance(error, (OperationalError, OSError)) or bool(app.backend.exception_safe_to_retry(error))


def end(chosen: Settings, run: dg.DagsterRun, error: AegisError) -> None:
    """Put back, in an outage, what the run holds and what waits for it to begin; else it fails."""
    ledger = Ledger(chosen.postgres_url.get_secret_value())
    try:
        for holder in filter(None, (run.run_id, run.tags.get(CLAIM_TAG))):
            if is_outage(error):
                ledger.lose_run(holder, error.message, error.server)
            else:
                ledger.fail_run(holder, error.message)
    finally:
        ledger.close()
