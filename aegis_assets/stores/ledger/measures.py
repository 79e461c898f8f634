"""The ledger -> numbers for a scrape. Each statement looks at documents at work, at totals, or at an index; never at all chunks."""

from __future__ import annotations

from typing import Final

from aegis_assets.model.document import Stage, State
from aegis_assets.model.metrics import Counter, Measures
from aegis_assets.stores.ledger.base import Base, Connection, one, reads, rows

RATE_SECONDS: Final = 60

DOCUMENTS: Final = "SELECT state, count(*) AS number FROM aegis_document GROUP BY state"
OLDEST: Final = """
SELECT coalesce(extract(epoch FROM now() - min(updated_at)), 0)::float AS seconds FROM aegis_document WHERE state = 'pending'"""
# As the progress contract counts workers: embedding goes in batches, so a document that embeds is one.
ACTIVE_CHUNKS: Final = """
SELECT count(DISTINCT t.document_id) FILTER (WHERE t.stage = 'embed') AS embed,
    count(*) FILTER (WHERE t.stage = 'extract') AS extract
FROM aegis_document d
JOIN aegis_chunk_task t ON t.document_id = d.id AND t.stage IN ('embed', 'extract') AND t.state = 'running'
WHERE d.state = 'running'"""
ACTIVE_WINDOWS: Final = """
SELECT count(*) FILTER (WHERE w.parse_state = 'running') AS parse, count(*) FILTER (WHERE w.enrich_state = 'running') AS enrich
FROM aegis_document d JOIN aegis_window w ON w.document_id = d.id WHERE d.state = 'running'"""
RATES: Final = """
SELECT t.stage, count(*)::float / %(seconds)s AS rate FROM aegis_chunk_task t
WHERE t.document_id IN (
    SELECT id FROM aegis_document WHERE state = 'running'
    UNION SELECT document_id FROM aegis_run_document WHERE finished_at > now() - make_interval(secs => %(seconds)s))
  AND t.stage IN ('embed', 'extract') AND t.state IN ('done', 'skipped', 'failed')
  AND t.finished_at > now() - make_interval(secs => %(seconds)s)
GROUP BY t.stage"""
# One statement, so one snapshot: a run that ends between two would be counted twice or not at all.
COUNTERS: Final = """
SELECT name, labels, sum(value) AS value FROM (
    SELECT name, labels, value FROM aegis_total
    UNION ALL
    SELECT counted.name, counted.labels, counted.value FROM aegis_run_document r CROSS JOIN LATERAL (VALUES
        ('parsed_windows', '', r.parsed_windows::float8), ('llm_calls', '', r.llm_calls::float8),
        ('retries', '', r.retries::float8),
        ('chunks', 'embed', r.embedded_chunks::float8), ('chunks', 'extract', r.extracted_chunks::float8),
        ('tokens', 'prompt', r.prompt_tokens::float8), ('tokens', 'completion', r.completion_tokens::float8),
        ('stage_seconds', 'parse', r.parse_seconds), ('stage_seconds', 'enrich', r.enrich_seconds),
        ('stage_seconds', 'embed', r.embed_seconds), ('stage_seconds', 'extract', r.extract_seconds),
        ('stage_seconds', 'resolve', r.resolve_seconds), ('stage_seconds', 'publish', r.publish_seconds)
    ) AS counted(name, labels, value) WHERE r.finished_at IS NULL) every
GROUP BY name, labels ORDER BY name, labels"""


class Measuring(Base):
    @reads
    def measures(self, connection: Connection) -> Measures:
        counted = {row["state"]: row["number"] for row in rows(connection, DOCUMENTS)}
        active = {**(one(connection, ACTIVE_WINDOWS) or {}), **(one(connection, ACTIVE_CHUNKS) or {})}
        rates = {row["stage"]: row["rate"] for row in rows(connection, RATES, seconds=RATE_SECONDS)}
        return Measures(
            documents={state: counted.get(state, 0) for state in State},
            oldest_pending=(one(connection, OLDEST) or {"seconds": 0.0})["seconds"],
            active={Stage(name): number for name, number in active.items()},
            rates={stage: rates.get(stage, 0.0) for stage in (Stage.EMBED, Stage.EXTRACT)},
            counters=tuple(Counter.model_validate(row) for row in rows(connection, COUNTERS)),
        )
