"""A document's progress, from its windows' marks and tallies; the stored fraction only keeps it from ever going back.

A trigger keeps the tally of each window by difference (webadmin/documents/migrations/0016_bounds.py), in the transaction that
changes the marks of its chunks. So a stored result costs what it changes, and looking costs a row for each window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.errors import NotFound
from aegis_assets.model.document import Mark, Stage, State
from aegis_assets.model.progress import Progress, StageProgress, Standing
from aegis_assets.settings import settings
from aegis_assets.stores.ledger.base import Base, Connection, one, reads, rows
from aegis_assets.stores.ledger.fractions import StageMarks, WindowMarks, chunks_final, fraction, weights

# Grows with: the document's open failures. The generation shown is the one in the making, else the live one. recent: seconds over
# which the rate is measured.
HEAD: Final = """
SELECT d.id, d.state, d.run_id, d.fraction, d.waiting_since, d.extractor, coalesce(d.making_id, d.live_id) AS generation,
    r.id AS run, r.started_at, r.resolve_seconds > 0 AS resolved, r.publish_seconds > 0 AS published,
    least(60, greatest(1, extract(epoch FROM now() - r.started_at)))::float AS recent,
    EXISTS (SELECT 1 FROM aegis_failure f WHERE f.document_id = d.id AND f.stage = 'resolve' AND NOT f.resolved) AS resolve_failed,
    EXISTS (SELECT 1 FROM aegis_failure f WHERE f.document_id = d.id AND f.stage = 'publish' AND NOT f.resolved) AS publish_failed
FROM aegis_document d LEFT JOIN aegis_run_document r ON r.document_id = d.id AND r.run_id = d.run_id
WHERE d.id = %(document)s"""
# Grows with: the windows of the document.
MARKS: Final = """
SELECT w.last - w.first + 1 AS parts, w.parse_state, w.enrich_state, coalesce(t.chunks, 0) AS chunks,
    coalesce(t.embed_done, 0) AS embed_done, coalesce(t.embed_failed, 0) AS embed_failed,
    coalesce(t.embed_running, 0) AS embed_running, coalesce(t.extract_done, 0) AS extract_done,
    coalesce(t.extract_failed, 0) AS extract_failed, coalesce(t.extract_running, 0) AS extract_running,
    coalesce(t.processed, 0) AS processed, coalesce(t.in_flight, 0) AS in_flight
FROM aegis_window w LEFT JOIN aegis_tally t ON t.window_id = w.id
WHERE w.generation_id = %(generation)s ORDER BY w.ordinal"""
# Grows with: nothing, at most 2,000 rows. Only runs that were over when this one began: their sums do not change while it runs.
MEASURED: Final = """
SELECT sum(parse_seconds) AS parse, sum(enrich_seconds) AS enrich, sum(embed_seconds) AS embed, sum(extract_seconds) AS extract,
    sum(resolve_seconds) AS resolve, sum(publish_seconds) AS publish
FROM (
    SELECT r.* FROM aegis_run_document r JOIN aegis_document d ON d.id = r.document_id
    WHERE r.id < %(run)s AND r.id > %(run)s - 2000 AND r.finished_at < %(started)s AND d.extractor = %(extractor)s
      AND r.parsed_windows > 0 AND r.extracted_chunks > 0
    ORDER BY r.id DESC LIMIT 20) latest"""
# Grows with: the chunks that were marked within the last minute.
RECENT: Final = """
SELECT stage, count(*) AS done FROM aegis_chunk_task
WHERE document_id = %(document)s AND stage IN ('embed', 'extract') AND run_id = %(run_id)s
  AND state IN ('done', 'skipped', 'failed') AND finished_at > now() - make_interval(secs => %(recent)s)
GROUP BY stage"""
# Grows with: the documents asked for. fraction: as the contract has it. A row keeps that of the run before until the next begins.
STANDINGS: Final = """
SELECT d.id AS document, d.state, d.message, d.waiting_for, d.not_before, d.updated_at AS changed,
    CASE WHEN d.state IN ('succeeded', 'partial') THEN 1.0
        WHEN d.state IN ('pending', 'queued') AND d.waiting_since IS NULL THEN 0.0
        ELSE least(d.fraction, %(almost)s) END AS fraction
FROM aegis_document d WHERE d.id = ANY(%(documents)s)"""
# Grows with: nothing.
WORKERS: Final = "SELECT value FROM aegis_limit WHERE name = 'parallel_chunks_per_doc'"
# What a document that waited has done since is progress: its wait, if it waits again, counts from then.
# Cost: none but the one row.
ADVANCE: Final = """
UPDATE aegis_document SET fraction = %(fraction)s, waiting_since = NULL, waits = 0
WHERE id = %(document)s AND state = 'running' AND fraction > 0 AND fraction < %(fraction)s"""

ALMOST: Final = 0.999  # 1 is said at the end alone


class Progressing(Base):
    @reads
    def progress(self, connection: Connection, document: UUID) -> Progress:
        """Raises NotFound."""
        with connection.transaction():
            head = one(connection, HEAD, document=document)
            if head is None:
                raise NotFound(f"There is no document {document}.")
            windows = _windows(connection, head)
            limit = one(connection, WORKERS)
            rate = _rate(connection, head) if head["state"] == State.RUNNING else 0.0
            done = _fraction(connection, head, windows)
        total, processed = sum(w.chunks for w in windows), sum(w.processed for w in windows)
        return Progress(
            document=document,
            state=State(head["state"]),
            stages=_stages(head, windows),
            chunks_total=total,
            chunks_total_final=chunks_final(windows),
            chunks_processed=processed,
            chunks_in_flight=sum(window.in_flight for window in windows),
            parallel_workers=limit["value"] if limit else settings().parallel_chunks_per_doc,
            active_workers=_active(windows),
            chunks_per_second=rate,
            eta_seconds=0.0 if done == 1.0 else _eta(windows, rate, total, processed),
            fraction=done,
        )

    @reads
    def standings(self, connection: Connection, documents: Sequence[UUID]) -> list[Standing]:
        """What lists show of many documents, in one statement. Unknown ones are left out."""
        found = rows(connection, STANDINGS, documents=list(documents), almost=ALMOST)
        return [Standing.model_validate(row) for row in found]


def advance(base: Base, connection: Connection, document: UUID) -> None:
    """Store how far the document is, for lists, which show many at once. At most once a second for each document.

    The changed row also tells whoever watches to look again (`stores.changes`).
    """
    if base.due(document):
        settle(connection, document)


def settle(connection: Connection, document: UUID) -> None:
    """The same at once, before marks go back: whoever read the fraction a moment ago must not see it fall."""
    head = one(connection, HEAD, document=document)
    if head is not None and head["state"] == State.RUNNING and head["fraction"] > 0:
        done = _fraction(connection, head, _windows(connection, head))
        connection.execute(ADVANCE, {"document": document, "fraction": done})


def _windows(connection: Connection, head: DictRow) -> list[WindowMarks]:
    if head["generation"] is None:
        return []
    return [
        WindowMarks(
            parts=max(1, row["parts"]),
            parse=Mark(row["parse_state"]),
            enrich=Mark(row["enrich_state"]),
            chunks=row["chunks"],
            embed=StageMarks(done=row["embed_done"], failed=row["embed_failed"], running=row["embed_running"]),
            extract=StageMarks(done=row["extract_done"], failed=row["extract_failed"], running=row["extract_running"]),
            processed=row["processed"],
            in_flight=row["in_flight"],
        )
        for row in rows(connection, MARKS, generation=head["generation"])
    ]


def _fraction(connection: Connection, head: DictRow, windows: Sequence[WindowMarks]) -> float:
    state = State(head["state"])
    if state in (State.SUCCEEDED, State.PARTIAL):
        return 1.0
    if state in (State.PENDING, State.QUEUED) and head["waiting_since"] is None:
        return 0.0
    # A run that has not planned yet (stored as 0) shows the marks of the run before it.
    if state != State.RUNNING or head["fraction"] == 0 or head["run"] is None:
        return min(float(head["fraction"]), ALMOST)
    measured = one(connection, MEASURED, run=head["run"], started=head["started_at"], extractor=head["extractor"]) or {}
    seconds = {Stage(name): float(value or 0.0) for name, value in measured.items()}
    now = fraction(windows, weights(seconds), resolved=head["resolved"], published=head["published"])
    before: float = head["fraction"]
    return min(max(now, before), ALMOST)


def _stages(head: DictRow, windows: Sequence[WindowMarks]) -> dict[Stage, StageProgress]:
    return {
        Stage.PARSE: _of_marks([window.parse for window in windows]),
        Stage.ENRICH: _of_marks([window.enrich for window in windows]),
        Stage.EMBED: _of_chunks(windows, [window.embed for window in windows]),
        Stage.EXTRACT: _of_chunks(windows, [window.extract for window in windows]),
        Stage.RESOLVE: _of_document(head, "resolved", "resolve_failed"),
        Stage.PUBLISH: _of_document(head, "published", "publish_failed"),
    }


def _of_marks(marks: Sequence[Mark]) -> StageProgress:
    return StageProgress(
        total=len(marks),
        done=sum(mark in (Mark.DONE, Mark.SKIPPED) for mark in marks),
        failed=marks.count(Mark.FAILED),
        in_flight=marks.count(Mark.RUNNING),
    )


def _of_chunks(windows: Sequence[WindowMarks], marks: Sequence[StageMarks]) -> StageProgress:
    return StageProgress(
        total=sum(window.chunks for window in windows),
        done=sum(mark.done for mark in marks),
        failed=sum(mark.failed for mark in marks),
        in_flight=sum(mark.running for mark in marks),
    )


def _of_document(head: Mapping[str, Any], done: str, failed: str) -> StageProgress:
    """resolve and publish happen once per run. A run with nothing to resolve is through with it when it has succeeded."""
    through = bool(head[done]) or head["state"] in (State.SUCCEEDED, State.PARTIAL)
    return StageProgress(total=1, done=int(through and not head[failed]), failed=int(head[failed]), in_flight=0)


def _active(windows: Sequence[WindowMarks]) -> int:
    """Extractions in flight, and one for embedding, which goes in batches."""
    return sum(window.extract.running for window in windows) + any(window.embed.running for window in windows)


def _rate(connection: Connection, head: DictRow) -> float:
    """Chunks per second through both stages, over the last minute of the run."""
    if head["run"] is None:
        return 0.0
    found = rows(connection, RECENT, document=head["id"], run_id=head["run_id"], recent=head["recent"])
    done: dict[str, int] = {row["stage"]: row["done"] for row in found}
    seconds: float = head["recent"]
    return min(done.get(Stage.EMBED, 0), done.get(Stage.EXTRACT, 0)) / seconds


def _eta(windows: Sequence[WindowMarks], rate: float, total: int, processed: int) -> float | None:
    """Chunks still to come are guessed from those of the windows that have theirs."""
    chunked = sum(window.parts for window in windows if window.enrich == Mark.DONE)
    if rate <= 0 or chunked == 0:
        return None
    expected = total if chunks_final(windows) else total * sum(window.parts for window in windows) / chunked
    return max(0.0, expected - processed) / rate
