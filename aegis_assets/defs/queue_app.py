"""Settings -> the Celery app that the executor sends steps to and that workers serve.

A task is dagster-celery's own, wrapped: it holds its step's name in PostgreSQL while it works, so that the executor sees a worker
die (a broker only knows time-outs, an hour with Redis), and so that a message delivered twice is worked on once. It works with its
own machine's Dagster instance, for the paths in the sender's mean nothing here. And it refuses to work with other engines or limits
than the run was planned with, because its marks would count as missing work.
"""

import socket
from typing import Any, Final

import celery
import dagster as dg
from celery.exceptions import Ignore
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import pack_value, unpack_value
from dagster_celery.config import TASK_EXECUTE_PLAN_NAME
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task
from dagster_shared.record import replace
from kombu import Queue

from aegis_assets.defs.platform import build
from aegis_assets.engines.client import EngineClient
from aegis_assets.errors import AegisError, Misconfigured
from aegis_assets.model.extraction import Schema
from aegis_assets.model.ids import fingerprint
from aegis_assets.pipeline.flow.fingerprints import current
from aegis_assets.settings import Settings, settings
from aegis_assets.stores.broker import QUEUES
from aegis_assets.stores.holds import Holds

AGREED: Final = "aegis_agreed"  # headers of a message
ONLY_AT: Final = "aegis_only_at"
PRIORITIES: Final = 10
# A message that a worker took and lost before it had begun comes back after this; one that is being worked on comes back too, and
# is dropped, because its step is held.
LOST_MESSAGE_SECONDS: Final = 60


def app_of(chosen: Settings) -> celery.Celery:
    """Raises Misconfigured without a broker, or with one that can carry no results."""
    broker = chosen.celery_broker.get_secret_value()
    if not broker.startswith(("redis://", "rediss://", "amqp://", "amqps://", "pyamqp://")):
        raise Misconfigured("AEGIS_EXECUTOR=celery needs AEGIS_CELERY_BROKER, a redis:// or amqp:// address.")
    redis = broker.startswith("redis")
    backend = chosen.celery_backend.get_secret_value() or (broker if redis else "rpc://")
    app = make_app({"broker": broker, "backend": backend})
    app.conf.update(
        task_queues=[queue(name) for name in QUEUES],
        task_default_queue=QUEUES[0],
        task_routes={},
        task_acks_late=True,
        task_track_started=True,
        task_remote_tracebacks=False,
        worker_prefetch_multiplier=1,  # what a busy worker has taken nobody else can have
        worker_deduplicate_successful_tasks=True,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a broker that is restarted finds its workers again
        result_expires=3600,
        broker_transport_options=redis_options() if redis else {},
    )
    create_task(app, base=Step, acks_late=True, resultrepr_maxsize=64)
    return app


def queue(name: str) -> Queue:
    return Queue(name, routing_key=f"{name}.{TASK_EXECUTE_PLAN_NAME}", queue_arguments={"x-max-priority": PRIORITIES})


def redis_options() -> dict[str, object]:
    return {
        "visibility_timeout": LOST_MESSAGE_SECONDS,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "priority_steps": list(range(PRIORITIES)),
        "queue_order_strategy": "priority",
        "socket_keepalive": True,
        "socket_connect_timeout": 5,
    }


def broker_priority(app: celery.Celery, priority: int) -> int:
    """Dagster's, where higher is sooner -> the broker's. To Redis lower is sooner."""
    wanted = max(0, min(PRIORITIES - 1, priority))
    return PRIORITIES - 1 - wanted if str(app.conf.broker_url).startswith("redis") else wanted


def step_name(run_id: str, step: str) -> str:
    """As it is held."""
    return f"step:{run_id}:{step}"


class Step(celery.Task):
    """dagster-celery's task body, once per step and only while its run wants it."""

    abstract = True

    def __call__(self, execute_step_args_packed: Any, executable_dict: dict[str, object]) -> list[str]:
        asked = unpack_value(execute_step_args_packed, as_type=ExecuteStepArgs)
        (step,) = asked.step_keys_to_execute or ()
        with Holds(settings().postgres_url.get_secret_value()).hold(step_name(asked.run_id, step)) as mine:
            if not mine:
                raise Ignore
            with dg.DagsterInstance.get() as instance:
                if not wanted(instance, asked.run_id, step, redelivered=bool(self.request.delivery_info.get("redelivered"))):
                    raise Ignore
                here = replace(asked, instance_ref=instance.get_ref())
            self.refuse_if_unfit()
            events: list[str] = self.run(pack_value(here), executable_dict)
            return events

    def refuse_if_unfit(self) -> None:
        asked, place = (getattr(self.request, header, None) or "" for header in (AGREED, ONLY_AT))
        if place and place != socket.gethostname():
            raise Misconfigured(
                f"The worker {self.request.hostname} is on another machine than the stack, whose bucket or vectors are a directory:"
                " set AEGIS_BUCKET_URL and AEGIS_QDRANT_URL to what all machines reach, or run workers beside the stack only."
            )
        if asked and agreed() not in ("", asked) and agreed(anew=True) not in ("", asked):
            raise Misconfigured(
                f"The worker {self.request.hostname} has other engines or limits than the run was planned with: give all machines"
                " the same AEGIS_ settings of parser, embedder, models and windows."
            )


def wanted(instance: dg.DagsterInstance, run_id: str, step: str, *, redelivered: bool) -> bool:
    """False for a run that is over, and for a step that another worker has done since this message was first delivered."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished or run.status == dg.DagsterRunStatus.CANCELING:
        return False
    if not redelivered:
        return True
    done = instance.get_run_step_stats(run_id, [step])
    return not any(stats.status is not None and stats.status.value == "SUCCESS" for stats in done)


def headers(chosen: Settings) -> dict[str, str]:
    """What a worker must agree with: the same engines and limits, and the same machine where stores are directories of it."""
    return {AGREED: agreed(), ONLY_AT: socket.gethostname() if chosen.kept_here else ""}


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
