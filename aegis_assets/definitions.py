"""The one entry point for Dagster: lists, no logic."""

import dagster as dg

from aegis_assets.defs.assets import ingested, source_file
from aegis_assets.defs.checks import stores_agree
from aegis_assets.defs.executor import ingest_executor
from aegis_assets.defs.handover import Handover
from aegis_assets.defs.jobs import ingest, remove
from aegis_assets.defs.platform import PlatformResource
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
    asset_checks=[stores_agree],
    jobs=[ingest, remove],
    sensors=[watch_bucket, launch_pending, housekeeping, after_failure, after_cancel, purge_handovers, name_partitions],
    executor=ingest_executor,  # also of runs that are launched on Dagster's page of the assets
    resources={"platform": PlatformResource(), "io_manager": Handover()},
)
