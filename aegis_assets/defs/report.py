"""What came of documents -> a materialization per asset and document, and the check, in Dagster's event log.

Written to its storage a batch at a time, where `context.log_event` writes each for itself in four statements: that took longer than
publishing the document. Logged, not yielded: a run over a range may publish one document and fail another.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from uuid import UUID

import dagster as dg
from dagster import DagsterEvent, DagsterEventType, EventLogEntry
from dagster._core.events import StepMaterializationData

from aegis_assets.pipeline.flow.publish import Outcome


def report(context: dg.OpExecutionContext, outcomes: Mapping[UUID, Outcome]) -> None:
    """Those of documents that were published."""
    published = {document: outcome for document, outcome in outcomes.items() if outcome.published}
    storage = context.instance.event_log_storage
    for asset in dict.fromkeys(asset for outcome in published.values() for asset in outcome.metadata):
        # One batch is of one asset: the storage notes the last event as the asset's latest.
        storage.store_event_batch(_materializations(context, asset, published))
    for document, outcome in published.items():
        storage.store_event(_check(context, document, outcome))


def _materializations(context: dg.OpExecutionContext, asset: str, outcomes: Mapping[UUID, Outcome]) -> Sequence[EventLogEntry]:
    return [
        _entry(
            context,
            DagsterEventType.ASSET_MATERIALIZATION,
            StepMaterializationData(dg.AssetMaterialization(asset, partition=str(document), metadata=outcome.metadata[asset])),
            f"Materialized {asset} of {document}.",
        )
        for document, outcome in outcomes.items()
    ]


def _check(context: dg.OpExecutionContext, document: UUID, outcome: Outcome) -> EventLogEntry:
    evaluation = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("knowledge_graph"),
        check_name="stores_agree",
        passed=outcome.agree,
        metadata=outcome.counts,
        partition=str(document),
    )
    said = "hold the same" if outcome.agree else "do not hold the same"
    return _entry(context, DagsterEventType.ASSET_CHECK_EVALUATION, evaluation, f"The stores {said} of {document}.")


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
