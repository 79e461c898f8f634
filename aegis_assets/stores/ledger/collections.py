"""Collections of the ledger: their names, and the schema that extraction keeps to."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.errors import NotFound
from aegis_assets.model import ids
from aegis_assets.model.extraction import Schema
from aegis_assets.model.ledger import CollectionRow
from aegis_assets.stores.ledger.base import Base, Connection, one, reads, rows
from aegis_assets.stores.ledger.naming import collection_name

# Cost: one collection, or all that there are, which is few.
COLLECTION: Final = """
SELECT id, name, entity_types, relation_types, prompt, model, pairs FROM aegis_collection WHERE id = %(collection)s"""
COLLECTIONS: Final = "SELECT id, name, entity_types, relation_types, prompt, model, pairs FROM aegis_collection ORDER BY name"
ADD_COLLECTION: Final = "INSERT INTO aegis_collection (id, name) VALUES (%(id)s, %(name)s) ON CONFLICT DO NOTHING"


class Collections(Base):
    @reads
    def collection(self, connection: Connection, collection: UUID) -> CollectionRow:
        """Raises NotFound."""
        row = one(connection, COLLECTION, collection=collection)
        if row is None:
            raise NotFound(f"There is no collection {collection}.")
        return _collection(row)

    @reads
    def collections(self, connection: Connection) -> list[CollectionRow]:
        """Return all collections by name."""
        return [_collection(row) for row in rows(connection, COLLECTIONS)]


def add_collection(connection: Connection, name: str) -> tuple[UUID, bool]:
    """Return the collection's id, and whether it was made because it was not there. Raises BadInput."""
    identity = ids.collection_id(collection_name(name))
    made = connection.execute(ADD_COLLECTION, {"id": identity, "name": name})
    return identity, made.rowcount == 1


def _collection(row: DictRow) -> CollectionRow:
    schema = Schema(
        entity_types=tuple(row["entity_types"]),
        relation_types=tuple(row["relation_types"]),
        prompt=row["prompt"],
        model=row["model"],
        pairs=row["pairs"],
    )
    return CollectionRow(id=row["id"], name=row["name"], schema=schema)
