"""Chunk drafts -> chunks with ids that outlive edits, their places in a generation, and the marks of embed and extract.

The n-th repeat of a text in a document is its own chunk. Windows of one document are chunked side by side, so which window gets
which number depends on who comes first; the set of ids does not, and that is what the stores compare.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from aegis_assets.errors import Superseded
from aegis_assets.model import ids
from aegis_assets.model.document import Stage
from aegis_assets.model.embedding import Embedding
from aegis_assets.model.ledger import ChunkRow, WindowRow
from aegis_assets.model.parsing import Box, ChunkDraft, moved
from aegis_assets.stores.ledger.base import Base, Connection, clean, clean_json, many, one, reads, rows, writes
from aegis_assets.stores.ledger.embeddings import keep
from aegis_assets.stores.ledger.evidence import placing
from aegis_assets.stores.ledger.fence import fence
from aegis_assets.stores.ledger.progress import advance
from aegis_assets.stores.ledger.windows import fenced_window, resolve_window

LEAVE: Final = "DELETE FROM aegis_placement WHERE window_id = %(window)s"
TAKEN: Final = """
SELECT c.text_hash, c.repeat FROM aegis_placement p JOIN aegis_chunk c ON c.id = p.chunk_id
WHERE p.generation_id = %(generation)s AND c.text_hash = ANY(%(hashes)s)"""
ADD_CHUNK: Final = """
INSERT INTO aegis_chunk (id, document_id, text_hash, repeat, text, tokens, since)
SELECT %(id)s, %(document)s, %(hash)s, %(repeat)s, %(text)s, %(tokens)s, number FROM aegis_generation WHERE id = %(generation)s
ON CONFLICT (id) DO UPDATE SET tokens = EXCLUDED.tokens WHERE aegis_chunk.tokens <> EXCLUDED.tokens"""
PLACE: Final = """
INSERT INTO aegis_placement (generation_id, window_id, chunk_id, ordinal, headings, pages, boxes)
VALUES (%(generation)s, %(window)s, %(id)s, %(ordinal)s, %(headings)s, %(pages)s, %(boxes)s)"""
ADD_TASKS: Final = """
INSERT INTO aegis_chunk_task (chunk_id, document_id, stage)
SELECT chunk, %(document)s, stage FROM unnest(%(chunks)s::uuid[]) AS chunk, unnest(ARRAY['embed', 'extract']) AS stage
ON CONFLICT (chunk_id, stage) DO NOTHING"""
ENRICHED: Final = """
UPDATE aegis_window SET enrich_state = 'done', enrich_fingerprint = %(fingerprint)s, enriched_at = now() WHERE id = %(window)s"""
COUNT_ENRICHED: Final = """
UPDATE aegis_run_document SET enrich_seconds = enrich_seconds + %(seconds)s
WHERE run_id = %(run_id)s AND document_id = %(document)s"""
PLACED: Final = """
SELECT c.text, c.repeat, c.tokens, p.headings, p.pages, p.boxes,
    CASE g.inspection ->> 'unit' WHEN 'page' THEN w.first ELSE %(first)s END AS first
FROM aegis_placement p JOIN aegis_chunk c ON c.id = p.chunk_id
JOIN aegis_window w ON w.id = p.window_id JOIN aegis_generation g ON g.id = w.generation_id
WHERE p.window_id = %(window)s ORDER BY p.ordinal"""

# Grows with: the window's chunks, which were just written.
RECOUNT: Final = "SELECT aegis_recount(ARRAY[%(window)s::uuid])"
TO_DO: Final = """
SELECT c.id, c.document_id AS document, c.text, c.text_hash, c.tokens, t.attempts
FROM aegis_placement p JOIN aegis_chunk c ON c.id = p.chunk_id JOIN aegis_chunk_task t ON t.chunk_id = c.id
WHERE p.window_id = %(window)s AND t.stage = %(stage)s
  AND NOT (t.state IN ('done', 'skipped') AND t.fingerprint = ANY(%(fingerprints)s))
ORDER BY p.ordinal"""
OF_WINDOW: Final = """
SELECT c.id, c.document_id AS document, c.text, c.text_hash, c.tokens, t.attempts
FROM aegis_placement p JOIN aegis_chunk c ON c.id = p.chunk_id JOIN aegis_chunk_task t ON t.chunk_id = c.id
WHERE p.window_id = %(window)s AND t.stage = %(stage)s ORDER BY p.ordinal"""
START: Final = """
UPDATE aegis_chunk_task t SET state = 'running', run_id = %(run_id)s, started_at = now(), finished_at = NULL
WHERE t.chunk_id = ANY(%(chunks)s) AND t.stage = %(stage)s
  AND (SELECT d.run_id = %(run_id)s AND d.state = 'running' FROM aegis_document d WHERE d.id = t.document_id)"""
EMBEDDED: Final = """
WITH old AS (
    SELECT id, state = 'done' AND fingerprint = %(fingerprint)s AS done, attempts FROM aegis_chunk_task
    WHERE chunk_id = ANY(%(chunks)s) AND stage = 'embed' ORDER BY id FOR NO KEY UPDATE
), marked AS (
    UPDATE aegis_chunk_task t SET state = 'done', fingerprint = %(fingerprint)s, cached = false, note = '', run_id = %(run_id)s,
        finished_at = now() FROM old WHERE t.id = old.id
)
SELECT count(*) FILTER (WHERE NOT done) AS fresh, count(*) FILTER (WHERE NOT done AND attempts > 0) AS retried FROM old"""
COUNT_EMBEDDED: Final = """
UPDATE aegis_run_document SET embedded_chunks = embedded_chunks + %(fresh)s, retries = retries + %(retried)s,
    embed_seconds = embed_seconds + %(seconds)s
WHERE run_id = %(run_id)s AND document_id = %(document)s"""
RESOLVE: Final = """
UPDATE aegis_failure f SET resolved = true
WHERE f.document_id = %(document)s AND f.stage = %(stage)s AND NOT f.resolved AND (
    f.chunk_id = ANY(%(chunks)s)
    OR f.chunk_id IS NULL AND f.window_id IN (SELECT window_id FROM aegis_placement WHERE chunk_id = ANY(%(chunks)s)))"""
VISIBLE: Final = """
SELECT asked.chunk FROM unnest(%(chunks)s::uuid[], %(generations)s::bigint[]) AS asked(chunk, generation)
JOIN aegis_generation g ON g.id = asked.generation JOIN aegis_document d ON d.id = g.document_id
WHERE d.state <> 'removing' AND (
    d.live_id IS NULL OR d.live_id = asked.generation
    OR EXISTS (SELECT 1 FROM aegis_placement p WHERE p.generation_id = d.live_id AND p.chunk_id = asked.chunk))"""


class Chunks(Base):
    @writes
    def save_chunks(
        self,
        connection: Connection,
        window: UUID,
        run_id: str,
        drafts: Sequence[ChunkDraft],
        fingerprint: str,
        seconds: float,
    ) -> list[UUID]:
        """The window's chunks, in order, in place of those it had; the window is marked as enriched. Gives their ids."""
        row = fenced_window(connection, window, run_id, alone=True)
        with placing(connection, row.document, row.generation):
            chunks = _place(connection, row, [(draft, None) for draft in drafts])
        _enriched(connection, row, fingerprint, run_id)
        connection.execute(COUNT_ENRICHED, {"run_id": run_id, "document": row.document, "seconds": seconds})
        advance(self, connection, row.document)
        return chunks

    @writes
    def adopt_chunks(self, connection: Connection, window: UUID, run_id: str, source: UUID, fingerprint: str) -> None:
        """The chunks of another window with the same content, under the same ids where these are free, and all that is done for
        them. Pages before both may have been added or taken out: theirs move along."""
        row = fenced_window(connection, window, run_id, alone=True)
        placed = rows(connection, PLACED, window=source, first=row.first)
        drafts = [
            (
                moved(
                    ChunkDraft(
                        text=old["text"],
                        headings=tuple(old["headings"]),
                        pages=tuple(old["pages"]),
                        boxes=tuple(Box.model_validate(box) for box in old["boxes"]),
                        tokens=old["tokens"],
                    ),
                    row.first - old["first"],
                ),
                int(old["repeat"]),
            )
            for old in placed
        ]
        with placing(connection, row.document, row.generation):
            _place(connection, row, drafts)
        _enriched(connection, row, fingerprint, run_id)

    @reads
    def chunks_to_do(
        self, connection: Connection, window: UUID, stage: Stage, fingerprint: str, earlier: Sequence[str] = ()
    ) -> list[ChunkRow]:
        """Return the window's chunks that the stage has no valid result of, failed ones too, in document order.

        stage: embed or extract. earlier: fingerprints whose results are valid as well.
        """
        found = rows(connection, TO_DO, window=window, stage=stage, fingerprints=[fingerprint, *earlier])
        return [ChunkRow.model_validate(row) for row in found]

    @reads
    def window_chunks(self, connection: Connection, window: UUID, stage: Stage) -> list[ChunkRow]:
        """Return all of the window's chunks, in document order. stage: embed or extract."""
        return [ChunkRow.model_validate(row) for row in rows(connection, OF_WINDOW, window=window, stage=stage)]

    @writes
    def start_chunks(self, connection: Connection, chunks: Sequence[UUID], stage: Stage, run_id: str) -> None:
        done = connection.execute(START, {"chunks": list(chunks), "stage": stage, "run_id": run_id})
        if chunks and not done.rowcount:
            raise Superseded("Another run has taken over this document.")

    @writes
    def save_embedded(
        self,
        connection: Connection,
        document: UUID,
        run_id: str,
        chunks: Sequence[UUID],
        fingerprint: str,
        seconds: float,
        embeddings: Sequence[Embedding] = (),
    ) -> None:
        """Mark chunks whose vectors are in the vector store, and keep their embeddings, which are in the order of `chunks`."""
        fence(connection, document, run_id)
        keep(connection, chunks, embeddings)
        counts = one(connection, EMBEDDED, chunks=list(chunks), fingerprint=fingerprint, run_id=run_id) or {}
        resolve_chunks(connection, document, chunks, Stage.EMBED)
        connection.execute(COUNT_EMBEDDED, {"run_id": run_id, "document": document, "seconds": seconds, **counts})
        advance(self, connection, document)

    @reads
    def visible(self, connection: Connection, chunks: Mapping[UUID, int]) -> set[UUID]:
        """Which may answer searches now: all of a document until a generation of it is live, then the live one's.

        chunks: the generation that each is made for.
        """
        found = rows(connection, VISIBLE, chunks=list(chunks), generations=list(chunks.values()))
        return {row["chunk"] for row in found}


def resolve_chunks(connection: Connection, document: UUID, chunks: Sequence[UUID], stage: Stage) -> None:
    connection.execute(RESOLVE, {"document": document, "chunks": list(chunks), "stage": stage})


def _enriched(connection: Connection, row: WindowRow, fingerprint: str, run_id: str) -> None:
    connection.execute(ENRICHED, {"window": row.id, "fingerprint": fingerprint})
    resolve_window(connection, row.id, Stage.ENRICH, run_id)


def _place(connection: Connection, row: WindowRow, drafts: Sequence[tuple[ChunkDraft, int | None]]) -> list[UUID]:
    """Chunk rows, placements and tasks. Each draft comes with the repeat number that it would rather keep."""
    connection.execute(LEAVE, {"window": row.id})
    # Composed, as the hash sees it: a result that is cached under the hash speaks of places in the text.
    texts = [unicodedata.normalize("NFC", clean(draft.text)) for draft, _ in drafts]
    hashes = [ids.text_hash(text) for text in texts]
    taken: defaultdict[str, set[int]] = defaultdict(set)
    for used in rows(connection, TAKEN, generation=row.generation, hashes=hashes):
        taken[used["text_hash"]].add(used["repeat"])
    values: list[dict[str, Any]] = []
    for ordinal, ((draft, wish), text, text_hash) in enumerate(zip(drafts, texts, hashes, strict=True)):
        repeat = _free(taken[text_hash], wish)
        taken[text_hash].add(repeat)
        values.append(
            {
                "id": ids.chunk_id(row.document, text_hash, repeat),
                "document": row.document,
                "generation": row.generation,
                "window": row.id,
                "ordinal": ordinal,
                "hash": text_hash,
                "repeat": repeat,
                "text": text,
                "tokens": draft.tokens,
                "headings": [clean(heading) for heading in draft.headings],
                "pages": list(draft.pages),
                "boxes": Jsonb(clean_json([box.model_dump() for box in draft.boxes])),
            }
        )
    many(connection, ADD_CHUNK, values)
    many(connection, PLACE, values)
    chunks = [value["id"] for value in values]
    connection.execute(ADD_TASKS, {"chunks": chunks, "document": row.document})
    connection.execute(RECOUNT, {"window": row.id})
    return chunks


def _free(taken: set[int], wish: int | None) -> int:
    if wish is not None and wish not in taken:
        return wish
    return next(number for number in range(len(taken) + 1) if number not in taken)
