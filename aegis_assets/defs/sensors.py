"""Sensors: a watched bucket's objects become documents; pending documents become runs; what a dead run left is set right.

One sensor watches, and launches what it sees; another launches whatever else is pending: an upload made while Dagster was down.
They keep a few runs waiting in Dagster's queue, and leave all other documents pending: what is pending can be ordered, cancelled
and counted, and a thousand queued runs would be read anew whenever Dagster looks for the next one.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid4

import dagster as dg

from aegis_assets.defs.assets import ingested, source_file
from aegis_assets.defs.jobs import ingest, remove
from aegis_assets.defs.partitions import documents, rename_partitions
from aegis_assets.defs.platform import PlatformResource, watcher
from aegis_assets.defs.reaper import holders_of, reap, release
from aegis_assets.defs.run import alive
from aegis_assets.errors import AegisError
from aegis_assets.logs import logger
from aegis_assets.model.launch import (
    ALONE_AFTER,
    CLAIM,
    CLAIM_TAG,
    DOCUMENTS_PER_RUN,
    IN_ITS_PROCESS,
    PARTITION_TAG,
    SIZE_TAG,
    SMALL_BYTES,
    documents_config,
    removal_config,
)
from aegis_assets.model.ledger import DocumentRow, WaitingRuns
from aegis_assets.pipeline.flow.away import last_probe, probe_servers
from aegis_assets.pipeline.flow.handover import discard, purge
from aegis_assets.pipeline.flow.late import sweep_removed
from aegis_assets.pipeline.flow.ledger import FlowLedger
from aegis_assets.pipeline.flow.publish import sweep_outbox
from aegis_assets.settings import settings
from aegis_assets.stores.watch import Watcher

log = logger(__name__)
NAMED = "named"
WAITING_RUNS = (10, 50)  # at least and at most; more than small documents use up until the next tick
WAITING_PER_SLOT = 4
REFUSED = "Not taken, because their names cannot be stored: {n}; the first of them: {first}"
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(minimum_interval_seconds=settings().watch_interval, default_status=dg.DefaultSensorStatus.RUNNING, jobs=[ingest, remove])
def watch_bucket(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
    """Turn new, changed and deleted objects into documents and runs. The ledger keeps what it saw: a restart doubles nothing."""
    try:
        news, said = sync_watched(platform.use().ledger, watcher())
    except AegisError as error:
        return dg.SkipReason(error.message)
    if news:
        return launches(context, platform)
    return dg.SkipReason(said or "No object is new, changed or deleted.")


def sync_watched(ledger: FlowLedger, watching: Watcher) -> tuple[bool, str]:
    """Store what the watcher lists, part by part. Return whether anything was news, and what a person should look at."""
    chosen, news, whole, said = settings(), False, False, dict[str, None]()
    with closing(watching.listings(chosen.watch_settle_seconds)) as listings:
        for part in listings:
            gone = part.gone if part.seen is None else ledger.unlisted(chosen.watch_address, part.seen)
            seen = ledger.sync_objects(chosen.watch_address, chosen.watch_collection, part.objects, part.complete, gone)
            if seen.again or seen.problem:
                watching.look_again()
            whole = (part.complete or part.seen is not None) and not seen.problem
            news = news or bool(seen.new or seen.changed or seen.deleted)
            refused = REFUSED.format(n=len(seen.refused), first=seen.refused[0]) if seen.refused else ""
            said |= dict.fromkeys(filter(None, (*part.problems, seen.problem, refused)))
    if whole:
        ledger.note_listing(chosen.watch_address, watching.every_seconds + chosen.watch_interval)
    return news, " ".join(said | dict.fromkeys(watching.problems))


@dg.sensor(minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING, jobs=[ingest, remove])
def launch_pending(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
    """Launch whatever is pending, whoever made it so."""
    return launches(context, platform)


def launches(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
    """Return runs for what is pending, and for what is to be removed."""
    ledger = platform.use().ledger
    try:
        away = servers_away(context, platform)
        requests = [*removal_requests(context.instance, ledger), *([] if away else ingest_requests(context.instance, ledger))]
    except AegisError as error:
        return dg.SkipReason(error.message)
    if requests:
        return dg.SensorResult(run_requests=requests)
    return dg.SkipReason(f"Waiting for {', '.join(sorted(away))}." if away else "No document is to be taken up now.")


def servers_away(context: dg.SensorEvaluationContext, resource: PlatformResource) -> set[str]:
    """Return the servers that documents wait for and that do not answer; the cursor remembers them."""
    probe = probe_servers(resource.use().ledger, resource.probe, context.cursor)
    if probe.away != last_probe(context.cursor).away:
        context.update_cursor(probe.model_dump_json())
    return set(probe.away)


def removal_requests(instance: dg.DagsterInstance, ledger: FlowLedger) -> list[dg.RunRequest]:
    """Return a run for the documents whose removal is due, none while a removal is under way: the next tick sees what it left."""
    due = ledger.to_remove()
    if not due or instance.get_runs_count(dg.RunsFilter(job_name=remove.name, statuses=UNFINISHED)):
        return []
    key = f"remove-{due[0]}-{len(due)}-{int(time.time() // 60)}"  # a run that dies at once is not made anew with every tick
    return [dg.RunRequest(run_key=key, job_name=remove.name, tags={SIZE_TAG: "0"}, run_config=removal_config(due))]


def ingest_requests(instance: dg.DagsterInstance, ledger: FlowLedger) -> list[dg.RunRequest]:
    """Claim as many documents as Dagster's queue can take soon, and return their runs."""
    limit, waiting = waiting_limit(ledger), ledger.waiting_runs()
    room = WaitingRuns(small=max(0, limit - waiting.small), large=max(0, limit - waiting.large))
    claimed = ledger.claim(room.small * DOCUMENTS_PER_RUN + room.large, runs=room)
    if not claimed:
        return []
    keys = ledger.partition_keys(claimed)
    instance.add_dynamic_partitions(documents.name or "", list(keys.values()))
    return [run_request(ledger, group, keys) for group in groups(ledger.documents(claimed))]


def waiting_limit(ledger: FlowLedger) -> int:
    """Return how many runs of large documents may wait in Dagster's queue, and how many of small ones, which go first there."""
    at_once = ledger.limits().get("parallel_documents", settings().parallel_documents)
    return max(WAITING_RUNS[0], min(WAITING_PER_SLOT * at_once, WAITING_RUNS[1]))


def groups(rows: Sequence[DocumentRow]) -> Iterator[list[DocumentRow]]:
    """Yield the documents of each run: a large one alone, and one whose runs kept ending; small ones together."""
    small: list[DocumentRow] = []
    for row in rows:
        if row.size >= SMALL_BYTES or is_suspect(row):
            yield [row]
        else:
            small.append(row)
    for start in range(0, len(small), DOCUMENTS_PER_RUN):
        yield small[start : start + DOCUMENTS_PER_RUN]


def is_suspect(row: DocumentRow) -> bool:
    """Return whether the document may be what ends its runs."""
    return row.waits >= ALONE_AFTER and not row.waiting_for


def run_request(ledger: FlowLedger, group: Sequence[DocumentRow], keys: Mapping[UUID, str]) -> dg.RunRequest:
    """Return the run of these claimed documents, and note in the ledger by which token it is found. keys: of their partitions.

    Design note: several documents are named by the run's config. A range of partitions, as Dagster's page makes it, cannot name
    what has been removed since, and costs Dagster a look at all partitions that there are, several times for each run.
    """
    claim = f"{CLAIM}{uuid4()}"
    ledger.launched([row.id for row in group], claim)
    tags = {CLAIM_TAG: claim, SIZE_TAG: str(sum(row.size for row in group))}
    if len(group) > 1:
        return dg.RunRequest(job_name=ingest.name, tags=tags, run_config=documents_config([row.id for row in group]))
    tags[PARTITION_TAG] = keys[group[0].id]
    return dg.RunRequest(job_name=ingest.name, tags=tags, run_config=IN_ITS_PROCESS if group[0].size < SMALL_BYTES else {})


@dg.sensor(minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def housekeeping(context: dg.SensorEvaluationContext, platform: PlatformResource) -> None:
    """Take up what ended without a word. Each task for itself: what one cannot do now, the next tick tries again, without waiting
    for a store that is away: the ticks of all sensors take turns."""
    for task in (partial(reap, context.instance, platform.use().ledger), partial(sweep_outbox, platform.probe())):
        try:
            task()
        except AegisError as error:
            log.warning("not_kept_house", kind=error.kind)


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def name_partitions(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SkipReason:
    """Give partitions of an older release names. Once all have one, the cursor says so, and nothing is read any more."""
    if context.cursor == NAMED:
        return dg.SkipReason("All partitions have names.")
    try:
        left = rename_partitions(context.instance, platform.probe().ledger, [source_file.key, *ingested.keys])
    except AegisError as error:
        return dg.SkipReason(error.message)
    if left:
        return dg.SkipReason(f"{left} partitions of an older release are named next.")
    context.update_cursor(NAMED)
    return dg.SkipReason("All partitions have names.")


@dg.sensor(minimum_interval_seconds=600, default_status=dg.DefaultSensorStatus.RUNNING)
def purge_handovers(context: dg.SensorEvaluationContext, platform: PlatformResource) -> None:
    """Delete what steps left behind after their run was over, and late writes for documents that are gone."""
    try:
        sweep_removed(platform.probe())
        count = purge(platform.use().bucket, lambda run: alive(context.instance, run), datetime.now(UTC))
    except AegisError as error:
        log.warning("not_purged", kind=error.kind)  # the next tick tries again
    else:
        log.info("purged", objects=count)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.FAILURE,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def after_failure(context: dg.RunStatusSensorContext, platform: PlatformResource) -> None:
    """Take up again at once what a run holds that died before it could say how its documents ended.

    Of all jobs: a run that is launched on Dagster's page of the assets belongs to an implicit one.
    """
    let_go(context, platform, dg.DagsterRunStatus.FAILURE)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def after_cancel(context: dg.RunStatusSensorContext, platform: PlatformResource) -> None:
    """Cancel at once the documents of a run that was cancelled in Dagster."""
    let_go(context, platform, dg.DagsterRunStatus.CANCELED)


def let_go(context: dg.RunStatusSensorContext, platform: PlatformResource, status: dg.DagsterRunStatus) -> None:
    """Let go of the documents that an ended run still holds, and delete what its steps handed each other."""
    for holder in holders_of(context.dagster_run):
        release(platform.use().ledger, holder, status)
    discard(platform.use().bucket, context.dagster_run.run_id)
