"""Names of entities and the recorded reasons why two of them are one; from these, who is canonical.

Merges are the truth and `canonical_id` follows from them when a document that mentions one of the names is published, so a merge
can be undone, and stays undone whoever finds it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.pipeline.resolve import EntityName, MergeDecision, Reason, blocks, components
from aegis_assets.stores.ledger.base import Base, Connection, lock_name, many, reads, rows, writes

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
# Both what a chain of merges connects now and what was connected before: a group that fell apart must be seen whole.
CLOSURE: Final = """
WITH RECURSIVE joined(id) AS (
    SELECT id FROM aegis_entity WHERE id = ANY(%(entities)s) AND collection_id = %(collection)s
    UNION
    SELECT near.id FROM joined j CROSS JOIN LATERAL (
        SELECT right_id AS id FROM aegis_merge WHERE left_id = j.id AND NOT undone
        UNION ALL SELECT left_id FROM aegis_merge WHERE right_id = j.id AND NOT undone
        UNION ALL SELECT id FROM aegis_entity WHERE canonical_id = j.id
        UNION ALL SELECT canonical_id FROM aegis_entity WHERE id = j.id) near
)
SELECT e.id, e.type, e.name, e.normalised, e.canonical_id FROM joined j JOIN aegis_entity e ON e.id = j.id ORDER BY e.id"""
MERGES: Final = """
SELECT left_id, right_id, reason, score FROM aegis_merge
WHERE left_id = ANY(%(entities)s) AND right_id = ANY(%(entities)s) AND NOT undone"""
APART: Final = """
SELECT left_id, right_id FROM aegis_merge
WHERE left_id = ANY(%(entities)s) AND right_id = ANY(%(entities)s) AND undone"""
SET_CANONICAL: Final = """
UPDATE aegis_entity e SET canonical_id = fresh.canonical
FROM unnest(%(ids)s::uuid[], %(canonicals)s::uuid[]) AS fresh(id, canonical) WHERE e.id = fresh.id"""

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


def recompute(connection: Connection, collection: UUID, entities: Sequence[UUID]) -> set[UUID]:
    """Follow the merges from these entities on. Gives those that are stood for by another now, and the one that did before.

    In the transaction that corrects the graph: whatever the names stood for, ledger and graph say the same of them.
    """
    lock_name(connection, f"canonical:{collection}")
    found = rows(connection, CLOSURE, entities=list(entities), collection=collection)
    names = {row["id"]: name_of(row) for row in found}
    edges = [edge_of(row) for row in rows(connection, MERGES, entities=list(names))]
    apart = [(row["left_id"], row["right_id"]) for row in rows(connection, APART, entities=list(names))]
    canonical = components(names, edges, names, apart)
    changed = [row for row in found if canonical[row["id"]] != row["canonical_id"]]
    if changed:
        ids = [row["id"] for row in changed]
        connection.execute(SET_CANONICAL, {"ids": ids, "canonicals": [canonical[one] for one in ids]})
    return {one for row in changed for one in (row["id"], row["canonical_id"])}


def edge_of(row: DictRow) -> MergeDecision | tuple[UUID, UUID]:
    """A reason that resolve does not know was given by a person, and is certain."""
    if row["reason"] not in get_args(Reason):
        return (row["left_id"], row["right_id"])
    return MergeDecision(row["left_id"], row["right_id"], row["reason"], row["score"])


def name_of(row: DictRow) -> EntityName:
    return EntityName(id=row["id"], type=row["type"], name=row["name"], normalised=row["normalised"])
