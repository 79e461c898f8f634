"""Documents, their states and stages."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REMOVING = "removing"


class Stage(StrEnum):
    """Stage names equal module, op, state, metric and UI names."""

    PARSE = "parse"
    ENRICH = "enrich"
    EMBED = "embed"
    EXTRACT = "extract"
    RESOLVE = "resolve"
    PUBLISH = "publish"


class Mark(StrEnum):
    """The mark of one stage on one window or chunk."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


AT_REST: Final = frozenset({State.SUCCEEDED, State.PARTIAL, State.FAILED, State.CANCELLED})

# The one table of allowed transitions. A migration writes it into the database, where a trigger enforces it. A document may be
# materialized from Dagster's page in any state at rest, so each of those leads straight to running.
TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.PENDING: frozenset({State.QUEUED, State.RUNNING, State.FAILED, State.CANCELLED, State.REMOVING}),
    State.QUEUED: frozenset({State.PENDING, State.RUNNING, State.FAILED, State.CANCELLED, State.REMOVING}),
    State.RUNNING: frozenset({State.SUCCEEDED, State.PARTIAL, State.FAILED, State.CANCELLED, State.PENDING}),
    State.SUCCEEDED: frozenset({State.PENDING, State.QUEUED, State.RUNNING, State.REMOVING}),
    State.PARTIAL: frozenset({State.PENDING, State.QUEUED, State.RUNNING, State.REMOVING}),
    State.FAILED: frozenset({State.PENDING, State.QUEUED, State.RUNNING, State.REMOVING}),
    State.CANCELLED: frozenset({State.PENDING, State.QUEUED, State.RUNNING, State.REMOVING}),
    State.REMOVING: frozenset(),
}
