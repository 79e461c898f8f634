"""A run takes a document, asks before each step whether it still may, and lets go of it in a state with a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.errors import NotAllowed, NotFound, Superseded
from aegis_assets.model.document import State
from aegis_assets.model.ledger import DocumentRow, Ending
from aegis_assets.stores.ledger.base import Base, Connection, clean, one, reads, rows, writes
from aegis_assets.stores.ledger.documents import ALL_FOR_UPDATE, DOCUMENT, FOR_UPDATE, NOT_WAITING, REMOVING, TRIED_SINCE
from aegis_assets.stores.ledger.fence import fence_all, lock, require_running
from aegis_assets.stores.ledger.outbox import release_claims
from aegis_assets.stores.ledger.progress import settle

PEEK: Final = "SELECT id, state, run_id, cancel_requested FROM aegis_document WHERE id = %(document)s"
PEEK_MANY: Final = """
SELECT id FROM aegis_document
WHERE id = ANY(%(documents)s) AND run_id = %(run_id)s AND state = 'running' AND NOT cancel_requested"""
BEGIN: Final = f"""
UPDATE aegis_document SET state = 'running', run_id = %(run_id)s, run_claimed_at = NULL, cancel_requested = false, message = '',
    waiting_since = {TRIED_SINCE}, not_before = NULL,
    fraction = CASE WHEN waiting_since IS NULL THEN 0 ELSE fraction END WHERE id = %(document)s"""
RUN_BEGINS: Final = """
INSERT INTO aegis_run_document (run_id, document_id) VALUES (%(run_id)s, %(document)s)
ON CONFLICT (run_id, document_id) DO UPDATE SET finished_at = NULL"""
RUN_ENDS: Final = """
UPDATE aegis_run_document SET finished_at = coalesce(finished_at, now()) WHERE run_id = %(run_id)s AND document_id = %(document)s"""
REST_WINDOWS: Final = """
UPDATE aegis_window SET
    parse_state = CASE parse_state WHEN 'running' THEN 'pending' ELSE parse_state END,
    enrich_state = CASE enrich_state WHEN 'running' THEN 'pending' ELSE enrich_state END
WHERE document_id = %(document)s AND (parse_state = 'running' OR enrich_state = 'running')"""
REST_CHUNKS: Final = """
UPDATE aegis_chunk_task SET state = 'pending'
WHERE document_id = %(document)s AND stage IN ('embed', 'extract') AND state = 'running'"""
FINISH: Final = f"""
UPDATE aegis_document SET state = %(state)s::text, message = %(message)s, cancel_requested = false, run_claimed_at = NULL,
    {NOT_WAITING},
    fraction = CASE %(state)s::text WHEN 'succeeded' THEN 1 WHEN 'partial' THEN 1 WHEN 'pending' THEN 0 ELSE fraction END
WHERE id = %(document)s"""
# What no later attempt can resolve by itself, because it belongs to no window or chunk.
SETTLE: Final = """
UPDATE aegis_failure SET resolved = true
WHERE document_id = %(document)s AND NOT resolved
  AND (%(all)s OR (run_id <> %(run_id)s AND window_id IS NULL AND chunk_id IS NULL))"""
# Costs: reads the documents that are queued or running.
OF_RUN: Final = "SELECT id FROM aegis_document WHERE run_id = %(run_id)s AND state IN ('queued', 'running') ORDER BY id"

CANCELLED: Final = "Cancelled. Retry takes up what is missing."


class Runs(Base):
    def begin(self, document: UUID, run_id: str, alive: Callable[[str], bool]) -> DocumentRow:
        """Make the document running under run_id, with the marks of interrupted work set back.

        alive: whether a run is still at work; it is asked about the run that holds the document, outside any transaction. Raises
        NotFound, and NotAllowed for a document that a living run holds, that is being removed, or that was cancelled while it
        waited for this run.
        """
        while True:
            row = self._peek(document)
            if row["state"] == State.RUNNING and row["run_id"] not in ("", run_id) and alive(row["run_id"]):
                raise NotAllowed(f"Another run ({row['run_id'][:8]}) is working on this document.")
            taken = self._take(document, run_id, row["run_id"])
            if taken is not None:
                return taken

    @reads
    def _peek(self, connection: Connection, document: UUID) -> DictRow:
        row = one(connection, PEEK, document=document)
        if row is None:
            raise NotFound(f"There is no document {document}.")
        return row

    @writes
    def _take(self, connection: Connection, document: UUID, run_id: str, holder: str) -> DocumentRow | None:
        """Take it from `holder`. Return None when another has it meanwhile: ask again whether that one lives."""
        lock(connection, document)
        row = one(connection, FOR_UPDATE, document=document)
        if row is None:
            raise NotFound(f"There is no document {document}.")
        if row["state"] == State.REMOVING:
            raise NotAllowed(REMOVING)
        if row["state"] == State.RUNNING and row["run_id"] not in (holder, run_id):
            return None
        if row["state"] == State.CANCELLED and (row["run_id"] == run_id or row["run_claimed_at"] is not None):
            raise NotAllowed("This document was cancelled before the run took it up. Retry starts it again.")
        if row["run_id"] != run_id:
            release_claims(connection, row["run_id"])
        set_marks_back(connection, document)
        connection.execute(BEGIN, {"document": document, "run_id": run_id})
        connection.execute(RUN_BEGINS, {"document": document, "run_id": run_id})
        return DocumentRow.model_validate(one(connection, DOCUMENT, document=document))

    @reads
    def check(self, connection: Connection, document: UUID, run_id: str) -> None:
        """Raise Superseded when the document was cancelled or taken over, NotFound when removed. One indexed read."""
        row = one(connection, PEEK, document=document)
        require_running(row, document, run_id)
        if row is not None and row["cancel_requested"]:
            raise Superseded("The document was cancelled.")

    @reads
    def check_many(self, connection: Connection, documents: Sequence[UUID], run_id: str) -> set[UUID]:
        """Return those that the run may go on with."""
        return {row["id"] for row in rows(connection, PEEK_MANY, documents=list(documents), run_id=run_id)}

    @writes
    def finish(self, connection: Connection, document: UUID, run_id: str, state: State, message: str) -> None:
        """End a run's work on a document. The state is another than the one asked for

        - when it was cancelled meanwhile: cancelled,
        - when newer bytes came meanwhile: pending, so that another run takes them.

        Raises Superseded when the run does not hold the document.
        """
        lock(connection, document)
        row = one(connection, FOR_UPDATE, document=document)
        require_running(row, document, run_id)
        end(connection, row or {}, state, message)

    @writes
    def finish_all(self, connection: Connection, run_id: str, endings: Sequence[Ending]) -> set[UUID]:
        """End a run's work on several documents. Return those that were the run's to end."""
        ours = fence_all(connection, [ending.document for ending in endings], run_id)
        held = {row["id"]: row for row in rows(connection, ALL_FOR_UPDATE, documents=sorted(ours))}
        for ending in endings:
            if ending.document in held:
                end(connection, held[ending.document], ending.state, ending.message)
        return ours

    @writes
    def fail_run(self, connection: Connection, run_id: str, message: str) -> list[UUID]:
        """Fail what the run still holds, with this sentence, because somebody says that it is over. Return those documents."""
        return end_all(connection, run_id, lambda row: end(connection, row, State.FAILED, message))

    @writes
    def cancel_run(self, connection: Connection, run_id: str) -> list[UUID]:
        """Cancel what a run still holds that was cancelled in Dagster. Return those documents."""
        return end_all(connection, run_id, lambda row: end(connection, row, State.CANCELLED, CANCELLED))


def end_all(connection: Connection, run_id: str, ending: Callable[[DictRow], None]) -> list[UUID]:
    """End the run's work on what it still holds, also in the outbox. Its cost grows with those documents."""
    ended = []
    for found in rows(connection, OF_RUN, run_id=run_id):  # by id, so that two callers cannot wait for each other
        lock(connection, found["id"])
        row = one(connection, FOR_UPDATE, document=found["id"])
        if row is not None and row["run_id"] == run_id and row["state"] in (State.QUEUED, State.RUNNING):
            ending(row)
            ended.append(found["id"])
    release_claims(connection, run_id)  # last, as all who lock both lock documents first
    return ended


def end(connection: Connection, row: DictRow, state: State, message: str) -> None:
    """Write the end of a run's work on a document. row: as FOR_UPDATE gives it, locked."""
    document, run_id = row["id"], row["run_id"]
    if row["cancel_requested"]:
        state, message = State.CANCELLED, CANCELLED
    elif row["state"] == State.RUNNING and row["run_claimed_at"] is not None and state != State.CANCELLED:
        state, message = State.PENDING, ""
    if state in (State.FAILED, State.CANCELLED):
        settle(connection, document)
    set_marks_back(connection, document)
    connection.execute(RUN_ENDS, {"document": document, "run_id": run_id})
    if state in (State.SUCCEEDED, State.PARTIAL):
        connection.execute(SETTLE, {"document": document, "run_id": run_id, "all": state == State.SUCCEEDED})
    connection.execute(FINISH, {"document": document, "state": state, "message": clean(message)[:2000]})


def set_marks_back(connection: Connection, document: UUID) -> None:
    """Make interrupted windows and chunks pending again; their attempts stay as they were."""
    connection.execute(REST_WINDOWS, {"document": document})
    connection.execute(REST_CHUNKS, {"document": document})
