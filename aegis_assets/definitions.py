"""The one entry point for Dagster: lists, no logic."""

import dagster as dg

from aegis_assets.defs.assets import ingested, source_file
from aegis_assets.defs.checks import all_checks, check_listing
from aegis_assets.defs.executor import ingest_executor
from aegis_assets.defs.handover import Handover
from aegis_assets.defs.jobs import ingest, remove
from aegis_assets.defs.platform import PlatformResource
from aegis_assets.defs.refresh import refresh_changed, refresh_stale
from aegis_assets.defs.retention import prune_daily, prune_runs
from aegis_assets.defs.sensors import (
    after_cancel,
    after_failure,
    housekeeping,
    launch_pending,
    name_partitions,
    purge_handovers,
    watch_bucket,
)

defs = dg.Definitions(
    assets=[source_file, ingested],
    asset_checks=all_checks,
    jobs=[ingest, remove, refresh_stale, prune_runs],
    schedules=[prune_daily],
    sensors=[
        watch_bucket,
        launch_pending,
        housekeeping,
        after_failure,
        after_cancel,
        purge_handovers,
        name_partitions,
        refresh_changed,
        check_listing,
    ],
    executor=ingest_executor,  # also of runs that are launched on Dagster's page of the assets
    resources={"platform": PlatformResource(), "io_manager": Handover()},
)
