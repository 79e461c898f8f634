"""Sensors: a watched bucket's objects become documents; pending documents become runs; what a dead run left is set right.

One sensor watches, and launches what it sees; another launches whatever else is pending: an upload made while Dagster was down.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

import dagster as dg

from aegis_assets.defs.handover import discard, purge
from aegis_assets.defs.jobs import ingest, remove
from aegis_assets.defs.partitions import documents
from aegis_assets.defs.platform import PlatformResource, watcher
from aegis_assets.defs.run import alive, partition_order
from aegis_assets.errors import AegisError
from aegis_assets.logs import logger
from aegis_assets.model.launch import CLAIM_TAG, IN_ITS_PROCESS, SIZE_TAG, SMALL_BYTES
from aegis_assets.model.ledger import DocumentRow
from aegis_assets.pipeline.flow.late import sweep_removed
from aegis_assets.pipeline.flow.ledger import FlowLedger
from aegis_assets.settings import settings
from aegis_assets.stores.watch import Watcher

log = logger(__name__)
CLAIMS_PER_TICK = 1000
REFUSED = "Not taken, because their names cannot be stored: {n}; the first of them: {first}"
RANGE = 50
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@dg.sensor(minimum_interval_seconds=settings().watch_interval, default_status=dg.DefaultSensorStatus.RUNNING, jobs=[ingest, remove])
def watch_bucket(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
    """New, changed and deleted objects -> documents -> runs. The ledger keeps what it saw: a restart doubles nothing."""
    try:
        news, said = sync_watched(platform.use().ledger, watcher())
    except AegisError as error:
        return dg.SkipReason(error.message)
    if news:
        return launches(context, platform)
    return dg.SkipReason(said or "No object is new, changed or deleted.")


def sync_watched(ledger: FlowLedger, watching: Watcher) -> tuple[bool, str]:
    """Store what the watcher lists, part by part. Return whether anything was news, and what a person should look at."""
    chosen, news, said = settings(), False, dict[str, None]()
    with closing(watching.listings(chosen.watch_settle_seconds, datetime.now(UTC))) as listings:
        for part in listings:
            gone = part.gone if part.seen is None else ledger.unlisted(chosen.watch_address, part.seen)
            seen = ledger.sync_objects(chosen.watch_address, chosen.watch_collection, part.objects, part.complete, gone)
            if seen.again or seen.problem:
                watching.look_again()
            news = news or bool(seen.new or seen.changed or seen.deleted)
            refused = REFUSED.format(n=len(seen.refused), first=seen.refused[0]) if seen.refused else ""
            said |= dict.fromkeys(filter(None, (*part.problems, seen.problem, refused)))
    return news, " ".join(said | dict.fromkeys(watching.problems))


@dg.sensor(minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING, jobs=[ingest, remove])
def launch_pending(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
    return launches(context, platform)


def launches(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
    """Runs for what is pending, and for what is to be removed."""
    ledger = platform.use().ledger
    try:
        release_lost_claims(context.instance, platform)
        removing = [] if is_removing(context.instance) else [str(document) for document in ledger.to_remove()]
        claimed = ledger.documents(ledger.claim(CLAIMS_PER_TICK))
    except AegisError as error:
        return dg.SkipReason(error.message)
    context.instance.add_dynamic_partitions(documents.name or "", [str(row.id) for row in claimed])
    requests = list(run_requests(context.instance, platform, claimed))
    if removing:
        requests.append(
            dg.RunRequest(
                run_key=f"remove-{removing[0]}-{len(removing)}-{int(time.time() // 60)}",
                job_name=remove.name,
                tags={SIZE_TAG: "0"},
                run_config={"ops": {"remove_documents": {"config": {"documents": removing}}}},
            )
        )
    return dg.SensorResult(run_requests=requests) if requests else dg.SkipReason("No document is pending.")


def is_removing(instance: dg.DagsterInstance) -> bool:
    """A removal is under way already, of these documents or of others: the next tick sees what it left."""
    unfinished = dg.RunsFilter(job_name=remove.name, statuses=UNFINISHED)
    return instance.get_runs_count(unfinished) > 0


def run_requests(instance: dg.DagsterInstance, platform: PlatformResource, rows: Sequence[DocumentRow]) -> Iterator[dg.RunRequest]:
    """A run per large document; small ones that are neighbours in Dagster's partition order share a run."""
    order = partition_order(instance)
    for group in groups(sorted(rows, key=lambda row: order[str(row.id)]), order):
        claim = f"claim:{uuid4()}"
        platform.use().ledger.launched([row.id for row in group], claim)
        tags = {CLAIM_TAG: claim, SIZE_TAG: str(sum(row.size for row in group))}
        if len(group) == 1:
            yield dg.RunRequest(
                run_key=claim,
                job_name=ingest.name,
                partition_key=str(group[0].id),
                tags=tags,
                run_config=IN_ITS_PROCESS if group[0].size < SMALL_BYTES else {},
            )
        else:
            tags |= {START: str(group[0].id), END: str(group[-1].id)}
            yield dg.RunRequest(run_key=claim, job_name=ingest.name, tags=tags)


def groups(rows: Sequence[DocumentRow], order: dict[str, int]) -> Iterator[list[DocumentRow]]:
    group: list[DocumentRow] = []
    for row in rows:
        neighbour = bool(group) and order[str(row.id)] == order[str(group[-1].id)] + 1
        if group and (not neighbour or len(group) >= RANGE or row.size >= SMALL_BYTES or group[-1].size >= SMALL_BYTES):
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def release_lost_claims(instance: dg.DagsterInstance, platform: PlatformResource) -> None:
    """A claim whose run was never made is pending again. One whose run ended without taking the document has failed: launching it
    again would only repeat that, without end."""
    ledger = platform.use().ledger
    for claim, ids in ledger.open_claims(older_than_s=30).items():
        if claim.startswith("claim:"):
            runs = list(instance.get_runs(filters=dg.RunsFilter(tags={CLAIM_TAG: claim}), limit=1))
        else:
            runs = [run for run in [instance.get_run_by_id(claim)] if run] if claim else []
        if not runs:
            ledger.unclaim(ids, "")
        elif runs[0].is_finished:
            ledger.fail_run(claim, "The run ended before it reached this document; its page in Dagster says why.")


@dg.sensor(minimum_interval_seconds=600, default_status=dg.DefaultSensorStatus.RUNNING)
def purge_handovers(context: dg.SensorEvaluationContext, platform: PlatformResource) -> None:
    """What steps wrote after their run was over, what could not be discarded then, and late writes for documents that are gone."""
    try:
        sweep_removed(platform.use())
        count = purge(platform.use().bucket, lambda run: alive(context.instance, run), datetime.now(UTC))
    except AegisError as error:
        log.warning("not_purged", kind=error.kind)  # the next tick tries again
    else:
        log.info("purged", objects=count)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.FAILURE,
    monitored_jobs=[ingest],
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def after_failure(context: dg.RunStatusSensorContext, platform: PlatformResource) -> None:
    """A run that died before it could say so: its documents fail with a sentence instead of running for ever."""
    run_id = context.dagster_run.run_id
    platform.use().ledger.fail_run(
        run_id, "The run was stopped from outside before it could finish. Retry takes up what is missing."
    )
    discard(platform.use().bucket, run_id)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    monitored_jobs=[ingest],
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def after_cancel(context: dg.RunStatusSensorContext, platform: PlatformResource) -> None:
    platform.use().ledger.cancel_run(context.dagster_run.run_id)
    discard(platform.use().bucket, context.dagster_run.run_id)
