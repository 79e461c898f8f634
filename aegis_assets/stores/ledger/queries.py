"""What commands and pages show of a document. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.errors import NotFound
from aegis_assets.model.document import Stage
from aegis_assets.model.ledger import Counts, SearchRow, Summary, WindowWork
from aegis_assets.stores.ledger.base import Base, Connection, one, reads, rows
from aegis_assets.stores.ledger.failures import OPEN
from aegis_assets.stores.ledger.graph_facts import GraphFacts

SHOWN: Final = """
SELECT d.id, d.name, c.name AS collection, d.state, d.parser, d.embedder, d.extractor, d.run_id, g.id AS generation_id,
    g.number AS generation, g.pages
FROM aegis_document d JOIN aegis_collection c ON c.id = d.collection_id
LEFT JOIN aegis_generation g ON g.id = coalesce(d.making_id, d.live_id)
WHERE d.id = %(document)s"""
COUNTS: Final = """
SELECT
    (SELECT count(*) FROM aegis_window WHERE generation_id = %(generation)s) AS windows,
    (SELECT count(*) FROM aegis_placement WHERE generation_id = %(generation)s) AS chunks,
    (SELECT count(*) FROM aegis_placement p JOIN aegis_chunk_task t ON t.chunk_id = p.chunk_id
        WHERE p.generation_id = %(generation)s AND t.stage = 'embed' AND t.state = 'done') AS vectors,
    (SELECT count(*) FROM aegis_placement p JOIN aegis_mention m ON m.chunk_id = p.chunk_id
        WHERE p.generation_id = %(generation)s) AS mentions"""
LAST_RUN: Final = """
SELECT *, extract(epoch FROM coalesce(finished_at, now()) - started_at)::float AS total_seconds FROM aegis_run_document
WHERE document_id = %(document)s AND (%(run_id)s::text IS NULL OR run_id = %(run_id)s) ORDER BY started_at DESC, id DESC LIMIT 1"""
SUMMARIES: Final = """
SELECT d.id AS document, d.name, c.name AS collection, g.number AS generation, coalesce(g.pages, 0) AS pages, n.*,
    r.parse_seconds AS parse, r.enrich_seconds AS enrich, r.embed_seconds AS embed, r.extract_seconds AS extract,
    r.resolve_seconds AS resolve, r.publish_seconds AS publish
FROM aegis_document d JOIN aegis_collection c ON c.id = d.collection_id
JOIN aegis_generation g ON g.id = coalesce(d.making_id, d.live_id)
JOIN aegis_run_document r ON r.document_id = d.id AND r.run_id = %(run_id)s
CROSS JOIN LATERAL (
    SELECT count(*) AS windows, coalesce(sum(t.chunks), 0) AS chunks,
        count(*) FILTER (WHERE w.parse_state IN ('done', 'skipped')) AS parsed,
        count(*) FILTER (WHERE w.parse_state = 'failed') AS parse_failed,
        count(*) FILTER (WHERE w.enrich_state IN ('done', 'skipped')) AS enriched,
        count(*) FILTER (WHERE w.enrich_state = 'failed') AS enrich_failed,
        coalesce(sum(t.embed_done), 0) AS embedded, coalesce(sum(t.embed_failed), 0) AS embed_failed,
        coalesce(sum(t.extract_done), 0) AS extracted, coalesce(sum(t.extract_failed), 0) AS extract_failed
    FROM aegis_window w LEFT JOIN aegis_tally t ON t.window_id = w.id WHERE w.generation_id = g.id) n
WHERE d.id = ANY(%(documents)s)"""
# Cost: the windows given, and the open failures in them.
WINDOW_WORK: Final = """
SELECT w.id AS window, d.name AS document, w.first, w.last, g.pages IS NOT NULL AS has_pages, coalesce(t.chunks, 0) AS chunks,
    CASE %(stage)s
        WHEN 'parse' THEN (w.parse_state = 'failed')::int
        WHEN 'enrich' THEN (w.enrich_state = 'failed')::int
        WHEN 'embed' THEN coalesce(t.embed_failed, 0)
        ELSE coalesce(t.extract_failed, 0) END AS failed,
    coalesce((
        SELECT f.message FROM aegis_failure f WHERE f.window_id = w.id AND f.stage = %(stage)s AND NOT f.resolved
        ORDER BY f.id DESC LIMIT 1), '') AS reason
FROM unnest(%(windows)s::uuid[]) WITH ORDINALITY AS asked(id, place) JOIN aegis_window w ON w.id = asked.id
JOIN aegis_generation g ON g.id = w.generation_id JOIN aegis_document d ON d.id = g.document_id
LEFT JOIN aegis_tally t ON t.window_id = w.id
ORDER BY asked.place"""
# The vectors say which chunks answer, the old ones until those of a new generation are live there: a chunk shows where it stands in
# the live generation, or else in the newest that was. Cost: the chunks asked for, and what they mention.
SEARCH: Final = """
SELECT c.id AS chunk, d.collection_id AS collection, d.id AS document, d.name AS document_name, p.pages, p.headings,
    p.boxes, c.text,
    coalesce((
        SELECT jsonb_agg(DISTINCT jsonb_build_object('id', e.id, 'name', e.name, 'type', e.type))
        FROM aegis_mention m JOIN aegis_entity a ON a.id = m.entity_id JOIN aegis_entity e ON e.id = a.canonical_id
        WHERE m.chunk_id = c.id), '[]') AS entities
FROM unnest(%(chunks)s::uuid[]) WITH ORDINALITY AS asked(chunk, rank)
JOIN aegis_chunk c ON c.id = asked.chunk
JOIN aegis_document d ON d.id = c.document_id AND d.state <> 'removing'
CROSS JOIN LATERAL (
    SELECT * FROM aegis_placement p WHERE p.chunk_id = c.id AND (d.live_id IS NULL OR p.generation_id IS DISTINCT FROM d.making_id)
    ORDER BY p.generation_id IS NOT DISTINCT FROM d.live_id DESC, p.generation_id DESC LIMIT 1) p
ORDER BY asked.rank"""


class Queries(Base):
    @reads
    def counts(self, connection: Connection, document: UUID) -> Counts:
        """Raises NotFound."""
        return _counts(connection, _shown(connection, document))

    @reads
    def result(self, connection: Connection, document: UUID, run_id: str | None = None) -> dict[str, Any]:
        """The object that `ingest --json` prints. Raises NotFound.

        run_id: whose seconds and work; None for the last run. One that did nothing for the document, '' say, gives zeros.
        """
        shown = _shown(connection, document)
        counts = _counts(connection, shown)
        run = one(connection, LAST_RUN, document=document, run_id=run_id) or {}
        return {
            "document": str(document),
            "name": shown["name"],
            "collection": shown["collection"],
            "state": shown["state"],
            "generation": shown["generation"] or 0,
            "pages": counts.pages,
            "windows": counts.windows,
            "chunks": counts.chunks,
            "vectors": counts.vectors,
            "entities": counts.entities,
            "relations": counts.relations,
            "failures": [_failure(row) for row in rows(connection, OPEN, documents=[document])],
            "seconds": _seconds(run),
            "work": {name: run.get(name, 0) for name in ("parsed_windows", "embedded_chunks", "extracted_chunks", "llm_calls")},
            "engines": {name: shown[name] for name in ("parser", "embedder", "extractor")},
            "run_id": run.get("run_id", run_id or ""),
        }

    @reads
    def summaries(self, connection: Connection, documents: Sequence[UUID], run_id: str) -> dict[UUID, Summary]:
        """Return what was done of those of the documents that the run has worked on."""
        found = rows(connection, SUMMARIES, documents=list(documents), run_id=run_id)
        return {row["document"]: Summary.model_validate(row) for row in found}

    @reads
    def window_work(self, connection: Connection, windows: Sequence[UUID], stage: Stage) -> list[WindowWork]:
        """Return what was done of the windows in a stage, in their order. Those that are gone are left out."""
        found = rows(connection, WINDOW_WORK, windows=list(windows), stage=stage.value)
        return [WindowWork.model_validate(row) for row in found]

    @reads
    def search_rows(self, connection: Connection, chunks: Sequence[UUID]) -> list[SearchRow]:
        """In the order asked for. What may not answer a search now is left out."""
        return [SearchRow.model_validate(row) for row in rows(connection, SEARCH, chunks=list(chunks))]


def _shown(connection: Connection, document: UUID) -> DictRow:
    row = one(connection, SHOWN, document=document)
    if row is None:
        raise NotFound(f"There is no document {document}.")
    return row


def _counts(connection: Connection, shown: DictRow) -> Counts:
    generation = shown["generation_id"]
    row = one(connection, COUNTS, generation=generation) or {}
    facts = GraphFacts(lambda work: work(connection))
    entities, relations = facts.counts([generation])[generation] if generation is not None else (0, 0)
    return Counts(pages=shown["pages"] or 0, entities=entities, relations=relations, **row)


def _seconds(run: DictRow) -> dict[str, float]:
    """total is by the clock; stages are sums over windows that run side by side."""
    stages = {stage.value: round(run.get(f"{stage.value}_seconds", 0.0), 3) for stage in Stage}
    return {"total": round(run.get("total_seconds", 0.0), 3), **stages}


def _failure(row: DictRow) -> dict[str, Any]:
    return {
        "stage": row["stage"],
        "kind": row["kind"],
        "retryable": row["retryable"],
        "message": row["message"],
        "attempt": row["attempt"],
        "window": row["window_ordinal"],
        "chunk": None if row["chunk"] is None else str(row["chunk"]),
    }
