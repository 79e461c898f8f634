"""A snapshot of what a running stack's stores hold of one collection, by id, to compare what a disturbed run left."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final
from unittest.mock import patch
from uuid import UUID

from aegis_assets.model.ids import collection_id
from aegis_assets.pipeline.ports import Bucket
from aegis_assets.settings import load
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.bucket import open_bucket
from aegis_assets.stores.vectors import QdrantVectors
from bench.harness import Stack

Held = dict[str, set[str]]

# All of them grow with the collection, which is one document here.
LEDGER: Final[Mapping[str, str]] = {
    "documents": "SELECT id::text AS key FROM aegis_document WHERE collection_id = %(collection)s",
    "chunks": """
SELECT c.id::text AS key FROM aegis_chunk c JOIN aegis_document d ON d.id = c.document_id WHERE d.collection_id = %(collection)s""",
    "live chunks": """
SELECT p.chunk_id::text AS key FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id
WHERE d.collection_id = %(collection)s""",
    "names": "SELECT concat_ws(' ', id, canonical_id) AS key FROM aegis_entity WHERE collection_id = %(collection)s",
    "mentions": """
SELECT concat_ws(' ', m.chunk_id, m.entity_id, m.start) AS key
FROM aegis_mention m JOIN aegis_document d ON d.id = m.document_id WHERE d.collection_id = %(collection)s""",
    "statements": """
SELECT concat_ws(' ', r.chunk_id, r.source_id, r.type, r.target_id) AS key
FROM aegis_relation r JOIN aegis_document d ON d.id = r.document_id WHERE d.collection_id = %(collection)s""",
    "entities": "SELECT concat_ws(' ', id, chunks, documents) AS key FROM aegis_graph_entity WHERE collection_id = %(collection)s",
    "relations": """
SELECT concat_ws(' ', id, chunks, documents) AS key FROM aegis_graph_relation WHERE collection_id = %(collection)s""",
    "outbox": "SELECT concat_ws(' ', kind, key) AS key FROM aegis_outbox WHERE collection_id = %(collection)s",
}
GRAPH: Final[Mapping[str, str]] = {
    "graph documents": "MATCH (n:Document {collection: $collection}) RETURN n.key AS key",
    "graph chunks": "MATCH (n:Chunk {collection: $collection}) RETURN n.key AS key",
    "graph entities": "MATCH (n:Entity {collection: $collection}) RETURN n.key + ' ' + n.name + ' ' + toString(n.chunks) AS key",
    "graph evidence": "MATCH (e:Entity {collection: $collection})-[:FROM_CHUNK]->(c:Chunk) RETURN e.key + ' ' + c.key AS key",
    "graph relations": """
MATCH (e:Entity {collection: $collection})-[r:RELATES_TO]->(:Entity)
RETURN r.key + ' ' + toString(r.chunks) + ' ' + toString(r.documents) AS key""",
}
FILES: Final = ("blobs", "artifacts", "descriptions")


@dataclass(frozen=True)
class Stores:
    """The stores of a running stack."""

    stack: Stack
    vectors: QdrantVectors
    bolt: Bolt
    bucket: Bucket

    def of(self, collection: str) -> Held:
        """Return the ids in every store, by what they are of. Files are those of all collections."""
        scope = collection_id(collection)
        rows = {name: self.stack.rows(query, collection=scope) for name, query in LEDGER.items()}
        rows |= {name: self.bolt.query(query, collection=str(scope)) for name, query in GRAPH.items()}
        return {
            **{name: {row["key"] for row in found} for name, found in rows.items()},
            "vectors": self._points(scope),
            "files": {key for root in FILES for key in self.bucket.keys(root)},
        }

    def _points(self, scope: UUID) -> set[str]:
        documents = sorted(self.vectors.documents(scope))
        return {str(chunk) for chunks in self.vectors.chunks_of(scope, documents).values() for chunk in chunks}


@contextmanager
def stores(stack: Stack) -> Iterator[Stores]:
    with patch.dict(os.environ, stack.environment):
        settings = load()
    bolt = Bolt(settings.graph_address, settings.neo4j_user, settings.neo4j_password.get_secret_value())
    with closing(bolt):
        yield Stores(stack, QdrantVectors.from_settings(settings), bolt, open_bucket(settings.bucket_address, settings))


def differing(found: Held, wanted: Held) -> list[str]:
    return [name for name in wanted if found[name] != wanted[name]]


def nothing(like: Held) -> Held:
    return {name: set() for name in like}
