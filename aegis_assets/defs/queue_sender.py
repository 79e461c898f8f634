"""Steps sent into queues that workers on any machine take from, and watched until they end.

A broker either does not notice a dead worker or repeats its message without end. So a step that was begun and that nobody holds any
more (`stores/holds`) is sent again, from here alone; one that took three workers with it ends the run. So does a queue that no
worker has taken from for two minutes, with a sentence that says so. Everything else is read from Dagster's event log: the broker
carries messages and no results.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import dagster as dg
from kombu.exceptions import OperationalError

from aegis_assets.defs.queue_app import LOST_MESSAGE_SECONDS, REFUSED, TASK, app_of, broker_priority, requirements, step_name
from aegis_assets.errors import AegisError, EngineFailed, EngineUnavailable, Misconfigured, StoreUnavailable, is_outage
from aegis_assets.logs import logger
from aegis_assets.model.launch import CLAIM_TAG
from aegis_assets.settings import Settings
from aegis_assets.stores.broker import BROKER, QUEUES, Broker
from aegis_assets.stores.holds import Holds
from aegis_assets.stores.ledger import Ledger

log = logger(__name__)

LOOK_SECONDS: Final = 1.0
LOST_SECONDS: Final = 5.0  # not held any more; a restarted PostgreSQL is given time to be told again what is held
ATTEMPTS: Final = 3
SERVICE_SECONDS: Final = 15.0
UNSERVED_SECONDS: Final = 120.0  # a worker's machine may be restarting
OUTAGE_SECONDS: Final = 60.0  # so may the broker


@dataclass(eq=False)
class SentStep:
    """A step that has not ended. Times are monotonic. begun: the last attempt was. quiet_since: 0 while somebody holds the step."""

    name: str
    queue: str
    priority: int
    message: dict[str, str]
    attempts: int = 0
    sent_at: float = 0.0  # 0: the broker did not take it
    begun: bool = False
    quiet_since: float = 0.0


class QueueSender:
    def __init__(self, chosen: Settings) -> None:
        self._chosen = chosen
        self._app = app_of(chosen)
        self._requirements = requirements(chosen)
        self._holds = Holds(chosen.postgres_url.get_secret_value())
        self._broker = Broker(chosen.celery_broker.get_secret_value())
        self._sent: dict[str, SentStep] = {}
        self._unserved: dict[str, float] = {}
        self._looked = self._service_asked = self._broker_answered = time.monotonic()
        self._problem = ""

    def send(self, run: dg.DagsterRun, step: str, tags: Mapping[str, str], arguments: str) -> None:
        """Send a step to its lane's queue. What the broker does not take is sent when it is back."""
        priority = broker_priority(self._app, int(tags.get("dagster/priority", "0")))
        message = {"arguments": arguments, **self._requirements}
        self._sent[step] = SentStep(step_name(run.run_id, step), tags.get("lane", QUEUES[0]), priority, message)
        self._publish(self._sent[step])

    def find_problem(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
        """Return what ends the run, once its documents have been given that sentence. Look at all steps together, once a second."""
        now = time.monotonic()
        if self._problem or now - self._looked < LOOK_SECONDS:
            return self._problem
        self._looked = now
        try:
            self._publish_lost(instance, run.run_id, now)
            self._ask_broker(now)
        except AegisError as error:
            end(self._chosen, run, error)
            self._problem = error.message
        return self._problem

    def _publish(self, sent: SentStep) -> bool:
        """Return whether the broker took it."""
        sent.sent_at, sent.begun, sent.quiet_since = 0.0, False, 0.0
        try:
            self._app.tasks[TASK].apply_async(
                kwargs=sent.message, queue=sent.queue, priority=sent.priority, retry=False, argsrepr=sent.name, kwargsrepr=""
            )
        except (OperationalError, OSError):
            return False
        sent.attempts += 1
        sent.sent_at = sent.quiet_since = time.monotonic()
        return True

    def _publish_again(self, sent: SentStep, event: str) -> None:
        log.warning(event, step=sent.name, attempt=sent.attempts + 1)
        self._publish(sent)

    def _publish_lost(self, instance: dg.DagsterInstance, run_id: str, now: float) -> None:
        """Raises Misconfigured for what a worker refused, EngineFailed for a step that ended too many."""
        try:
            held = self._holds.held([sent.name for sent in self._sent.values()])
        except StoreUnavailable:  # whether they are held nobody knows; what the run itself needs of the ledger, its steps will say
            held = {sent.name for sent in self._sent.values() if sent.begun}
        for sent in self._sent.values():
            if sent.name in held:
                sent.begun, sent.quiet_since = True, 0.0
            elif sent.sent_at:
                sent.quiet_since = sent.quiet_since or now
        quiet = [step for step, sent in self._sent.items() if sent.quiet_since and now - sent.quiet_since >= LOST_SECONDS]
        if not quiet:
            return
        refuse(instance, run_id, quiet)
        # Cost: the events of the run, in PostgreSQL alone; what comes back is of the steps named.
        known = {stats.step_key: stats.status for stats in instance.get_run_step_stats(run_id, quiet)}
        for step in quiet:
            sent, status = self._sent[step], known.get(step)
            if status is not None and status.value in ("SUCCESS", "FAILURE"):
                del self._sent[step]
            elif sent.begun or (status is not None and sent.attempts == 1):  # events of the first say nothing of the second
                if sent.attempts >= ATTEMPTS:
                    raise EngineFailed(f"The step {step} ended {ATTEMPTS} workers: see their memory. Retry does what is missing.")
                self._publish_again(sent, "step_sent_again")

    def _ask_broker(self, now: float) -> None:
        """Raises StoreUnavailable once the broker has been away too long."""
        answers = all(sent.sent_at or self._publish(sent) for sent in self._sent.values())
        if answers and now - self._service_asked >= SERVICE_SECONDS:
            self._service_asked = now
            try:
                self._require_service(now)
            except StoreUnavailable:
                answers = False
        if answers:
            self._broker_answered = now
        elif now - self._broker_answered > OUTAGE_SECONDS:
            raise StoreUnavailable("The broker (AEGIS_CELERY_BROKER) has not answered for a minute.", server=BROKER)

    def _require_service(self, now: float) -> None:
        """Raises EngineUnavailable for a queue in which a step waits, none is worked on, and that nobody serves."""
        moving = {sent.queue for sent in self._sent.values() if sent.begun}
        waiting = [sent for sent in self._sent.values() if not sent.begun and now - sent.sent_at > SERVICE_SECONDS]
        late = [sent for sent in waiting if sent.queue not in moving]
        served = self._broker.queues() if late else {}
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
                self._publish_again(sent, "message_lost")


def refuse(instance: dg.DagsterInstance, run_id: str, steps: list[str]) -> None:
    """Raise Misconfigured if a worker refused one of the steps. Cost: the run's engine events, a handful."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        message = entry.get_dagster_event().message or ""
        if entry.step_key in steps and message.startswith(REFUSED):
            raise Misconfigured(message.removeprefix(REFUSED))


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
