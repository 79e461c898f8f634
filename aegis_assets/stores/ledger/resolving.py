"""Names of entities, which of them a document's names are compared with, and the recorded reasons why two of them are one.

Merges are the truth and `canonical_id` follows from them when a document that mentions one of the names is published, so a merge
can be undone, and stays undone whoever finds it again. A name remembers by which rules it was compared, in the transaction that
saves its merges, so that a retry or a revision compares only names that are new.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.pipeline.blocking import MAX_BLOCK, SPELLING
from aegis_assets.pipeline.comparison import Block, Neighbourhood
from aegis_assets.pipeline.matching import EntityName, MergeDecision
from aegis_assets.stores.ledger.base import Base, Connection, reads, rows, writes
from aegis_assets.stores.ledger.canonical import name_of
from aegis_assets.stores.ledger.crowding import USABLE_KEY, close_keys, reopen_keys
from aegis_assets.stores.ledger.evidence import regroup
from aegis_assets.stores.ledger.fence import lock_name

# Cost: the documents' mentions. As an array, because the planner would join a subquery by reading all entities.
NAMES: Final = """
SELECT id, resolved = %(rules)s AS compared FROM aegis_entity
WHERE collection_id = %(collection)s AND id = ANY(ARRAY(
    SELECT DISTINCT m.entity_id FROM aegis_document d
    JOIN aegis_placement p ON p.generation_id = coalesce(d.making_id, d.live_id)
    JOIN aegis_mention m ON m.chunk_id = p.chunk_id WHERE d.id = ANY(%(documents)s)))
ORDER BY id"""
# Of compared names only the keys that were crowded: they may be so no longer. Nothing of a crowded key is sent, save of spellings.
# Cost: the names' keys, at most MAX_BLOCKS each, times the bound.
NEIGHBOURS: Final = """
SELECT k.key, k.fresh, k.crowded, cardinality(b.names) AS size,
    CASE WHEN cardinality(b.names) <= %(bound)s OR k.key LIKE '=%%' THEN b.names ELSE '{}' END AS names
FROM (
    SELECT n.key, n.fresh, EXISTS (
        SELECT 1 FROM aegis_crowded_block c WHERE c.collection_id = %(collection)s AND c.key = n.key) AS crowded
    FROM (
        SELECT own.key, coalesce(array_agg(w.id) FILTER (WHERE NOT w.compared), '{}') AS fresh
        FROM unnest(%(ids)s::uuid[], %(compared)s::bool[]) AS w(id, compared)
        JOIN aegis_entity_block own ON own.entity_id = w.id GROUP BY own.key) n
) k CROSS JOIN LATERAL (
    SELECT array_agg(m.entity_id) AS names FROM (
        SELECT entity_id FROM aegis_entity_block WHERE collection_id = %(collection)s AND key = k.key
        ORDER BY entity_id LIMIT %(bound)s + 1) m
) b
WHERE (k.crowded OR cardinality(k.fresh) > 0) AND (k.crowded OR cardinality(b.names) > 1)"""
# Cost: the ids given.
ENTITIES: Final = "SELECT id, type, name, normalised FROM aegis_entity WHERE id = ANY(%(ids)s)"
# Cost: the decisions. A pair whose keys have all become crowded meanwhile, or of which a name is gone, has no key.
SAVE_MERGES: Final = f"""
INSERT INTO aegis_merge (collection_id, left_id, right_id, reason, score, block)
SELECT %(collection)s, w.left_id, w.right_id, w.reason, w.score, usable.key
FROM unnest(%(lefts)s::uuid[], %(rights)s::uuid[], %(reasons)s::text[], %(scores)s::float[])
    AS w(left_id, right_id, reason, score) CROSS JOIN LATERAL {USABLE_KEY} AS usable(key)
WHERE usable.key IS NOT NULL ON CONFLICT (left_id, right_id) DO NOTHING RETURNING left_id, right_id"""
# Cost: the names given.
SET_RESOLVED: Final = "UPDATE aegis_entity SET resolved = %(rules)s WHERE id = ANY(%(ids)s)"

ENTITIES_PER_QUERY: Final = 10_000


class Resolving(Base):
    @reads
    def names_of(self, connection: Connection, collection: UUID, documents: Sequence[UUID], rules: str) -> dict[UUID, bool]:
        """Return all names that the documents' present generations mention -> whether they were compared by these rules."""
        found = rows(connection, NAMES, collection=collection, documents=list(documents), rules=rules)
        return {row["id"]: row["compared"] for row in found}

    @reads
    def neighbourhood(
        self, connection: Connection, collection: UUID, names: Mapping[UUID, bool], bound: int = MAX_BLOCK
    ) -> Neighbourhood:
        """Return what the names that were not compared yet are to be compared with. names: as from `names_of`, some or all.

        A key that was crowded and is so no longer comes with all its names as fresh ones.
        """
        given = {"ids": list(names), "compared": list(names.values()), "bound": bound}
        keys = rows(connection, NEIGHBOURS, collection=collection, **given)
        wanted = {id for row in keys if row["names"] for id in (*row["names"], *row["fresh"])}
        entities = {name.id: name for name in _entities(connection, sorted(wanted))}
        return Neighbourhood(
            fresh=frozenset(id for id, compared in names.items() if not compared),
            blocks=tuple(block for row in keys if (block := _block(row, entities, bound)) is not None),
            crowded=frozenset(row["key"] for row in keys if row["size"] > bound and not row["crowded"]),
        )

    @writes
    def save_merges(
        self,
        connection: Connection,
        collection: UUID,
        decisions: Sequence[MergeDecision],
        compared: Neighbourhood,
        rules: str,
        bound: int = MAX_BLOCK,
    ) -> None:
        """Record the decisions on a neighbourhood, and that its fresh names were compared by these rules.

        A pair that is known keeps its first reason; one that was undone stays so. Merges by keys that are crowded are dissolved.
        """
        lock_name(connection, f"canonical:{collection}")
        moved = close_keys(connection, collection, compared.crowded)
        reopen_keys(connection, collection, compared.reopened, bound)
        values = {
            "lefts": [decision.left for decision in decisions],
            "rights": [decision.right for decision in decisions],
            "reasons": [decision.reason for decision in decisions],
            "scores": [decision.score for decision in decisions],
        }
        for row in rows(connection, SAVE_MERGES, collection=collection, **values) if decisions else ():
            if not compared.fresh & {row["left_id"], row["right_id"]}:
                moved |= {row["left_id"], row["right_id"]}  # by a reopened key, and of no document that is published next
        connection.execute(SET_RESOLVED, {"rules": rules, "ids": sorted(compared.fresh)})
        if moved:
            regroup(connection, collection, sorted(moved))


def _entities(connection: Connection, ids: Sequence[UUID]) -> Iterator[EntityName]:
    for start in range(0, len(ids), ENTITIES_PER_QUERY):
        yield from map(name_of, rows(connection, ENTITIES, ids=ids[start : start + ENTITIES_PER_QUERY]))


def _block(row: DictRow, entities: Mapping[UUID, EntityName], bound: int) -> Block | None:
    """Return None for a key by which nothing is compared. Of too many spellings the first are enough: all of them are one."""
    full = row["size"] > bound
    if full and not (row["fresh"] and row["key"].startswith(SPELLING)):
        return None
    reopened = row["crowded"] and not full
    names = dict.fromkeys((*row["names"], *row["fresh"]))
    there = [id for id in names if id in entities]
    return Block(
        key=row["key"],
        names=tuple(entities[id] for id in there),
        fresh=frozenset(there if reopened else set(there) & set(row["fresh"])),
        reopened=reopened,
    )
