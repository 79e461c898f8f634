"""Settings -> the Celery app that steps are sent by and that workers serve.

A step is held by its name in PostgreSQL while it is worked on, so that its run sees a worker die (a broker only knows time-outs),
and so that a message delivered twice is worked on once. A worker refuses to work with other engines or limits than the run was
planned with, because its marks would count as missing work.
"""

import socket
import time
from typing import Any, Final

import celery
import dagster as dg
from celery.exceptions import Reject
from kombu import Queue

from aegis_assets.dagster_ext.steps import execute_step
from aegis_assets.defs.platform import build
from aegis_assets.engines.client import EngineClient
from aegis_assets.errors import AegisError, Misconfigured, StoreUnavailable
from aegis_assets.model.extraction import Schema
from aegis_assets.model.ids import fingerprint
from aegis_assets.pipeline.flow.fingerprints import current
from aegis_assets.settings import Settings, settings
from aegis_assets.stores.broker import QUEUES
from aegis_assets.stores.holds import Holds

TASK: Final = "aegis.step"
REFUSED: Final = "Refused: "  # an event that begins so ends the run
PRIORITIES: Final = 10
RETRY_SECONDS: Final = 5.0  # while a worker's ledger is away
# A message that a worker took and lost before it had begun comes back after this; one that is being worked on comes back too, and
# is dropped, because its step is held.
LOST_MESSAGE_SECONDS: Final = 60


def app_of(chosen: Settings) -> celery.Celery:
    """Raises Misconfigured without a broker."""
    broker = chosen.celery_broker.get_secret_value()
    if not broker.startswith(("redis://", "rediss://", "amqp://", "amqps://", "pyamqp://")):
        raise Misconfigured("AEGIS_EXECUTOR=celery needs AEGIS_CELERY_BROKER, a redis:// or amqp:// address.")
    app = celery.Celery("aegis", broker=broker)
    app.conf.update(
        task_queues=[Queue(name, routing_key=name, queue_arguments={"x-max-priority": PRIORITIES}) for name in QUEUES],
        task_default_queue=QUEUES[0],
        task_acks_late=True,
        task_ignore_result=True,  # what became of a step is in Dagster's event log
        worker_prefetch_multiplier=1,  # what a busy worker has taken nobody else can have
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a broker that is restarted finds its workers again
        broker_transport_options=redis_options() if broker.startswith("redis") else {},
    )
    app.task(take_step, name=TASK, bind=True)
    return app


def redis_options() -> dict[str, object]:
    return {
        "visibility_timeout": LOST_MESSAGE_SECONDS,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "priority_steps": list(range(PRIORITIES)),
        "queue_order_strategy": "priority",
        "socket_keepalive": True,
        "socket_connect_timeout": 5,
        "max_retries": 1,  # of a message that is sent, which is tried again every second anyway
        "interval_start": 0.1,
    }


def broker_priority(app: celery.Celery, priority: int) -> int:
    """Dagster's, where higher is sooner -> the broker's. To Redis lower is sooner."""
    wanted = max(0, min(PRIORITIES - 1, priority))
    return PRIORITIES - 1 - wanted if str(app.conf.broker_url).startswith("redis") else wanted


def step_name(run_id: str, step: str) -> str:
    """As it is held."""
    return f"step:{run_id}:{step}"


def take_step(task: Any, arguments: str, agreed_on: str, only_at: str) -> None:
    """Execute a step unless somebody does or has done that, or its run is over. The body of the Celery task."""
    asked: Any = dg.deserialize_value(arguments)
    (step,) = asked.step_keys_to_execute
    try:
        with Holds(settings().postgres_url.get_secret_value()).hold(step_name(asked.run_id, step)) as mine:
            if not mine:
                return
            with dg.DagsterInstance.get() as instance:
                run = wanted_run(instance, asked.run_id, step)
                if run is None:
                    return
                try:
                    require_fit(str(task.request.hostname), agreed_on, only_at)
                except Misconfigured as error:
                    instance.report_engine_event(f"{REFUSED}{error.message}", run, step_key=step)
                    return
                execute_step(asked, instance, run)
    except StoreUnavailable as error:
        time.sleep(RETRY_SECONDS)
        raise Reject(error.message, requeue=True) from error


def wanted_run(instance: dg.DagsterInstance, run_id: str, step: str) -> dg.DagsterRun | None:
    """Return the run, or None if it is over or the step has ended: an end said twice would break the run."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished or run.status == dg.DagsterRunStatus.CANCELING:
        return None
    ended = any(stats.end_time is not None for stats in instance.get_run_step_stats(run_id, [step]))
    return None if ended else run


def require_fit(worker: str, agreed_on: str, only_at: str) -> None:
    """Raise Misconfigured if this worker's results would not be those of the run's own machine."""
    if only_at and only_at != socket.gethostname():
        raise Misconfigured(
            f"The worker {worker} is on another machine than the stack, whose bucket or vectors are a directory:"
            " set AEGIS_BUCKET_URL and AEGIS_QDRANT_URL to what all machines reach, or run workers beside the stack only."
        )
    if agreed_on and agreed() not in ("", agreed_on) and agreed(anew=True) not in ("", agreed_on):
        raise Misconfigured(
            f"The worker {worker} has other engines or limits than the run was planned with: give all machines"
            " the same AEGIS_ settings of parser, embedder, models and windows."
        )


def requirements(chosen: Settings) -> dict[str, str]:
    """What a worker must agree with: the same engines and limits, and the same machine where stores are directories of it."""
    return {"agreed_on": agreed(), "only_at": socket.gethostname() if chosen.kept_here else ""}


def agreed(*, anew: bool = False) -> str:
    """Return what decides the results of this machine's engines; '' while they do not answer, which steps find out by themselves.

    anew: ask them, and do not believe what they were when this process first asked: a docling-serve may have been exchanged since.
    """
    platform = build()
    if anew and isinstance(platform.parser, EngineClient):
        platform.parser.forget()
    try:
        return fingerprint(**vars(current(platform, Schema())))
    except AegisError:
        return ""
