"""Log what came of documents to Dagster: a materialization per asset and document, and the document's checks.

Written to its storage a batch at a time, where `context.log_event` writes each for itself in four statements: that took longer than
publishing the document. Logged, not yielded: a run over a range may publish one document and fail another.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

import dagster as dg
from dagster import DagsterEvent, DagsterEventType, EventLogEntry
from dagster._core.events import StepMaterializationData

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
            context.instance.event_log_storage.store_event(_entry(context, DagsterEventType.ASSET_CHECK_EVALUATION, one, said))


def _materialization(context: dg.OpExecutionContext, asset: str, key: str, document: UUID, metadata: Metadata) -> EventLogEntry:
    shown = {**metadata, "page": dg.MetadataValue.url(f"{settings().admin_address}{document_path(document)}")}
    version = metadata["sha256" if asset == "source_file" else "fingerprint"]
    event = dg.AssetMaterialization(asset, partition=key, metadata=shown, tags={"dagster/data_version": str(version)})
    return _entry(
        context, DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(event), f"Materialized {asset} of {key}."
    )


def _agreement(key: str, outcome: Outcome) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("knowledge_graph"),
        check_name="stores_agree",
        passed=outcome.agree,
        description=f"The stores {'hold' if outcome.agree else 'do not hold'} the same.",
        metadata=outcome.counts,
        partition=key,
    )


def _entry(
    context: dg.OpExecutionContext,
    kind: DagsterEventType,
    data: StepMaterializationData | dg.AssetCheckEvaluation,
    message: str,
) -> EventLogEntry:
    step = context.get_step_execution_context()
    event = DagsterEvent(
        event_type_value=kind.value,
        job_name=step.job_name,
        step_handle=step.step.handle,
        node_handle=step.step.node_handle,
        step_kind_value=step.step.kind.value,
        logging_tags=step.event_tags,
        event_specific_data=data,
        message=message,
        pid=os.getpid(),
    )
    return EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level=logging.DEBUG,
        user_message=message,
        run_id=context.run_id,
        timestamp=time.time(),
        step_key=step.step.key,
        job_name=step.job_name,
        dagster_event=event,
    )
