"""Pending documents -> claimed by one launcher, under a run; and what a launcher or run that died leaves behind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from aegis_assets.stores.ledger.base import Base, Connection, reads, rows, writes

CLAIM: Final = """
WITH chosen AS (
    SELECT id FROM aegis_document
    WHERE state = 'pending' AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s)) AND (not_before IS NULL OR not_before <= now())
    ORDER BY created_at, id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
), claimed AS (
    UPDATE aegis_document d SET state = 'queued', run_claimed_at = now(), run_id = '', message = '', cancel_requested = false
    FROM chosen WHERE d.id = chosen.id RETURNING d.id, d.created_at
)
SELECT id FROM claimed ORDER BY created_at, id"""
UNCLAIM: Final = """
UPDATE aegis_document SET state = 'pending', run_id = '', run_claimed_at = NULL, message = %(message)s
WHERE id = ANY(%(documents)s) AND state = 'queued'"""
# A run may begin before its launcher has written this down: then its own id is there, and stays.
LAUNCHED: Final = """
UPDATE aegis_document SET run_id = %(run_id)s WHERE id = ANY(%(documents)s) AND state = 'queued'"""
OPEN_CLAIMS: Final = """
SELECT run_id, id FROM aegis_document
WHERE state = 'queued' AND run_claimed_at < now() - make_interval(secs => %(seconds)s) ORDER BY created_at, id"""


class Launching(Base):
    @writes
    def claim(self, connection: Connection, limit: int, ids: Sequence[UUID] | None = None) -> list[UUID]:
        """Pending -> queued, oldest first; no document goes to two callers. ids: only of these."""
        chosen = None if ids is None else list(ids)
        return [row["id"] for row in rows(connection, CLAIM, ids=chosen, limit=limit)]

    @writes
    def unclaim(self, connection: Connection, documents: Sequence[UUID], message: str) -> None:
        """Queued -> pending: the launch did not come about. Those that a run has taken meanwhile stay with it."""
        connection.execute(UNCLAIM, {"documents": list(documents), "message": message})

    @writes
    def launched(self, connection: Connection, documents: Sequence[UUID], run_id: str) -> None:
        """run_id: of the run, or a token by which the launcher finds it."""
        connection.execute(LAUNCHED, {"documents": list(documents), "run_id": run_id})

    @reads
    def open_claims(self, connection: Connection, older_than_s: float) -> dict[str, list[UUID]]:
        """Queued documents claimed longer ago than that, by what `launched` noted; '' where the launcher died before."""
        claims: defaultdict[str, list[UUID]] = defaultdict(list)
        for row in rows(connection, OPEN_CLAIMS, seconds=older_than_s):
            claims[row["run_id"]].append(row["id"])
        return dict(claims)
