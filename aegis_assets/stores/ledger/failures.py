"""Failures as data, and the seconds that stages took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from aegis_assets.errors import AegisError
from aegis_assets.model.document import Stage
from aegis_assets.model.ledger import FailureRow
from aegis_assets.stores.ledger.base import Base, Connection, clean, one, reads, rows, writes
from aegis_assets.stores.ledger.fence import fence

FAIL_CHUNK: Final = """
UPDATE aegis_chunk_task SET state = 'failed', attempts = attempts + 1, run_id = %(run_id)s, finished_at = now()
WHERE chunk_id = %(chunk)s AND stage = %(stage)s RETURNING attempts"""
FAIL_CHUNKS: Final = """
UPDATE aegis_chunk_task t SET state = 'failed', attempts = attempts + 1, run_id = %(run_id)s, finished_at = now()
FROM aegis_placement p
WHERE p.window_id = %(window)s AND t.chunk_id = p.chunk_id AND t.stage = %(stage)s AND t.state IN ('pending', 'running')"""
FAIL_WINDOW: Final[Mapping[Stage, str]] = {
    Stage.PARSE: "UPDATE aegis_window SET parse_state = 'failed' WHERE id = %(window)s",
    Stage.ENRICH: "UPDATE aegis_window SET enrich_state = 'failed' WHERE id = %(window)s",
}
BEFORE: Final = """
SELECT coalesce(max(attempt), 0) AS attempts FROM aegis_failure
WHERE document_id = %(document)s AND stage = %(stage)s
  AND window_id IS NOT DISTINCT FROM %(window)s::uuid AND chunk_id IS NOT DISTINCT FROM %(chunk)s::uuid"""
ADD: Final = """
INSERT INTO aegis_failure (document_id, window_id, chunk_id, stage, kind, retryable, message, attempt, run_id)
VALUES (%(document)s,
    (SELECT id FROM aegis_window WHERE id = %(window)s), (SELECT id FROM aegis_chunk WHERE id = %(chunk)s),
    %(stage)s, %(kind)s, %(retryable)s, %(message)s, %(attempt)s, %(run_id)s)"""
# The latest of each thing: the attempts before it are the same failure.
OPEN: Final = """
SELECT * FROM (
    SELECT DISTINCT ON (f.document_id, f.stage, f.window_id, f.chunk_id)
        f.id, f.document_id AS document, f.window_id AS window, w.ordinal AS window_ordinal, f.chunk_id AS chunk, f.stage, f.kind,
        f.retryable, f.message, f.attempt, f.run_id, f.resolved, f.created_at
    FROM aegis_failure f LEFT JOIN aegis_window w ON w.id = f.window_id
    WHERE f.document_id = ANY(%(documents)s) AND NOT f.resolved
    ORDER BY f.document_id, f.stage, f.window_id, f.chunk_id, f.id DESC) latest
ORDER BY id"""
ALL: Final = """
SELECT f.id, f.document_id AS document, f.window_id AS window, w.ordinal AS window_ordinal, f.chunk_id AS chunk, f.stage, f.kind,
    f.retryable, f.message, f.attempt, f.run_id, f.resolved, f.created_at
FROM aegis_failure f LEFT JOIN aegis_window w ON w.id = f.window_id
WHERE f.document_id = %(document)s ORDER BY f.id"""
ADD_SECONDS: Final[Mapping[Stage, str]] = {
    stage: f"""
    UPDATE aegis_run_document SET {stage.value}_seconds = {stage.value}_seconds + %(share)s
    WHERE run_id = %(run_id)s AND document_id = ANY(%(documents)s)"""
    for stage in Stage
}
# Of stages that windows have, the windows and chunks hold the times.
SET_TIMES: Final[Mapping[Stage, str]] = {
    stage: f"""
    UPDATE aegis_run_document SET {stage.value}_ended_at = now(),
        {stage.value}_began_at = greatest(started_at, now() - make_interval(secs => %(seconds)s))
    WHERE run_id = %(run_id)s AND document_id = ANY(%(documents)s)"""
    for stage in (Stage.RESOLVE, Stage.PUBLISH)
}

ADD_CALLS: Final = """
UPDATE aegis_run_document SET llm_calls = llm_calls + %(calls)s WHERE run_id = %(run_id)s AND document_id = %(document)s"""

MESSAGE_LENGTH: Final = 2000


class Failures(Base):
    @writes
    def fail(
        self,
        connection: Connection,
        document: UUID,
        run_id: str,
        stage: Stage,
        error: AegisError,
        *,
        window: UUID | None = None,
        chunk: UUID | None = None,
    ) -> None:
        """Record it, and mark what failed: the chunk if one is given, else the window, else nothing but the document's list.

        A window that failed in embed or extract fails those of its chunks that are not done. Raises Superseded.
        """
        fence(connection, document, run_id)
        values: dict[str, object] = {"document": document, "run_id": run_id, "stage": stage, "window": window, "chunk": chunk}
        marked = None
        if chunk is not None:
            marked = one(connection, FAIL_CHUNK, **values)
        elif window is not None:
            connection.execute(FAIL_WINDOW.get(stage, FAIL_CHUNKS), values)
        if marked is None:
            before = one(connection, BEFORE, **values) or {"attempts": 0}
            marked = {"attempts": before["attempts"] + 1}
        said = {"kind": error.kind[:32], "retryable": error.retryable, "message": clean(error.message)[:MESSAGE_LENGTH]}
        connection.execute(ADD, {**values, **said, "attempt": marked["attempts"]})

    @reads
    def failures(self, connection: Connection, document: UUID, open_only: bool = True) -> list[FailureRow]:
        """open_only: what still stands, each thing once with its last attempt; else the whole history."""
        query = OPEN if open_only else ALL
        return [FailureRow.model_validate(row) for row in rows(connection, query, document=document, documents=[document])]

    @reads
    def open_failures(self, connection: Connection, documents: Sequence[UUID]) -> dict[UUID, list[FailureRow]]:
        """What still stands, of each document."""
        found: dict[UUID, list[FailureRow]] = {document: [] for document in documents}
        for row in rows(connection, OPEN, documents=list(documents)):
            found[row["document"]].append(FailureRow.model_validate(row))
        return found

    @writes
    def add_seconds(self, connection: Connection, run_id: str, documents: Sequence[UUID], stage: Stage, seconds: float) -> None:
        """What the stage, which ends now, took for the documents together; each has an equal share. Nothing for a document that the
        run never began."""
        values = {"run_id": run_id, "documents": list(documents), "seconds": seconds, "share": seconds / max(1, len(documents))}
        connection.execute(ADD_SECONDS[stage], values)
        if stage in SET_TIMES:
            connection.execute(SET_TIMES[stage], values)

    @writes
    def add_calls(self, connection: Connection, run_id: str, document: UUID, calls: int) -> None:
        """Requests to a language model that belong to no chunk: pictures."""
        connection.execute(ADD_CALLS, {"run_id": run_id, "document": document, "calls": calls})
