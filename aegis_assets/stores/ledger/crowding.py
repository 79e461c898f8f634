"""Keys that too many names share: when one becomes crowded, what was merged by it alone is dissolved.

So the merges follow from the names that there are, and not from the order in which they came. Everything here runs under the lock
`canonical:<collection>`, and a key counts as usable unless it has a row in aegis_crowded_block: a merge that is saved after the row
is refused, one that was saved before is dissolved with it. Whoever adds a name to a key resolves that name afterwards, counts, and
writes the row.

Trade-off: a key that has lost names is used again when a document with one of the others is resolved, not at once.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from aegis_assets.stores.ledger.base import Connection, rows

# A key by which two names may be compared, none if there is no such. Names of one spelling (=) stay one, however many there are.
# Cost: the keys of two names, at most MAX_BLOCKS each.
USABLE_KEY: Final = """(
SELECT min(l.key) FROM aegis_entity_block l JOIN aegis_entity_block r ON r.collection_id = l.collection_id AND r.key = l.key
WHERE l.collection_id = %(collection)s AND l.entity_id = w.left_id AND r.entity_id = w.right_id
  AND (l.key LIKE '=%%' OR NOT EXISTS (
    SELECT 1 FROM aegis_crowded_block c WHERE c.collection_id = l.collection_id AND c.key = l.key)))"""
# Cost: the keys given. One whose last name has gone meanwhile is left out: nothing would take its row away.
CLOSE: Final = """
INSERT INTO aegis_crowded_block (collection_id, key)
SELECT %(collection)s, w.key FROM unnest(%(keys)s::text[]) AS w(key)
WHERE EXISTS (SELECT 1 FROM aegis_entity_block b WHERE b.collection_id = %(collection)s AND b.key = w.key)
ON CONFLICT (collection_id, key) DO NOTHING RETURNING key"""
# Cost: the merges made by the keys, at most half the bound's square each. What a person decided has no key.
# By arrays of ids: a join with the table that is written read all of it.
DISSOLVE: Final = f"""
WITH through AS (
    SELECT w.id, {USABLE_KEY} AS block FROM aegis_merge w
    WHERE w.collection_id = %(collection)s AND w.block = ANY(%(keys)s) AND w.block <> '' AND NOT w.undone
), kept AS (
    UPDATE aegis_merge w SET block = {USABLE_KEY} WHERE w.id = ANY(ARRAY(SELECT id FROM through WHERE block IS NOT NULL))
)
DELETE FROM aegis_merge WHERE id = ANY(ARRAY(SELECT id FROM through WHERE block IS NULL)) RETURNING left_id, right_id"""
# Cost: the bound, for each key given.
REOPEN: Final = """
DELETE FROM aegis_crowded_block c WHERE c.collection_id = %(collection)s AND c.key = ANY(%(keys)s) AND NOT EXISTS (
    SELECT 1 FROM aegis_entity_block b WHERE b.collection_id = c.collection_id AND b.key = c.key
    ORDER BY b.entity_id OFFSET %(bound)s LIMIT 1)"""
# The rows that go with entities: the keys, and that a key is crowded where no other name has it.
# Cost: the keys of the entities; for a crowded one, those of its names that go and one more.
DROP_BLOCKS: Final = """
WITH gone AS (DELETE FROM aegis_entity_block WHERE entity_id = ANY(%(ids)s) RETURNING collection_id, key)
DELETE FROM aegis_crowded_block c USING (SELECT DISTINCT collection_id, key FROM gone) g
WHERE c.collection_id = g.collection_id AND c.key = g.key AND NOT EXISTS (
    SELECT 1 FROM aegis_entity_block b
    WHERE b.collection_id = g.collection_id AND b.key = g.key AND b.entity_id <> ALL(%(ids)s))"""


def close_keys(connection: Connection, collection: UUID, keys: Collection[str]) -> set[UUID]:
    """Compare no names by these keys any more. Return the names that lose a merge, once: a second call finds the keys closed."""
    if not keys:
        return set()
    closed = [row["key"] for row in rows(connection, CLOSE, collection=collection, keys=sorted(keys))]
    if not closed:
        return set()
    dissolved = rows(connection, DISSOLVE, collection=collection, keys=closed)
    return {id for row in dissolved for id in (row["left_id"], row["right_id"])}


def reopen_keys(connection: Connection, collection: UUID, keys: Collection[str], bound: int) -> None:
    """Use keys again that no more than `bound` names have now. All their names must have been compared with each other."""
    if keys:
        connection.execute(REOPEN, {"collection": collection, "keys": sorted(keys), "bound": bound})
