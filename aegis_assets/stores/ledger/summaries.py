"""Descriptions that a language model writes: which entities it is asked about, and what it said, with the sentences that it read.

A description stands while all of its sentences are live. `describing` forgets it with the first that is not, so that nothing of a
removed document lives on in other words.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final
from uuid import UUID

from aegis_assets.model.outbox import Key, Kind
from aegis_assets.pipeline.describing import SENTENCES, Undescribed
from aegis_assets.pipeline.telling import plain, telling
from aegis_assets.stores.ledger.base import Base, Connection, clean, one, reads, rows, writes
from aegis_assets.stores.ledger.describing import evidence_of
from aegis_assets.stores.ledger.evidence import changing

# Cost: what the documents' live chunks say. asked: 0 for never. Of one chunk the telling sentence says as much.
UNDESCRIBED: Final = """
SELECT g.id, g.collection_id AS collection, e.name, g.chunks FROM (
    SELECT DISTINCT a.canonical_id AS id FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id
    JOIN aegis_mention m ON m.chunk_id = p.chunk_id JOIN aegis_entity a ON a.id = m.entity_id WHERE d.id = ANY(%(documents)s)) n
JOIN aegis_graph_entity g ON g.id = n.id JOIN aegis_description x ON x.entity_id = g.id JOIN aegis_entity e ON e.id = g.id
WHERE x.chunk_id IS NOT NULL AND g.chunks >= greatest(2, 2 * x.asked) ORDER BY g.chunks DESC, g.id LIMIT %(limit)s"""
# Cost of these five: the sentences given.
STILL_LIVE: Final = """
SELECT count(*) AS n FROM unnest(%(chunks)s::uuid[]) AS w(chunk) JOIN aegis_chunk c ON c.id = w.chunk
JOIN aegis_document d ON d.id = c.document_id JOIN aegis_placement p ON p.generation_id = d.live_id AND p.chunk_id = c.id"""
SET_TEXT: Final = "UPDATE aegis_description SET text = %(text)s, asked = %(evidence)s WHERE entity_id = %(entity)s RETURNING 1"
NOTE_ASKED: Final = "UPDATE aegis_description SET asked = %(evidence)s WHERE entity_id = %(entity)s"
DROP_SOURCES: Final = "DELETE FROM aegis_description_source WHERE entity_id = %(entity)s"
ADD_SOURCES: Final = """
INSERT INTO aegis_description_source (entity_id, document_id, chunk_id, start, "end")
SELECT %(entity)s, c.document_id, c.id, w.start, w."end"
FROM unnest(%(chunks)s::uuid[], %(starts)s::int[], %(ends)s::int[]) AS w(chunk, start, "end")
JOIN aegis_chunk c ON c.id = w.chunk"""


class Summaries(Base):
    @reads
    def undescribed(self, connection: Connection, documents: Sequence[UUID], limit: int) -> list[Undescribed]:
        """Return the entities of these documents that a model was not asked about, or only with half of the evidence; those named
        most first."""
        found = {row["id"]: row for row in rows(connection, UNDESCRIBED, documents=list(documents), limit=limit)}
        named, passages = evidence_of(connection, list(found))
        todo = []
        for entity, row in found.items():
            places = tuple(islice(telling(named[entity], passages), SENTENCES))
            sentences = tuple(plain(passages[place.chunk].text[place.start : place.end]) for place in places)
            if places:
                todo.append(Undescribed(entity, row["collection"], row["name"], row["chunks"], places, sentences))
        return todo

    @writes
    def save_description(self, connection: Connection, asked: Undescribed, text: str) -> set[Key]:
        """Keep what a model said of an entity, unless one of its sentences is live no more. Return what is to be written then.

        text: '' where it said nothing usable: it is asked again with twice the evidence, and what it said before stands.
        """
        sources = {
            "chunks": [place.chunk for place in asked.places],
            "starts": [place.start for place in asked.places],
            "ends": [place.end for place in asked.places],
        }
        with changing(connection, asked.collection) as change:
            live = one(connection, STILL_LIVE, chunks=sources["chunks"])
            if live is None or live["n"] < len(asked.places):
                return set()
            if not text:
                connection.execute(NOTE_ASKED, {"entity": asked.entity, "evidence": asked.evidence})
                return set()
            values = {"entity": asked.entity, "text": clean(text), "evidence": asked.evidence}
            if connection.execute(SET_TEXT, values).fetchone() is None:
                return set()
            connection.execute(DROP_SOURCES, values)
            connection.execute(ADD_SOURCES, {"entity": asked.entity, **sources})
            change.mark(Kind.ENTITY, [asked.entity])
        return change.keys
