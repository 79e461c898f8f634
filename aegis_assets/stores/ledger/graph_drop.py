"""Chunks that go -> the rows that go with them, and the names that nothing mentions any more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from aegis_assets.stores.ledger.base import Connection, rows
from aegis_assets.stores.ledger.crowding import DROP_BLOCKS
from aegis_assets.stores.ledger.evidence import Change

# Cost of these nine: the chunks that go, and what they say.
NAMED: Final = "SELECT DISTINCT entity_id AS id FROM aegis_mention WHERE chunk_id = ANY(%(ids)s)"
DROP_CHUNKS: Final = (
    "DELETE FROM aegis_relation WHERE chunk_id = ANY(%(ids)s)",
    "DELETE FROM aegis_mention WHERE chunk_id = ANY(%(ids)s)",
    "DELETE FROM aegis_chunk_task WHERE chunk_id = ANY(%(ids)s)",
    "DELETE FROM aegis_failure WHERE chunk_id = ANY(%(ids)s)",
    """WITH lost AS (
        DELETE FROM aegis_description_source s USING aegis_chunk c
        WHERE c.id = ANY(%(ids)s) AND s.document_id = c.document_id AND s.chunk_id = c.id RETURNING s.entity_id)
    UPDATE aegis_description x SET text = '', asked = 0 FROM lost WHERE x.entity_id = lost.entity_id""",
    """DELETE FROM aegis_description x USING aegis_chunk c
    WHERE c.id = ANY(%(ids)s) AND x.document_id = c.document_id AND x.chunk_id = c.id""",
    "DELETE FROM aegis_embedding WHERE chunk_id = ANY(%(ids)s)",
    "DELETE FROM aegis_chunk WHERE id = ANY(%(ids)s)",
)
# The cache outlives a chunk only while another document has the same text: it holds what stood in the text.
# Cost: the texts that go.
DROP_CACHE: Final = """
DELETE FROM aegis_extraction x WHERE x.text_hash = ANY(%(hashes)s)
AND NOT EXISTS (SELECT 1 FROM aegis_chunk c WHERE c.text_hash = x.text_hash)"""

# What a person said of two names waits for their return, unless their document is removed.
# Cost: the names given, and their merges.
UNNAMED: Final = """
SELECT e.id FROM aegis_entity e
WHERE e.id = ANY(%(ids)s) AND NOT EXISTS (SELECT 1 FROM aegis_mention m WHERE m.entity_id = e.id)
  AND NOT EXISTS (SELECT 1 FROM aegis_relation r WHERE r.source_id = e.id)
  AND NOT EXISTS (SELECT 1 FROM aegis_relation r WHERE r.target_id = e.id)
  AND (%(forget)s OR NOT (
    EXISTS (SELECT 1 FROM aegis_merge g WHERE g.left_id = e.id AND (g.undone OR g.reason = 'person'))
    OR EXISTS (SELECT 1 FROM aegis_merge g WHERE g.right_id = e.id AND (g.undone OR g.reason = 'person'))))"""
# Cost of these five: the names that go, their merges and their groups.
HOLD: Final = "SELECT id FROM aegis_entity WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE"
PARTNERS: Final = """
SELECT right_id AS id FROM aegis_merge WHERE left_id = ANY(%(ids)s)
UNION SELECT left_id FROM aegis_merge WHERE right_id = ANY(%(ids)s)"""
GROUP: Final = """
SELECT id FROM aegis_entity WHERE id <> ALL(%(ids)s) AND canonical_id = ANY(ARRAY(
    SELECT canonical_id FROM aegis_entity WHERE id = ANY(%(ids)s) UNION SELECT unnest(%(ids)s::uuid[])))"""
DROP_ENTITIES: Final = (
    "DELETE FROM aegis_merge WHERE left_id = ANY(%(ids)s)",
    "DELETE FROM aegis_merge WHERE right_id = ANY(%(ids)s)",
    DROP_BLOCKS,
    "DELETE FROM aegis_entity WHERE id = ANY(%(ids)s)",
)


def drop_chunks(connection: Connection, chunks: Sequence[dict[str, object]]) -> set[UUID]:
    """Delete chunks that no live generation has, with all that hangs on them. Return the names that they mentioned."""
    ids = [row["id"] for row in chunks]
    names = {row["id"] for row in rows(connection, NAMED, ids=ids)}
    for statement in DROP_CHUNKS:
        connection.execute(statement, {"ids": ids})
    connection.execute(DROP_CACHE, {"hashes": [row["text_hash"] for row in chunks]})
    return names


def drop_unnamed(connection: Connection, change: Change, names: Collection[UUID], *, forget: bool = False) -> None:
    """Delete those of the names that nothing mentions any more. forget: also where a person decided about them, and then those too
    that only waited for a decision about one of these."""
    while gone := _unnamed(connection, names, forget=forget):
        partners = {row["id"] for row in rows(connection, PARTNERS, ids=gone)} if forget else set()
        group = [row["id"] for row in rows(connection, GROUP, ids=gone)]
        for statement in DROP_ENTITIES:
            connection.execute(statement, {"ids": gone})
        change.regroup(group)
        names, forget = partners.difference(gone), False


def _unnamed(connection: Connection, names: Collection[UUID], *, forget: bool) -> list[UUID]:
    """Return them, held: a name that is being mentioned just now is waited for, and then it is named."""
    found = [row["id"] for row in rows(connection, UNNAMED, ids=list(names), forget=forget)] if names else []
    if not found:
        return []
    rows(connection, HOLD, ids=found)
    return [row["id"] for row in rows(connection, UNNAMED, ids=found, forget=forget)]
