"""Run tags, run config and sizes that sensors, run queue, executor and admin share. Without dagster, which the admin lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

CLAIM_TAG: Final = "aegis/claim"  # finds the run of a launch that was not answered
CLAIM: Final = "claim:"  # begins the token that a document has for its run until that run is known
SIZE_TAG: Final = "aegis/bytes"  # of the run's documents, set by whoever launches it: how long it waits for smaller ones
PARTITION_TAG: Final = "dagster/partition"
SMALL_BYTES: Final = 200_000  # of a document: below, launching a run or sending its ops elsewhere costs more than the work
DOCUMENTS_PER_RUN: Final = 50
ALONE_AFTER: Final = 2  # runs lost in a row, after which a document has a run of its own: it may be what ends the others'
REMOVALS_PER_RUN: Final = 100
IN_ITS_PROCESS: Final[dict[str, Any]] = {"execution": {"config": {"mode": "threads"}}}  # the run config where documents are small

BYTES_PER_SECOND: Final = 50_000  # of a PDF of text, on two cores; roughly will do
MAX_SECONDS: Final = 600.0  # that a large document waits for smaller ones


def documents_config(documents: Sequence[UUID]) -> dict[str, Any]:
    """Return the run config that names the documents of one run of the job `ingest`."""
    preflight = {"config": {"documents": [str(document) for document in documents]}}
    return {"ops": {"ingest_documents": {"ops": {"preflight": preflight}}}}


def documents_of(run_config: Any) -> list[str]:
    """Return the documents that `documents_config` named, none where a run has a partition instead."""
    found = run_config
    for key in ("ops", "ingest_documents", "ops", "preflight", "config", "documents"):
        found = found.get(key) if isinstance(found, dict) else None
    return list(found) if isinstance(found, list) else []


def removal_config(documents: Sequence[UUID]) -> dict[str, Any]:
    """Return the run config of the job `remove`."""
    return {"ops": {"remove_documents": {"config": {"documents": [str(document) for document in documents]}}}}
