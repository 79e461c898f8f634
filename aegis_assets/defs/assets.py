"""The assets of a document, as one graph of ops. Windows stream: window k+1 is parsed while window k is embedded and extracted."""

import dagster as dg

from aegis_assets.defs.ops import (
    ASSETS,
    embed_window,
    enrich_window,
    extract_window,
    parse_window,
    plan,
    preflight,
    publish,
    resolve,
)
from aegis_assets.defs.partitions import documents
from aegis_assets.model.launch import DOCUMENTS_PER_RUN


@dg.graph_multi_asset(
    name="ingest_documents",
    outs={
        name: dg.AssetOut(key=name, dagster_type=dg.Nothing, is_required=False, description=text) for name, text in ASSETS.items()
    },
    partitions_def=documents,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=DOCUMENTS_PER_RUN),
    group_name="aegis",
)
def ingested():  # type: ignore[no-untyped-def]  # dagster composes the graph from the bare signature
    enriched = plan(preflight()).map(parse_window).map(enrich_window)
    embedded = enriched.map(embed_window)
    extracted = enriched.map(extract_window)
    published = publish(resolve(embedded.collect(), extracted.collect()))
    return {name: getattr(published, name) for name in ASSETS}
