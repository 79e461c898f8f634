"""Log what came of documents to Dagster: a materialization per asset and document, and the document's checks.

Logged, not yielded: a run over a range may publish one document and fail another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

import dagster as dg

from aegis_assets.dagster_ext.events import step_event
from aegis_assets.defs.checks import DOCUMENT_CHECKS, evaluation
from aegis_assets.errors import AegisError
from aegis_assets.model.ids import document_path
from aegis_assets.pipeline.flow.assets import Metadata
from aegis_assets.pipeline.flow.ledger import FlowLedger
from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.flow.publish import Outcome
from aegis_assets.settings import settings


@contextmanager
def saying(context: dg.OpExecutionContext) -> Iterator[None]:
    """Say what a step has done, if that can be said now: a ledger that is away is no failure of work that is done."""
    try:
        yield
    except AegisError as error:
        context.log.warning(f"What was done is not shown here: {error.message}")


def report(context: dg.OpExecutionContext, ledger: FlowLedger, asset: str, documents: Mapping[UUID, Metadata]) -> None:
    """Log a materialization of the asset for each document, with its metadata and a link to its page in the admin."""
    if documents:
        keys = ledger.partition_keys(list(documents))
        # One batch is of one asset: the storage notes the last event as the asset's latest.
        events = [
            _materialization(context, asset, keys[document], document, metadata)
            for document, metadata in documents.items()
            if document in keys
        ]
        context.instance.event_log_storage.store_event_batch(events)


def report_checks(context: dg.OpExecutionContext, platform: Platform, outcomes: Mapping[UUID, Outcome]) -> None:
    """Log for each published document whether the stores agree, and what the other checks find."""
    for document, key in platform.ledger.partition_keys(list(outcomes)).items():
        found = [evaluation(one, platform, document, key) for one in DOCUMENT_CHECKS]
        for one in (_agreement(key, outcomes[document]), *found):
            said = f"{one.check_name} of {key}: {one.description}"
            context.instance.event_log_storage.store_event(step_event(context, one, said))


def _materialization(context: dg.OpExecutionContext, asset: str, key: str, document: UUID, metadata: Metadata) -> dg.EventLogEntry:
    shown = {**metadata, "page": dg.MetadataValue.url(f"{settings().admin_address}{document_path(document)}")}
    version = metadata["sha256" if asset == "source_file" else "fingerprint"]
    event = dg.AssetMaterialization(asset, partition=key, metadata=shown, tags={"dagster/data_version": str(version)})
    return step_event(context, event, f"Materialized {asset} of {key}.")


def _agreement(key: str, outcome: Outcome) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("knowledge_graph"),
        check_name="stores_agree",
        passed=outcome.agree,
        description=f"The stores {'hold' if outcome.agree else 'do not hold'} the same.",
        metadata=outcome.counts,
        partition=key,
    )
