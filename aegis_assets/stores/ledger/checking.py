"""Answer what the asset checks of a document ask: text that is lost, entities without a place, results of other settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from aegis_assets.model.staleness import Staleness
from aegis_assets.pipeline.grounding import is_same_name
from aegis_assets.stores.ledger.base import Base, Connection, reads, rows

# Cost of these four: the windows and chunks of the documents, and the names in them.
# Pages of which no chunk has anything; of a format without pages, sections of windows without a chunk.
WITHOUT_TEXT: Final = """
WITH live AS (
    SELECT g.id, g.pages IS NOT NULL AS has_pages FROM aegis_document d JOIN aegis_generation g ON g.id = d.live_id
    WHERE d.id = %(document)s)
SELECT generate_series(w.first, w.last) AS part FROM live JOIN aegis_window w ON w.generation_id = live.id
EXCEPT SELECT unnest(p.pages) FROM live JOIN aegis_placement p ON p.generation_id = live.id WHERE live.has_pages
EXCEPT SELECT generate_series(w.first, w.last) FROM live JOIN aegis_window w ON w.generation_id = live.id
WHERE NOT live.has_pages AND EXISTS (SELECT FROM aegis_placement p WHERE p.window_id = w.id)
ORDER BY part"""
PARTS: Final = """
SELECT coalesce(sum(w.last - w.first + 1), 0)::int AS n FROM aegis_document d JOIN aegis_window w ON w.generation_id = d.live_id
WHERE d.id = %(document)s"""
# Entities none of whose mentions is spelled in the text exactly as it was noted. A word that is broken at a line's end is such one.
UNLIKE: Final = """
SELECT e.canonical_id AS entity, array_agg(m.name) AS names, array_agg(w.text) AS texts
FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id JOIN aegis_chunk c ON c.id = p.chunk_id
JOIN aegis_mention m ON m.chunk_id = c.id JOIN aegis_entity e ON e.id = m.entity_id
CROSS JOIN LATERAL (SELECT substring(c.text FROM m.start + 1 FOR greatest(0, m."end" - m.start)) AS text) w
WHERE d.id = %(document)s GROUP BY e.canonical_id
HAVING NOT bool_or(w.text = m.name OR (m.inexact AND length(w.text) = m."end" - m.start))"""
STALENESS: Final = """
SELECT d.id AS document, d.state, t.*, g.plan_fingerprint <> %(plan)s OR EXISTS (
    SELECT FROM aegis_window w
    WHERE w.generation_id = g.id AND w.parse_state = 'done' AND w.parse_fingerprint <> %(parse)s) AS is_cut_anew
FROM aegis_document d JOIN aegis_generation g ON g.id = d.live_id
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE k.stage = 'embed') AS chunks,
        count(*) FILTER (WHERE k.stage = 'embed' AND k.fingerprint <> %(embed)s) AS embeds,
        count(*) FILTER (WHERE k.stage = 'extract' AND k.fingerprint <> ALL(%(extract)s::text[])) AS extractions,
        count(*) FILTER (WHERE k.stage = 'extract' AND k.fingerprint <> ALL(%(extract)s::text[]) AND x.id IS NOT NULL) AS known
    FROM aegis_placement p JOIN aegis_chunk c ON c.id = p.chunk_id
    JOIN aegis_chunk_task k ON k.chunk_id = c.id AND k.stage IN ('embed', 'extract') AND k.state IN ('done', 'skipped')
    LEFT JOIN aegis_extraction x ON x.text_hash = c.text_hash AND x.fingerprint = %(newest)s
    WHERE p.generation_id = g.id) t
WHERE d.id = ANY(%(documents)s)"""


class Checking(Base):
    @reads
    def parts_without_text(self, connection: Connection, document: UUID) -> tuple[int, list[int]]:
        """Return how many pages the live generation has, or sections where it has no pages, and those without any text."""
        (parts,) = rows(connection, PARTS, document=document)
        return parts["n"], [row["part"] for row in rows(connection, WITHOUT_TEXT, document=document)]

    @reads
    def ungrounded(self, connection: Connection, document: UUID) -> list[str]:
        """Return a name of each entity of the live generation of which no mention stands in the text where it was noted."""
        return [
            row["names"][0]
            for row in rows(connection, UNLIKE, document=document)
            if not any(map(is_same_name, row["names"], row["texts"]))
        ]

    @reads
    def staleness(
        self,
        connection: Connection,
        documents: Sequence[UUID],
        plan: str,
        parse: str,
        embed: str,
        extract: str,
        earlier: Sequence[str] = (),
    ) -> list[Staleness]:
        """Return how the live generations differ from these fingerprints. earlier: others under which an extraction is valid."""
        prints = {"plan": plan, "parse": parse, "embed": embed, "extract": [extract, *earlier], "newest": extract}
        return [Staleness.model_validate(row) for row in rows(connection, STALENESS, documents=list(documents), **prints)]
