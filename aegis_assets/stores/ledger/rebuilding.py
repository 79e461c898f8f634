"""What a rebuild of the graph reads from the ledger: pages of a collection's documents and entities, in the order of their ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from aegis_assets.pipeline.publish import Target
from aegis_assets.stores.ledger.base import Base, Connection, one, reads, rows

FIRST: Final = UUID(int=0)

PUBLISHED: Final = """
SELECT d.id FROM aegis_document d
WHERE d.collection_id = %(collection)s AND d.live_id IS NOT NULL AND d.id > %(after)s ORDER BY d.id LIMIT %(limit)s"""
LIVE: Final = """
SELECT d.id AS document, d.collection_id AS collection, d.name, g.id AS generation, g.number
FROM aegis_document d JOIN aegis_generation g ON g.id = d.live_id WHERE d.id = ANY(%(documents)s) ORDER BY d.id"""
CANONICAL_PAGE: Final = """
SELECT e.id FROM aegis_entity e
WHERE e.collection_id = %(collection)s AND e.canonical_id = e.id AND e.id > %(after)s ORDER BY e.id LIMIT %(limit)s"""
SIZES: Final = """
SELECT (SELECT count(*) FROM aegis_document d WHERE d.collection_id = %(collection)s AND d.live_id IS NOT NULL) AS documents,
    (SELECT count(*) FROM aegis_entity e WHERE e.collection_id = %(collection)s AND e.canonical_id = e.id) AS entities"""


class Rebuilding(Base):
    """A page costs at most a scan of the collection's rows; `sizes` costs one and is asked once."""

    @reads
    def published_page(self, connection: Connection, collection: UUID, after: UUID | None, limit: int) -> list[UUID]:
        """Return the next documents that have a live generation."""
        asked = {"collection": collection, "after": after or FIRST, "limit": limit}
        return [row["id"] for row in rows(connection, PUBLISHED, **asked)]

    @reads
    def live_targets(self, connection: Connection, documents: Sequence[UUID]) -> list[Target]:
        """Return the live generations of the documents that have one."""
        return [Target.model_validate(row) for row in rows(connection, LIVE, documents=list(documents))]

    @reads
    def canonical_page(self, connection: Connection, collection: UUID, after: UUID | None, limit: int) -> list[UUID]:
        """Return the next entities that stand for themselves."""
        asked = {"collection": collection, "after": after or FIRST, "limit": limit}
        return [row["id"] for row in rows(connection, CANONICAL_PAGE, **asked)]

    @reads
    def sizes(self, connection: Connection, collection: UUID) -> tuple[int, int]:
        """Return how many documents have a live generation, and how many entities stand for themselves."""
        row = one(connection, SIZES, collection=collection)
        return (int(row["documents"]), int(row["entities"])) if row else (0, 0)
