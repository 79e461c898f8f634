"""How a run's ops are executed: as threads of the run's process, or by workers elsewhere.

Tag limits hold a run's own ops, because a step that waits for a pool polls slowly. Where a run's config names no mode,
AEGIS_EXECUTOR does; the packages of the modes that need more are imported by them alone.
"""

import dagster as dg

from aegis_assets.dagster_ext.threads import ThreadedExecutor
from aegis_assets.settings import settings

# Each lane has its own: a chunk that waits for the model must not keep the next window from being chunked.
LANES = {"docling": 2, "enrich": 2, "gpu": 2, "ollama": 4}
STEPS = sum(LANES.values())
MODES = ("threads", "celery", "k8s")


def mode(config: object) -> str:
    return (config.get("mode") if isinstance(config, dict) else None) or settings().executor


def steps_share_process(context: dg.OpExecutionContext) -> bool:
    """Whether a step after this one runs in this process."""
    execution = context.run_config.get("execution") or {}
    return mode(execution.get("config") if isinstance(execution, dict) else None) == "threads"


@dg.executor(
    name="aegis",
    config_schema={
        "mode": dg.Field(dg.Enum("Mode", [dg.EnumValue(mode) for mode in MODES]), is_required=False),
        "max_concurrent": dg.Field(int, default_value=STEPS),
    },
    requirements=lambda config: [] if mode(config) == "threads" else dg.multiple_process_executor_requirements(),
)
def ingest_executor(context: dg.InitExecutorContext) -> dg.Executor:
    number = context.executor_config["max_concurrent"]
    assert isinstance(number, int)
    lanes = [{"key": "lane", "value": lane, "limit": limit} for lane, limit in LANES.items()]
    match mode(context.executor_config):
        case "celery":
            from aegis_assets.dagster_ext.steps import sending_executor
            from aegis_assets.defs.queue_sender import QueueSender

            return sending_executor(QueueSender(settings()))
        case "k8s":
            return pods(context, {"max_concurrent": number, "tag_concurrency_limits": lanes, "retries": {"disabled": {}}})
    return ThreadedExecutor(number, lanes)


def pods(context: dg.InitExecutorContext, values: dict[str, object]) -> dg.Executor:
    """A pod per step: seconds each, so for few and large documents; see docs/distributed.md."""
    from dagster_k8s import k8s_job_executor

    config = k8s_job_executor.configured(values).apply_config_mapping({}).value["config"]
    made = k8s_job_executor.executor_creation_fn
    assert made is not None
    executor: dg.Executor = made(dg.InitExecutorContext(context.job, k8s_job_executor, config, context.instance))
    return executor
