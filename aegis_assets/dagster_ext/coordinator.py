"""Dagster's queue of runs, in which as many run at once as the console says, and in which a page waits for no book.

A run waits as if it had been launched later by about the time that its work takes. So a page that is uploaded behind ten books is
the next, and no book waits longer for pages that come all the while than it takes itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

import dagster as dg

from aegis_assets.errors import AegisError
from aegis_assets.model.launch import BYTES_PER_SECOND, MAX_SECONDS, SIZE_TAG
from aegis_assets.settings import settings
from aegis_assets.stores.ledger import Ledger

PRIORITY_TAG: Final = "dagster/priority"
# Priorities count seconds from here, below zero: the database keeps those of steps, which begin with their run's, in 32 bits.
EPOCH: Final = 1_577_836_800  # the year 2020
OURS: Final = -100_000_000  # at most this is a priority of ours, and above it a person's
UNKNOWN_SECONDS: Final = 30.0  # launched from Dagster's page


class AegisRunCoordinator(dg.QueuedRunCoordinator):
    def get_run_queue_config(self) -> Any:
        """Return the configuration with the number of documents at once, as it is whenever the queue's daemon looks for runs."""
        return super().get_run_queue_config()._replace(max_concurrent_runs=documents_at_once())

    def submit_run(self, context: dg.SubmitRunContext) -> dg.DagsterRun:
        run = context.dagster_run
        if run.status == dg.DagsterRunStatus.NOT_STARTED and not _is_set_by_person(run.tags):
            self._instance.add_run_tags(run.run_id, {PRIORITY_TAG: str(priority(run.tags, time.time()))})
        return super().submit_run(context)


def priority(tags: Mapping[str, str], now: float) -> int:
    """Return the priority of a run that is launched now: the higher, the sooner its work could be done."""
    size = tags.get(SIZE_TAG, "")
    seconds = float(size) / BYTES_PER_SECOND if size.isascii() and size.isdigit() else UNKNOWN_SECONDS
    return EPOCH - int(now + min(seconds, MAX_SECONDS))


def _is_set_by_person(tags: Mapping[str, str]) -> bool:
    """Return whether a person gave the run a priority: a run that is executed again has its parent's, which is of another time."""
    with suppress(ValueError):
        return int(tags.get(PRIORITY_TAG, "")) > OURS
    return False


def documents_at_once() -> int:
    """Return the console's number, or that of the settings where nobody changed it or the ledger is away."""
    with suppress(AegisError):
        return _ledger().limits().get("parallel_documents", settings().parallel_documents)
    return settings().parallel_documents


@lru_cache(maxsize=1)
def _ledger() -> Ledger:
    return Ledger(settings().postgres_url.get_secret_value())
