"""Chunks that go -> the rows that go with them, and what of the graph that changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from aegis_assets.pipeline.publish import Dropped, Triple
from aegis_assets.stores.ledger.base import Connection, lock_name, rows
from aegis_assets.stores.ledger.canonical import recompute
from aegis_assets.stores.ledger.graph_facts import NAMES, TRIPLES

NAMED: Final = f"{NAMES} WHERE m.chunk_id = ANY(%(ids)s)"
SAID: Final = f"{TRIPLES} AND r.chunk_id = ANY(%(ids)s)"
DROP_CHUNKS: Final = (
    "DELETE FROM aegis_relation WHERE chunk_id = ANY(%(ids)s)",
    "DELETE FROM aegis_mention WHERE chunk_id = ANY(%(ids)s)",
    "DELETE FROM aegis_chunk_task WHERE chunk_id = ANY(%(ids)s)",
    "DELETE FROM aegis_failure WHERE chunk_id = ANY(%(ids)s)",
    "DELETE FROM aegis_embedding WHERE chunk_id = ANY(%(ids)s)",
    "DELETE FROM aegis_chunk WHERE id = ANY(%(ids)s)",
)
# The cache outlives a chunk only while another document has the same text: it holds what stood in the text.
DROP_CACHE: Final = """
DELETE FROM aegis_extraction x WHERE x.text_hash = ANY(%(hashes)s)
AND NOT EXISTS (SELECT 1 FROM aegis_chunk c WHERE c.text_hash = x.text_hash)"""

HOLD_ENTITIES: Final = "SELECT id FROM aegis_entity WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE"
# What a person said of two names waits for their return, unless their document is removed.
UNNAMED: Final = """
SELECT e.id FROM aegis_entity e
WHERE e.id = ANY(%(ids)s) AND NOT EXISTS (SELECT 1 FROM aegis_mention m WHERE m.entity_id = e.id)
  AND NOT EXISTS (SELECT 1 FROM aegis_relation r WHERE e.id IN (r.source_id, r.target_id))
  AND (%(forget)s OR NOT EXISTS (
    SELECT 1 FROM aegis_merge g WHERE (g.undone OR g.reason = 'person') AND e.id IN (g.left_id, g.right_id)))"""
UNNAMED_OF_ALL: Final = """
SELECT e.id FROM aegis_entity e
WHERE e.collection_id = %(collection)s AND NOT EXISTS (SELECT 1 FROM aegis_mention m WHERE m.entity_id = e.id)"""
GROUP: Final = """
SELECT id FROM aegis_entity
WHERE canonical_id IN (SELECT canonical_id FROM aegis_entity WHERE id = ANY(%(ids)s) UNION ALL SELECT unnest(%(ids)s::uuid[]))
  AND id <> ALL(%(ids)s)"""
DROP_ENTITIES: Final = (
    "DELETE FROM aegis_merge WHERE left_id = ANY(%(ids)s) OR right_id = ANY(%(ids)s)",
    "DELETE FROM aegis_entity WHERE id = ANY(%(ids)s)",
)


def drop(connection: Connection, collection: UUID, chunks: Sequence[dict[str, object]], *, forget: bool) -> Dropped:
    """Chunks with all that hangs on them, and the entities that nothing names any more. forget: what a person said of them too."""
    if not chunks and not forget:
        return Dropped(entities=frozenset(), triples=frozenset(), moved=frozenset())
    ids = [row["id"] for row in chunks]
    named = rows(connection, NAMED, ids=ids)
    triples: set[Triple] = {(row["source"], row["type"], row["target"]) for row in rows(connection, SAID, ids=ids)}
    for statement in DROP_CHUNKS:
        connection.execute(statement, {"ids": ids})
    connection.execute(DROP_CACHE, {"hashes": [row["text_hash"] for row in chunks]})
    own = {row["id"] for row in named}
    # Before the entities' rows: who recomputes canonical names takes the two in this order.
    lock_name(connection, f"canonical:{collection}")
    gone = _unnamed(connection, own, forget=forget)
    if forget:
        gone |= _unnamed(connection, {row["id"] for row in rows(connection, UNNAMED_OF_ALL, collection=collection)}, forget=False)
    moved: set[UUID] = set()
    if gone:
        left = [row["id"] for row in rows(connection, GROUP, ids=list(gone))]
        for statement in DROP_ENTITIES:
            connection.execute(statement, {"ids": list(gone)})
        moved = recompute(connection, collection, left)
    entities = own | gone | {row["canonical"] for row in named}
    return Dropped(entities=frozenset(entities), triples=frozenset(triples), moved=frozenset(moved | gone))


def _unnamed(connection: Connection, entities: set[UUID], *, forget: bool) -> set[UUID]:
    """Held first: a name that someone is mentioning just now is waited for, and then it is named."""
    rows(connection, HOLD_ENTITIES, ids=list(entities))
    return {row["id"] for row in rows(connection, UNNAMED, ids=list(entities), forget=forget)}
