"""Documents whose run has ended without a word -> pending again, so that another run does what is missing.

A run ends without a word when its worker is killed, its machine is lost, or Dagster forgets it. Sensors of Dagster say most of it
within seconds; what they miss is found here, by comparing what the ledger believes with what Dagster knows of these runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from aegis_assets.logs import logger
from aegis_assets.model.launch import CLAIM, CLAIM_TAG
from aegis_assets.pipeline.flow.ledger import FlowLedger

log = logger(__name__)
CLAIM_SECONDS: Final = 30.0  # in which Dagster makes the run of a claim
LOST: Final = "The run ended before it could finish this document."
UNREACHED: Final = "The run ended before it reached this document; its page in Dagster says why."
LAUNCHER: Final = "Dagster"  # what a document waits for that no run has begun: it cannot be what ends its runs
SUBMIT_SECONDS: Final = 300.0  # in which a run that was made gets into Dagster's queue
UNSUBMITTED: Final = "Whoever made this run ended before it was put into the queue."


def reap(instance: dg.DagsterInstance, ledger: FlowLedger) -> None:
    """Let go of documents whose run has ended. Costs three queries, and grows with the runs that wait or are at work."""
    fail_unsubmitted(instance)
    held = ledger.held(CLAIM_SECONDS)
    runs = runs_of(instance, held)
    for holder, documents in held.items():
        run = runs.get(holder)
        if run is not None and not run.is_finished:
            continue
        if run is None and (holder.startswith(CLAIM) or not holder):
            ledger.unclaim(documents, "")  # nothing was launched
        else:
            release(ledger, holder, run.status if run else None)
        log.info("reaped", run=holder, documents=len(documents))


def release(ledger: FlowLedger, holder: str, status: dg.DagsterRunStatus | None) -> None:
    """Let go of what an ended run holds, as it ended. status: None for a run that Dagster does not know any more."""
    if status == dg.DagsterRunStatus.CANCELED:
        ledger.cancel_run(holder)
    elif holder.startswith(CLAIM):
        ledger.lose_run(holder, UNREACHED, LAUNCHER)
    else:
        ledger.lose_run(holder, LOST)


def holders_of(run: dg.DagsterRun) -> list[str]:
    """Return the names under which documents may be held for this run."""
    return [run.run_id, *filter(None, [run.tags.get(CLAIM_TAG)])]


def runs_of(instance: dg.DagsterInstance, holders: Iterable[str]) -> dict[str, dg.DagsterRun]:
    """Return the runs that Dagster knows by these ids and tokens, in at most two queries. A run that was executed again has its
    parent's token: the one that is not over counts."""
    claims = [holder for holder in holders if holder.startswith(CLAIM)]
    ids = [holder for holder in holders if holder and not holder.startswith(CLAIM)]
    found = list(instance.get_runs(dg.RunsFilter(run_ids=ids))) if ids else []
    found += instance.get_runs(dg.RunsFilter(tags={CLAIM_TAG: claims})) if claims else []
    found.sort(key=lambda run: not run.is_finished)
    return {holder: run for run in found for holder in holders_of(run)}


def fail_unsubmitted(instance: dg.DagsterInstance) -> None:
    """End runs that were made and never submitted: they would hold their documents for ever."""
    before = datetime.now(UTC) - timedelta(seconds=SUBMIT_SECONDS)
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.NOT_STARTED], created_before=before)):
        instance.report_run_failed(run, UNSUBMITTED)
