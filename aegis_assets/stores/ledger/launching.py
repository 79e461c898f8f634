"""Pending documents -> claimed by one launcher, under a run; and what a launcher or run that died leaves behind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from aegis_assets.model.launch import ALONE_AFTER, BYTES_PER_SECOND, DOCUMENTS_PER_RUN, MAX_SECONDS, SMALL_BYTES
from aegis_assets.model.ledger import UNLIMITED, WaitingRuns
from aegis_assets.stores.ledger.base import Base, Connection, one, reads, rows, writes
from aegis_assets.stores.ledger.documents import TRIED_SINCE
from aegis_assets.stores.ledger.fence import lock_name

# In the order in which Dagster's queue would take them (`priority` in dagster_ext/coordinator.py), as many as make so many runs.
# Costs: reads and sorts all pending documents of the platform; writes what is claimed.
CLAIM: Final = f"""
WITH next AS (
    SELECT id, created_at + make_interval(secs => least(size / %(bytes_per_second)s::float, %(most)s)) AS turn,
        size < %(small)s AS small,
        CASE WHEN size >= %(small)s OR (waiting_for = '' AND waits >= %(alone)s) THEN 1.0 ELSE 1.0 / %(together)s END AS share
    FROM aegis_document
    WHERE state = 'pending' AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s)) AND (not_before IS NULL OR not_before <= now())
    ORDER BY turn, id LIMIT %(limit)s
), counted AS (
    SELECT id, turn, small, sum(share) OVER (PARTITION BY small ORDER BY turn, id) AS runs FROM next
), chosen AS (
    SELECT d.id, counted.turn FROM counted JOIN aegis_document d ON d.id = counted.id
    WHERE d.state = 'pending' AND counted.runs <= CASE WHEN small THEN %(small_runs)s::int ELSE %(large_runs)s END
    ORDER BY d.id FOR NO KEY UPDATE OF d SKIP LOCKED
), claimed AS (
    UPDATE aegis_document d SET state = 'queued', run_claimed_at = now(), run_id = '', message = '', cancel_requested = false,
        waiting_since = {TRIED_SINCE}, not_before = CASE WHEN not_before IS NOT NULL THEN now() END
    FROM chosen WHERE d.id = chosen.id RETURNING d.id, chosen.turn
)
SELECT id FROM claimed ORDER BY turn, id"""
# Costs: reads the queued documents, of which there are no more than the sensors let wait.
WAITING: Final = """
SELECT count(DISTINCT run_id) FILTER (WHERE size < %(small)s) AS small,
    count(DISTINCT run_id) FILTER (WHERE size >= %(small)s) AS large
FROM aegis_document WHERE state = 'queued'"""
UNCLAIM: Final = """
UPDATE aegis_document SET state = 'pending', run_id = '', run_claimed_at = NULL, message = %(message)s
WHERE id = ANY(%(documents)s) AND state = 'queued'"""
# A run may begin before its launcher has written this down: then its own id is there, and stays.
LAUNCHED: Final = """
UPDATE aegis_document SET run_id = %(run_id)s WHERE id = ANY(%(documents)s) AND state = 'queued'"""
# Costs: reads the documents that are queued or running.
HELD: Final = """
SELECT run_id, id FROM aegis_document
WHERE state = 'running' OR (state = 'queued' AND run_claimed_at < now() - make_interval(secs => %(seconds)s)) ORDER BY id"""


class Launching(Base):
    @writes
    def claim(
        self, connection: Connection, limit: int, ids: Sequence[UUID] | None = None, runs: WaitingRuns = UNLIMITED
    ) -> list[UUID]:
        """Set pending documents to queued and return them in the order of their turns; no document goes to two callers.

        limit: documents. runs: that they may make at most. ids: only of these.
        """
        lock_name(connection, "claim")  # two callers at once would choose the same documents, and one of them get none
        values = {"limit": limit, "ids": None if ids is None else list(ids), "small_runs": runs.small, "large_runs": runs.large}
        sizes = {"bytes_per_second": BYTES_PER_SECOND, "most": MAX_SECONDS, "small": SMALL_BYTES}
        sizes |= {"together": DOCUMENTS_PER_RUN, "alone": ALONE_AFTER}
        return [row["id"] for row in rows(connection, CLAIM, **values, **sizes)]

    @reads
    def waiting_runs(self, connection: Connection) -> WaitingRuns:
        """Count the runs that Dagster's queue has not taken, or that have not begun with all of their documents."""
        return WaitingRuns.model_validate(one(connection, WAITING, small=SMALL_BYTES))

    @writes
    def unclaim(self, connection: Connection, documents: Sequence[UUID], message: str) -> None:
        """Set queued documents back to pending: the launch did not come about. A run keeps what it has taken meanwhile."""
        connection.execute(UNCLAIM, {"documents": list(documents), "message": message})

    @writes
    def launched(self, connection: Connection, documents: Sequence[UUID], run_id: str) -> None:
        """Note the id of the run, or a token by which the launcher finds it."""
        connection.execute(LAUNCHED, {"documents": list(documents), "run_id": run_id})

    @reads
    def held(self, connection: Connection, claimed_before_s: float) -> dict[str, list[UUID]]:
        """Return the running documents, and the queued ones claimed longer ago than that, by the run or token that `launched`
        noted; '' where the launcher died before it did."""
        holders: defaultdict[str, list[UUID]] = defaultdict(list)
        for row in rows(connection, HELD, seconds=claimed_before_s):
            holders[row["run_id"]].append(row["id"])
        return dict(holders)
