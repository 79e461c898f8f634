"""The jobs: `ingest`, the four assets of a document, and `remove`."""

import dagster as dg

from aegis_assets.defs.assets import ingested
from aegis_assets.defs.executor import ingest_executor
from aegis_assets.defs.ops import remove_documents

ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets(ingested).without_checks(),
    executor_def=ingest_executor,
    description="Parse, enrich, embed, extract, resolve and publish the documents of the given partitions.",
)


@dg.job(executor_def=dg.in_process_executor, description="Take documents out of every store.")
def remove() -> None:
    remove_documents()
