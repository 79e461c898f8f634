"""Events of a step that are written to Dagster's storage a batch at a time.

`context.log_event` writes each for itself in four statements: that took longer than publishing the document.
"""

import logging
import os
import time

import dagster as dg
from dagster._core.events import StepMaterializationData


def step_event(
    context: dg.OpExecutionContext, logged: dg.AssetMaterialization | dg.AssetCheckEvaluation, message: str
) -> dg.EventLogEntry:
    """Return the entry that `context.log_event` would write, with a message of its own."""
    step = context.get_step_execution_context()
    is_check = isinstance(logged, dg.AssetCheckEvaluation)
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION if is_check else dg.DagsterEventType.ASSET_MATERIALIZATION
    event = dg.DagsterEvent(
        event_type_value=kind.value,
        job_name=step.job_name,
        step_handle=step.step.handle,
        node_handle=step.step.node_handle,
        step_kind_value=step.step.kind.value,
        logging_tags=step.event_tags,
        event_specific_data=logged if isinstance(logged, dg.AssetCheckEvaluation) else StepMaterializationData(logged),
        message=message,
        pid=os.getpid(),
    )
    return dg.EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level=logging.DEBUG,
        user_message=message,
        run_id=context.run_id,
        timestamp=time.time(),
        step_key=step.step.key,
        job_name=step.job_name,
        dagster_event=event,
    )
