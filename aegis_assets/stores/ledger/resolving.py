"""Names of entities and the recorded reasons why two of them are one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from aegis_assets.pipeline.resolve import EntityName, MergeDecision, blocks
from aegis_assets.stores.ledger.base import Base, Connection, many, reads, rows, writes
from aegis_assets.stores.ledger.canonical import name_of

NAMES: Final = """
SELECT e.id, e.type, e.name, e.normalised FROM aegis_entity e
WHERE e.collection_id = %(collection)s AND e.id IN (
    SELECT m.entity_id FROM aegis_document d
    JOIN aegis_placement p ON p.generation_id = coalesce(d.making_id, d.live_id)
    JOIN aegis_mention m ON m.chunk_id = p.chunk_id WHERE d.id = ANY(%(documents)s))
ORDER BY e.id"""
CANDIDATES: Final = """
SELECT id, type, name, normalised FROM aegis_entity
WHERE collection_id = %(collection)s AND blocks && %(blocks)s::varchar[] AND type = ANY(%(types)s)"""
SAVE_MERGE: Final = """
INSERT INTO aegis_merge (collection_id, left_id, right_id, reason, score)
SELECT %(collection)s, l.id, r.id, %(reason)s, %(score)s FROM aegis_entity l, aegis_entity r
WHERE l.id = %(left)s AND r.id = %(right)s AND l.collection_id = %(collection)s AND r.collection_id = %(collection)s
ON CONFLICT (left_id, right_id) DO NOTHING"""

BLOCKS_PER_QUERY: Final = 2000


class Resolving(Base):
    @reads
    def new_names(self, connection: Connection, collection: UUID, documents: Sequence[UUID]) -> list[EntityName]:
        """All names that the documents' present generations mention."""
        return [name_of(row) for row in rows(connection, NAMES, collection=collection, documents=list(documents))]

    @reads
    def candidates(self, connection: Connection, collection: UUID, names: Sequence[EntityName]) -> list[EntityName]:
        """Other names of the collection that share a block with one of these, and the type of one of these."""
        given = {name.id for name in names}
        keys = sorted({block for name in names for block in blocks(name.name, name.type)})
        types = sorted({name.type for name in names})
        found: dict[UUID, EntityName] = {}
        for start in range(0, len(keys), BLOCKS_PER_QUERY):
            part = keys[start : start + BLOCKS_PER_QUERY]
            for row in rows(connection, CANDIDATES, collection=collection, blocks=part, types=types):
                if row["id"] not in given:
                    found[row["id"]] = name_of(row)
        return [found[identity] for identity in sorted(found)]

    @writes
    def save_merges(self, connection: Connection, collection: UUID, decisions: Sequence[MergeDecision]) -> None:
        """A pair that is known keeps its first reason; one that was undone stays so."""
        ordered = sorted(decisions, key=lambda decision: (decision.left, decision.right))
        values = [
            {
                "collection": collection,
                "left": min(decision.left, decision.right),
                "right": max(decision.left, decision.right),
                "reason": decision.reason,
                "score": decision.score,
            }
            for decision in ordered
            if decision.left != decision.right
        ]
        many(connection, SAVE_MERGE, values)
