"""What a run bears by which sensor, queue, executor and console know it again. Here, because the web process imports no dagster."""

from __future__ import annotations

from typing import Any, Final

CLAIM_TAG: Final = "aegis/claim"  # by which a run is found whose launch was not answered
SIZE_TAG: Final = "aegis/bytes"  # of the run's documents, by whoever launches it: how long it waits for smaller ones
SMALL_BYTES: Final = 200_000  # of a document: below, launching a run or sending its ops elsewhere costs more than the work
IN_ITS_PROCESS: Final[dict[str, Any]] = {"execution": {"config": {"mode": "threads"}}}  # the run config where documents are small
