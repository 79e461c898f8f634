"""The marks and results of parse and enrich on windows, and what a window may take over from another with the same content."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from aegis_assets.errors import NotFound, Superseded
from aegis_assets.model.document import Mark, Stage
from aegis_assets.model.ledger import WindowHeadings, WindowRow
from aegis_assets.model.parsing import ParsedWindow
from aegis_assets.stores.ledger.base import Base, Connection, clean_json, one, reads, rows, writes
from aegis_assets.stores.ledger.fence import fence
from aegis_assets.stores.ledger.progress import advance, settle

COLUMNS: Final = """w.id, w.document_id AS document, w.generation_id AS generation, w.ordinal, w.first, w.last, w.key, w.headings,
    w.parse_state, w.parse_fingerprint, w.parsed, w.enrich_state, w.enrich_fingerprint"""
# Grows with: nothing.
WINDOW: Final = f"SELECT {COLUMNS} FROM aegis_window w WHERE w.id = %(window)s"
# Grows with: the windows of the document.
WINDOWS: Final = f"SELECT {COLUMNS} FROM aegis_window w WHERE w.generation_id = %(generation)s ORDER BY w.ordinal"
# Grows with: the generations; of each, at most two windows are read.
WHOLE: Final = """
SELECT k.id FROM unnest(%(generations)s::bigint[]) AS k(id)
WHERE (SELECT count(*) FROM (SELECT FROM aegis_window w WHERE w.generation_id = k.id LIMIT 2) s) = 1"""
# Grows with: the document's windows and their headings.
HEADINGS: Final = """
SELECT headings AS at_start, coalesce(parsed -> 'headings', '[]') AS inside FROM aegis_window
WHERE generation_id = %(generation)s AND ordinal < %(ordinal)s ORDER BY ordinal"""
# Grows with: the document's windows.
UNPARSED: Final = """
SELECT count(*) AS n FROM aegis_window
WHERE generation_id = %(generation)s AND ordinal < %(ordinal)s AND parse_state NOT IN ('done', 'skipped', 'failed')"""
# Grows with: the windows of the document that have the same content, as the next.
SIBLING_PARSE: Final = """
SELECT parsed FROM aegis_window
WHERE document_id = %(document)s AND key = %(key)s AND parse_state = 'done' AND parse_fingerprint = %(fingerprint)s
    AND parsed IS NOT NULL
ORDER BY generation_id DESC, ordinal LIMIT 1"""
SIBLING_CHUNKS: Final = """
SELECT id FROM aegis_window
WHERE document_id = %(document)s AND key = %(key)s AND enrich_state = 'done' AND enrich_fingerprint = %(fingerprint)s
ORDER BY generation_id DESC, ordinal LIMIT 1"""
# Grows with: nothing.
START: Final[Mapping[Stage, str]] = {
    Stage.PARSE: "UPDATE aegis_window SET parse_state = 'running', started_at = now() WHERE id = %(window)s",
    Stage.ENRICH: "UPDATE aegis_window SET enrich_state = 'running' WHERE id = %(window)s",
}
# Grows with: nothing. Other items make other chunks: the mark of enrich goes back with a new parse.
SAVE_PARSED: Final = """
UPDATE aegis_window w SET parse_state = 'done', parsed = %(parsed)s, parse_fingerprint = %(fingerprint)s::text, parsed_at = now(),
    enrich_state = CASE WHEN w.parse_fingerprint = %(fingerprint)s::text THEN w.enrich_state ELSE 'pending' END
WHERE id = %(window)s"""
# Grows with: nothing.
COUNT_PARSED: Final = """
UPDATE aegis_run_document SET parsed_windows = parsed_windows + 1, parse_seconds = parse_seconds + %(seconds)s
WHERE run_id = %(run_id)s AND document_id = %(document)s"""
# Grows with: the failures of the window. Only failures of earlier runs: enrich records a picture it could not describe and then
# saves the chunks without it.
RESOLVE: Final = """
UPDATE aegis_failure SET resolved = true
WHERE window_id = %(window)s AND stage = %(stage)s AND run_id <> %(run_id)s AND chunk_id IS NULL AND NOT resolved"""
# Grows with: nothing.
REOPEN: Final = "UPDATE aegis_window SET enrich_state = 'pending' WHERE id = %(window)s"

# Grows with: the chunks of the document, once when a run begins and once when it ends. A stage counts as done only under the
# fingerprint asked for; an extraction under those of earlier releases, too.
MISSING: Final = """
SELECT w.id, w.generation_id AS generation FROM aegis_window w
WHERE w.generation_id = ANY(%(generations)s) AND (
    NOT (w.parse_state IN ('done', 'skipped') AND w.parse_fingerprint = %(parse)s)
    OR w.enrich_state NOT IN ('done', 'skipped')
    OR EXISTS (
        SELECT 1 FROM aegis_placement p JOIN aegis_chunk_task t ON t.chunk_id = p.chunk_id
        WHERE p.window_id = w.id AND t.stage IN ('embed', 'extract') AND NOT (
            t.state IN ('done', 'skipped')
            AND t.fingerprint = ANY(CASE t.stage WHEN 'embed' THEN ARRAY[%(embed)s] ELSE %(extract)s::text[] END))))
ORDER BY w.ordinal"""
# Grows with: nothing, as the next.
LIVE: Final = """
SELECT g.id, g.plan_fingerprint FROM aegis_document d JOIN aegis_generation g ON g.id = d.live_id WHERE d.id = %(document)s"""
DOCUMENT_OF: Final = "SELECT document_id AS id FROM aegis_generation WHERE id = %(generation)s"
# Grows with: the windows of the document.
REOPEN_WINDOWS: Final = """
UPDATE aegis_window w SET
    parse_state = CASE WHEN w.parse_state = 'failed' OR w.parse_fingerprint <> %(parse)s THEN 'pending' ELSE w.parse_state END,
    enrich_state = CASE WHEN w.enrich_state = 'failed' THEN 'pending' ELSE w.enrich_state END
FROM aegis_document d
WHERE w.generation_id = %(generation)s AND d.id = w.document_id AND d.state = 'running'
  AND (w.parse_state = 'failed' OR w.enrich_state = 'failed' OR w.parse_fingerprint <> %(parse)s)"""
# Grows with: the chunks of the document, once when a run begins.
REOPEN_TASKS: Final = """
UPDATE aegis_chunk_task t SET state = 'pending'
FROM aegis_placement p, aegis_document d
WHERE p.generation_id = %(generation)s AND t.chunk_id = p.chunk_id AND d.id = t.document_id AND d.state = 'running'
  AND t.stage IN ('embed', 'extract') AND t.state IN ('done', 'skipped', 'failed')
  AND (t.state = 'failed'
       OR t.fingerprint <> ALL(CASE t.stage WHEN 'embed' THEN ARRAY[%(embed)s] ELSE %(extract)s::text[] END))"""
# Grows with: the document's chunks, once when a run begins. Tallies are kept by difference; this finds what went past the trigger.
RECOUNT: Final = """
SELECT aegis_recount(array_agg(id)) FROM aegis_window WHERE generation_id = %(generation)s"""
# Grows with: nothing.
PLANNED: Final = """
UPDATE aegis_document d SET fraction = greatest(d.fraction, 0.01)
FROM aegis_generation g WHERE g.id = %(generation)s AND d.id = g.document_id AND d.state = 'running'"""


class Windows(Base):
    @reads
    def window(self, connection: Connection, window: UUID) -> WindowRow:
        """Raises NotFound."""
        return _window(connection, window)

    @reads
    def windows(self, connection: Connection, generation: int) -> list[WindowRow]:
        """In order."""
        return [WindowRow.model_validate(row) for row in rows(connection, WINDOWS, generation=generation)]

    @reads
    def headings_before(self, connection: Connection, generation: int, ordinal: int) -> list[WindowHeadings]:
        """Return the headings of the windows before this place, in order."""
        found = rows(connection, HEADINGS, generation=generation, ordinal=ordinal)
        return [WindowHeadings.model_validate(row) for row in found]

    @reads
    def of_one_window(self, connection: Connection, generations: Collection[int]) -> set[int]:
        """Return those of the generations that are made in one piece."""
        return {row["id"] for row in rows(connection, WHOLE, generations=sorted(generations))}

    @reads
    def unparsed_before(self, connection: Connection, generation: int, ordinal: int) -> int:
        """Return how many windows before this place are neither parsed nor failed."""
        row = one(connection, UNPARSED, generation=generation, ordinal=ordinal)
        return int(row["n"]) if row else 0

    @writes
    def missing_windows(
        self,
        connection: Connection,
        generation: int,
        run_id: str,
        parse: str,
        embed: str,
        extract: str,
        earlier: Sequence[str] = (),
    ) -> list[UUID]:
        """Return the windows, in order, of which any stage is not done under these fingerprints, and make their stale and failed
        marks pending: so progress counts them as work to do, and begins.

        `skipped` counts as done. earlier: other fingerprints under which an extraction is valid.
        """
        document = one(connection, DOCUMENT_OF, generation=generation)
        if document is None:
            raise Superseded("This generation is gone: the document has newer content.")
        fence(connection, document["id"], run_id)
        prints = {"generation": generation, "generations": [generation], **_prints(parse, embed, extract, earlier)}
        for statement in (REOPEN_WINDOWS, REOPEN_TASKS, RECOUNT, PLANNED):
            connection.execute(statement, prints)
        return [row["id"] for row in connection.execute(MISSING, prints)]

    @reads
    def incomplete(
        self,
        connection: Connection,
        generations: Sequence[int],
        parse: str,
        embed: str,
        extract: str,
        earlier: Sequence[str] = (),
    ) -> set[int]:
        """Return those of the generations that have such windows, as they stand: nothing is marked."""
        prints = _prints(parse, embed, extract, earlier)
        return {row["generation"] for row in rows(connection, MISSING, generations=list(generations), **prints)}

    @reads
    def up_to_date(
        self,
        connection: Connection,
        document: UUID,
        plan: str,
        parse: str,
        embed: str,
        extract: str,
        earlier: Sequence[str] = (),
    ) -> bool:
        """Return whether a run would find nothing to do. plan: the fingerprint of the cut; the others as for `missing_windows`."""
        row = one(connection, LIVE, document=document)
        if row is None or row["plan_fingerprint"] != plan:
            return False
        return not rows(connection, MISSING, generations=[row["id"]], **_prints(parse, embed, extract, earlier))

    @reads
    def sibling_parse(self, connection: Connection, document: UUID, key: str, fingerprint: str) -> ParsedWindow | None:
        """What the same content gave in this or another generation of the document."""
        row = one(connection, SIBLING_PARSE, document=document, key=key, fingerprint=fingerprint)
        return None if row is None else ParsedWindow.model_validate(row["parsed"])

    @reads
    def sibling_chunks(self, connection: Connection, document: UUID, key: str, fingerprint: str) -> UUID | None:
        """A window whose chunks stand for the same content, made in the same way."""
        row = one(connection, SIBLING_CHUNKS, document=document, key=key, fingerprint=fingerprint)
        return None if row is None else row["id"]

    @writes
    def adopt_parse(self, connection: Connection, window: UUID, run_id: str, parsed: ParsedWindow, fingerprint: str) -> None:
        """Mark as parsed without work."""
        fenced_window(connection, window, run_id)
        connection.execute(SAVE_PARSED, _parsed(window, parsed, fingerprint))
        resolve_window(connection, window, Stage.PARSE, run_id)

    @writes
    def start_window(self, connection: Connection, window: UUID, stage: Stage, run_id: str) -> None:
        """stage: parse or enrich."""
        fenced_window(connection, window, run_id)
        connection.execute(START[stage], {"window": window})

    @writes
    def save_parsed(
        self, connection: Connection, window: UUID, run_id: str, parsed: ParsedWindow, fingerprint: str, seconds: float
    ) -> None:
        row = fenced_window(connection, window, run_id)
        connection.execute(SAVE_PARSED, _parsed(window, parsed, fingerprint))
        resolve_window(connection, window, Stage.PARSE, run_id)
        if row.parse_state != Mark.DONE or row.parse_fingerprint != fingerprint:
            connection.execute(COUNT_PARSED, {"run_id": run_id, "document": row.document, "seconds": seconds})
        advance(self, connection, row.document)

    @writes
    def reopen(self, connection: Connection, window: UUID, run_id: str) -> None:
        """Its chunks are not those that enrich would make now."""
        row = fenced_window(connection, window, run_id)
        settle(connection, row.document)
        connection.execute(REOPEN, {"window": window})


def fenced_window(connection: Connection, window: UUID, run_id: str, *, alone: bool = False) -> WindowRow:
    """The window as it is once its document is the run's. Raises Superseded, also when the window was cut away meanwhile."""
    row = one(connection, WINDOW, window=window)
    if row is None:
        raise Superseded("This window is gone: the document has newer content.")
    fence(connection, row["document"], run_id, alone=alone)
    row = one(connection, WINDOW, window=window)
    if row is None:
        raise Superseded("This window is gone: the document has newer content.")
    return WindowRow.model_validate(row)


def resolve_window(connection: Connection, window: UUID, stage: Stage, run_id: str) -> None:
    connection.execute(RESOLVE, {"window": window, "stage": stage, "run_id": run_id})


def _window(connection: Connection, window: UUID) -> WindowRow:
    row = one(connection, WINDOW, window=window)
    if row is None:
        raise NotFound(f"There is no window {window}.")
    return WindowRow.model_validate(row)


def _parsed(window: UUID, parsed: ParsedWindow, fingerprint: str) -> DictRow:
    return {"window": window, "parsed": Jsonb(clean_json(parsed.model_dump(mode="python"))), "fingerprint": fingerprint}


def _prints(parse: str, embed: str, extract: str, earlier: Sequence[str]) -> dict[str, object]:
    return {"parse": parse, "embed": embed, "extract": [extract, *earlier]}
