"""A run takes a document, asks before each step whether it still may, and lets go of it in a state with a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.errors import NotAllowed, NotFound, Superseded
from aegis_assets.model.document import State
from aegis_assets.model.ledger import DocumentRow, Ending
from aegis_assets.stores.ledger.base import (
    Base,
    Connection,
    clean,
    fence_all,
    lock,
    one,
    reads,
    require_running,
    rows,
    writes,
)
from aegis_assets.stores.ledger.documents import ALL_FOR_UPDATE, DOCUMENT, FOR_UPDATE, REMOVING
from aegis_assets.stores.ledger.progress import settle

PEEK: Final = "SELECT id, state, run_id, cancel_requested FROM aegis_document WHERE id = %(document)s"
PEEK_MANY: Final = """
SELECT id FROM aegis_document
WHERE id = ANY(%(documents)s) AND run_id = %(run_id)s AND state = 'running' AND NOT cancel_requested"""
BEGIN: Final = """
UPDATE aegis_document SET state = 'running', run_id = %(run_id)s, run_claimed_at = NULL, cancel_requested = false, message = '',
    fraction = 0 WHERE id = %(document)s"""
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
FINISH: Final = """
UPDATE aegis_document SET state = %(state)s::text, message = %(message)s, cancel_requested = false, run_claimed_at = NULL,
    fraction = CASE %(state)s::text WHEN 'succeeded' THEN 1 WHEN 'partial' THEN 1 WHEN 'pending' THEN 0 ELSE fraction END,
    resumptions = 0
WHERE id = %(document)s"""
# What no later attempt can resolve by itself, because it belongs to no window or chunk.
SETTLE: Final = """
UPDATE aegis_failure SET resolved = true
WHERE document_id = %(document)s AND NOT resolved
  AND (%(all)s OR (run_id <> %(run_id)s AND window_id IS NULL AND chunk_id IS NULL))"""
# Costs: reads the documents that are queued or running.
OF_RUN: Final = "SELECT id FROM aegis_document WHERE run_id = %(run_id)s AND state IN ('queued', 'running') ORDER BY id"
HAS_ADVANCED: Final = """
SELECT 1 FROM aegis_run_document
WHERE run_id = %(run_id)s AND document_id = %(document)s AND parsed_windows + embedded_chunks + extracted_chunks > 0"""
COUNT_RESUMPTION: Final = """
UPDATE aegis_document SET resumptions = %(resumptions)s WHERE id = %(document)s AND state = 'pending'"""

MAX_RESUMPTIONS: Final = 5  # without a window or chunk done in between
CANCELLED: Final = "Cancelled. Retry takes up what is missing."
RESUMED: Final = "Its run was stopped from outside. It starts again by itself."
STOPPED: Final = "The run was stopped from outside before it could finish. Retry takes up what is missing."
UNREACHED: Final = "The run ended before it reached this document; its page in Dagster says why."


class Runs(Base):
    def begin(self, document: UUID, run_id: str, alive: Callable[[str], bool]) -> DocumentRow:
        """Set the document to running under run_id, with the marks of interrupted work set back.

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
        """Take the document; return None when another than `holder` has it meanwhile: ask again whether that one lives."""
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
        _set_marks_back(connection, document)
        connection.execute(BEGIN, {"document": document, "run_id": run_id})
        connection.execute(RUN_BEGINS, {"document": document, "run_id": run_id})
        return DocumentRow.model_validate(one(connection, DOCUMENT, document=document))

    @reads
    def check(self, connection: Connection, document: UUID, run_id: str) -> None:
        """Check whether the run may go on, by one indexed read. Raises Superseded when the document was cancelled or taken over,
        NotFound when it was removed."""
        row = one(connection, PEEK, document=document)
        require_running(row, document, run_id)
        if row is not None and row["cancel_requested"]:
            raise Superseded("The document was cancelled.")

    @reads
    def check_many(self, connection: Connection, documents: Sequence[UUID], run_id: str) -> set[UUID]:
        """Return the documents that the run may go on with."""
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
        _end(connection, row or {}, state, message)

    @writes
    def finish_all(self, connection: Connection, run_id: str, endings: Sequence[Ending]) -> set[UUID]:
        """End a run's work on several documents, and return those that were the run's to end."""
        ours = fence_all(connection, [ending.document for ending in endings], run_id)
        held = {row["id"]: row for row in rows(connection, ALL_FOR_UPDATE, documents=sorted(ours))}
        for ending in endings:
            if ending.document in held:
                _end(connection, held[ending.document], ending.state, ending.message)
        return ours

    @writes
    def fail_run(self, connection: Connection, run_id: str, message: str) -> list[UUID]:
        """Fail, with this sentence, what an ended run still holds. Return those documents."""
        return [_end(connection, row, State.FAILED, message) for row in _held_by(connection, run_id)]

    @writes
    def resume_run(self, connection: Connection, run_id: str) -> list[UUID]:
        """Set what an ended run still holds back to pending, so that another run takes it up. Return those documents.

        A document that was resumed `MAX_RESUMPTIONS` times with nothing done in between fails: it may be what ends its runs.
        run_id: or the token that stood for the run.
        """
        return [_resume(connection, row) for row in _held_by(connection, run_id)]

    @writes
    def cancel_run(self, connection: Connection, run_id: str) -> list[UUID]:
        """Cancel what a run that was cancelled in Dagster still holds. Return those documents."""
        return [_end(connection, row, State.CANCELLED, CANCELLED) for row in _held_by(connection, run_id)]


def _held_by(connection: Connection, run_id: str) -> Iterator[DictRow]:
    """Yield the documents of a run, each locked, by id, so that two callers cannot wait for each other."""
    for found in rows(connection, OF_RUN, run_id=run_id):
        lock(connection, found["id"])
        row = one(connection, FOR_UPDATE, document=found["id"])
        if row is not None and row["run_id"] == run_id and row["state"] in (State.QUEUED, State.RUNNING):
            yield row


def _resume(connection: Connection, row: DictRow) -> UUID:
    advanced = one(connection, HAS_ADVANCED, run_id=row["run_id"], document=row["id"]) is not None
    resumptions = 1 if advanced else row["resumptions"] + 1
    if resumptions > MAX_RESUMPTIONS:
        return _end(connection, row, State.FAILED, UNREACHED if row["state"] == State.QUEUED else STOPPED)
    _end(connection, row, State.PENDING, RESUMED)
    connection.execute(COUNT_RESUMPTION, {"document": row["id"], "resumptions": resumptions})
    document: UUID = row["id"]
    return document


def _end(connection: Connection, row: DictRow, state: State, message: str) -> UUID:
    document: UUID = row["id"]
    run_id = row["run_id"]
    if row["cancel_requested"]:
        state, message = State.CANCELLED, CANCELLED
    elif row["state"] == State.RUNNING and row["run_claimed_at"] is not None and state != State.CANCELLED:
        state, message = State.PENDING, ""
    if state in (State.FAILED, State.CANCELLED):
        settle(connection, document)
    _set_marks_back(connection, document)
    connection.execute(RUN_ENDS, {"document": document, "run_id": run_id})
    if state in (State.SUCCEEDED, State.PARTIAL):
        connection.execute(SETTLE, {"document": document, "run_id": run_id, "all": state == State.SUCCEEDED})
    connection.execute(FINISH, {"document": document, "state": state, "message": clean(message)[:2000]})
    return document


def _set_marks_back(connection: Connection, document: UUID) -> None:
    connection.execute(REST_WINDOWS, {"document": document})
    connection.execute(REST_CHUNKS, {"document": document})
