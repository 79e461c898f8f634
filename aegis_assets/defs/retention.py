"""Runs of Dagster that ended long ago are deleted, with their events and what their steps printed.

A run stays while it holds the last materialization of a partition: by that the page of an asset shows how a document stands.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from aegis_assets.defs.assets import ingested, source_file
from aegis_assets.defs.partitions import documents
from aegis_assets.settings import settings

ENDED: Final = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
PAGE: Final = 1000  # runs or events in one query
DELETED_AT_ONCE: Final = 10_000  # runs; the next day goes on


@dg.op
def delete_old_runs(context: dg.OpExecutionContext) -> None:
    """Delete runs that ended before AEGIS_DAGSTER_RUN_DAYS, the oldest first, except those of last materializations."""
    before = datetime.now(UTC) - timedelta(days=settings().dagster_run_days)
    kept = runs_of_last(context.instance, [source_file.key, *ingested.keys], before)
    old = [run for run in old_runs(context.instance, before) if run not in kept]
    for run in old[-DELETED_AT_ONCE:]:
        context.instance.compute_log_manager.delete_logs(prefix=[run])
        context.instance.delete_run(run)
    left = max(0, len(old) - DELETED_AT_ONCE)
    context.add_output_metadata({"deleted": len(old) - left, "left": left, "kept": len(kept)})


def runs_of_last(instance: dg.DagsterInstance, assets: Collection[dg.AssetKey], before: datetime) -> set[str]:
    """Return the runs from before that time which hold the last materialization of an asset's partition that is still there.

    Cost: two reads of all partitions' last events for each asset, the second one in pages.
    """
    there, runs = set(instance.get_dynamic_partitions(documents.name or "")), set[str]()
    for asset in assets:
        last = instance.get_latest_storage_id_by_partition(asset, dg.DagsterEventType.ASSET_MATERIALIZATION)
        events = [event for partition, event in last.items() if partition in there]
        for start in range(0, len(events), PAGE):
            wanted = dg.AssetRecordsFilter(asset, storage_ids=events[start : start + PAGE], before_timestamp=before.timestamp())
            runs |= {record.run_id for record in instance.fetch_materializations(wanted, limit=PAGE).records}
    return runs


def old_runs(instance: dg.DagsterInstance, before: datetime) -> Iterator[str]:
    """Yield the runs that were made before that time and have ended, the newest first."""
    wanted = dg.RunsFilter(statuses=ENDED, created_before=before)
    page = instance.get_run_ids(wanted, limit=PAGE)
    while page:
        yield from page
        page = instance.get_run_ids(wanted, cursor=page[-1], limit=PAGE)


@dg.job(executor_def=dg.in_process_executor, description="Delete runs of long ago, with their events and compute logs.")
def prune_runs() -> None:
    delete_old_runs()


prune_daily = dg.ScheduleDefinition(
    name="prune_daily", job=prune_runs, cron_schedule="40 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING
)
