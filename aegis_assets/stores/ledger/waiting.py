"""A document whose run met an outage, or was lost, is pending again and tried later; it fails only after AEGIS_OUTAGE_HOURS.

Progress between two waits starts the count anew (`progress.ADVANCE`): a document that gets on, however slowly, never fails for it.
Time in which it could have been tried and was not, behind others or while the platform was off, is taken out of the count where the
document is claimed and where its run begins.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.errors import AegisError
from aegis_assets.model.document import State
from aegis_assets.model.waiting import back_off, gave_up
from aegis_assets.settings import settings
from aegis_assets.stores.ledger.base import Base, Connection, clean, one, reads, rows, writes
from aegis_assets.stores.ledger.documents import FOR_UPDATE
from aegis_assets.stores.ledger.fence import lock, require_running
from aegis_assets.stores.ledger.progress import settle
from aegis_assets.stores.ledger.runs import RUN_ENDS, end, end_all, set_marks_back

# One row by its key.
WAITED: Final = """
SELECT waiting_for, waits, coalesce(extract(epoch FROM now() - waiting_since), 0)::float AS seconds
FROM aegis_document WHERE id = %(document)s"""
# One row by its key.
WAIT: Final = """
UPDATE aegis_document SET state = 'pending', message = %(reason)s, run_claimed_at = NULL, waiting_for = %(server)s,
    waiting_since = coalesce(waiting_since, now()), waits = %(waits)s, not_before = now() + make_interval(secs => %(seconds)s)
WHERE id = %(document)s"""
# The next three grow with the documents that wait (index aegis_document_waiting), which is none normally.
WAITED_FOR: Final = """
SELECT DISTINCT waiting_for, collection_id FROM aegis_document
WHERE state = 'pending' AND not_before IS NOT NULL AND waiting_for <> ''"""
TRY_NOW: Final = """
UPDATE aegis_document SET not_before = now()
WHERE state = 'pending' AND not_before > now() AND waiting_for = ANY(%(servers)s)"""
OVERDUE: Final = """
SELECT id, waiting_for, extract(epoch FROM now() - waiting_since)::float AS seconds FROM aegis_document
WHERE state = 'pending' AND not_before IS NOT NULL AND waiting_for = ANY(%(servers)s)
    AND waiting_since < now() - make_interval(secs => %(seconds)s)
ORDER BY id LIMIT 1000"""

LOST_RUNS: Final = 10  # in a row, without progress between them: then the document itself may be what ends its runs
SERVER_LENGTH: Final = 64
REASON_LENGTH: Final = 2000


class Waits(Base):
    @writes
    def put_back(self, connection: Connection, document: UUID, run_id: str, error: AegisError) -> None:
        """Make a document pending again that met an outage. Whatever else its run does for it is refused from here on.

        It fails if it has waited for AEGIS_OUTAGE_HOURS. Raises Superseded when the run does not hold it.
        """
        lock(connection, document)
        row = one(connection, FOR_UPDATE, document=document)
        require_running(row, document, run_id)
        _wait(connection, row or {}, error.server, error.message)

    @writes
    def lose_run(self, connection: Connection, run_id: str, reason: str, server: str = "") -> list[UUID]:
        """Make what a run still holds pending again, whatever ended the run. Return those documents.

        reason: a sentence. server: what did not answer, '' where nobody knows: then LOST_RUNS of them in a row are a failure.
        """
        return end_all(connection, run_id, lambda row: _wait(connection, row, server, reason))

    @reads
    def waited_for(self, connection: Connection) -> dict[str, set[UUID]]:
        """Return the servers that pending documents wait for, with the documents' collections."""
        found: defaultdict[str, set[UUID]] = defaultdict(set)
        for row in rows(connection, WAITED_FOR):
            found[row["waiting_for"]].add(row["collection_id"])
        return dict(found)

    @writes
    def try_now(self, connection: Connection, servers: Collection[str]) -> int:
        """Let the documents that wait for these servers be tried at once. Return how many these are."""
        return connection.execute(TRY_NOW, {"servers": sorted(servers)}).rowcount

    @writes
    def fail_overdue(self, connection: Connection, servers: Collection[str]) -> list[UUID]:
        """Fail what has waited for one of these servers for AEGIS_OUTAGE_HOURS, at most 1000 documents. Return them.

        servers: those that are away now. What waits for another one may be tried, and is put back or fails by that.
        """
        failed = []
        for overdue in rows(connection, OVERDUE, servers=sorted(servers), seconds=settings().outage_hours * 3600):
            lock(connection, overdue["id"])
            row = one(connection, FOR_UPDATE, document=overdue["id"])
            if row is not None and row["state"] == State.PENDING:
                end(connection, row, State.FAILED, gave_up(overdue["waiting_for"], overdue["seconds"]))
                failed.append(overdue["id"])
        return failed


def _wait(connection: Connection, row: DictRow, server: str, reason: str) -> None:
    """A cancelled document and one with newer bytes end as they would otherwise."""
    document = row["id"]
    if row["cancel_requested"] or (row["state"] == State.RUNNING and row["run_claimed_at"] is not None):
        end(connection, row, State.PENDING, "")
        return
    settle(connection, document)
    before = one(connection, WAITED, document=document) or {}
    server = clean(server)[:SERVER_LENGTH]
    waits = before["waits"] + 1 if before["waiting_for"] == server else 1
    if server and before["seconds"] >= settings().outage_hours * 3600:
        end(connection, row, State.FAILED, gave_up(server, before["seconds"]))
    elif not server and waits > LOST_RUNS:
        end(connection, row, State.FAILED, f"{reason} Retry takes up what is missing.")
    else:
        set_marks_back(connection, document)
        connection.execute(RUN_ENDS, {"document": document, "run_id": row["run_id"]})
        seconds = back_off(server, waits) * random.uniform(0.75, 1.25)  # all that wait need not come back together
        values = {"server": server, "reason": clean(reason)[:REASON_LENGTH], "waits": waits, "seconds": seconds}
        connection.execute(WAIT, {"document": document, **values})
