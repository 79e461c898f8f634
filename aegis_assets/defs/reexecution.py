"""Runs that Dagster's page starts behind plan: executed again from failure, or with steps that a person chose.

Such a run has no plan of its own, Dagster leaves out the mapped steps that its parent had not begun with, and what the parent's
steps handed each other is gone. So it does no work. Its first step makes the documents pending, and Dagster's sensor launches a new
run of them within seconds, which does what is missing, whatever step the parent ended in.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import dagster as dg

from aegis_assets.defs.handover import NO_UNIT
from aegis_assets.defs.run import alive, run_documents
from aegis_assets.errors import AegisError
from aegis_assets.model.document import AT_REST, State
from aegis_assets.pipeline.flow.platform import Platform

PLAN: Final = "ingest_documents.plan"
LAUNCHED: Final = "This run begins behind plan, which finds what is missing: a new run of its documents is launched within seconds."


def require_plan(context: dg.OpExecutionContext, platform: Platform, unit: Sequence[str] | None = None) -> None:
    """Return in a run with a plan. Otherwise, and where the step's unit is gone, launch a new run and raise dg.Failure."""
    steps = context.run.step_keys_to_execute
    if (steps is None or PLAN in steps) and unit != NO_UNIT:
        return
    launch_again(context, platform)
    raise dg.Failure(LAUNCHED, allow_retries=False)


def launch_again(context: dg.OpExecutionContext, platform: Platform) -> None:
    """Make the run's documents pending, except those that wait for a run already, that another run holds, or that are removed."""
    for row in platform.ledger.documents(run_documents(context, platform)):
        if row.state in AT_REST | {State.RUNNING}:
            with suppress(AegisError):
                platform.ledger.begin(row.id, context.run_id, lambda run: alive(context.instance, run))
                platform.ledger.finish(row.id, context.run_id, State.PENDING, "")
