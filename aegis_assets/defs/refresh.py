"""The job `refresh_stale`, and a sensor that launches it once a person has switched it on."""

import json

import dagster as dg

from aegis_assets.defs.platform import PlatformResource
from aegis_assets.errors import AegisError
from aegis_assets.pipeline.flow.staleness import collection_fingerprints, refresh_collection


class Refresh(dg.Config):
    """collection: its name. dry_run: only say what it would cost."""

    collection: str
    dry_run: bool = True


@dg.op
def refresh_documents(context: dg.OpExecutionContext, config: Refresh, platform: PlatformResource) -> None:
    """Say what doing the stale documents of the collection anew costs; unless it is a dry run, make them pending."""
    try:
        cost = refresh_collection(platform.use(), config.collection, not config.dry_run, context.log.info)
    except AegisError as error:
        raise dg.Failure(error.message, allow_retries=False) from error
    context.add_output_metadata(vars(cost))


@dg.job(executor_def=dg.in_process_executor, description="Do anew what was made with other settings, engines or schema.")
def refresh_stale() -> None:
    refresh_documents()


@dg.sensor(minimum_interval_seconds=300, default_status=dg.DefaultSensorStatus.STOPPED, job=refresh_stale)
def refresh_changed(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
    """Refresh each collection whose engines, settings or schema have changed since the last look; all of them at the first."""
    try:
        now = collection_fingerprints(platform.probe())
    except AegisError as error:
        return dg.SkipReason(error.message)
    before = json.loads(context.cursor or "{}")
    changed = [name for name, fingerprint in now.items() if before.get(name) != fingerprint]
    config = [{"refresh_documents": {"config": {"collection": name, "dry_run": False}}} for name in changed]
    return dg.SensorResult(run_requests=[dg.RunRequest(run_config={"ops": ops}) for ops in config], cursor=json.dumps(now))
