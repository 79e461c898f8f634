"""The progress contract of the admin and the API."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from aegis_assets.model.document import Stage, State
from aegis_assets.model.parsing import Frozen
from aegis_assets.model.waiting import Waiting, sentence


class StageProgress(Frozen):
    total: int
    done: int
    failed: int
    in_flight: int


class Progress(Frozen):
    """fraction: weighs stages by what they cost, never falls within a run, and is 1 exactly at the end.

    chunks_total_final: all windows are chunked, so chunks_total will not grow. eta_seconds: None while unknown.
    """

    document: UUID
    state: State
    stages: dict[Stage, StageProgress]
    chunks_total: int
    chunks_total_final: bool
    chunks_processed: int
    chunks_in_flight: int
    parallel_workers: int
    active_workers: int
    chunks_per_second: float
    eta_seconds: float | None
    fraction: float


class Standing(Waiting):
    """The part of it that lists show. changed: when the row was last written."""

    document: UUID
    state: State
    fraction: float
    message: str
    changed: datetime

    @property
    def sentence(self) -> str:
        """Return the sentence that goes with the state, as it is now."""
        return sentence(self.state, self.message, self)
