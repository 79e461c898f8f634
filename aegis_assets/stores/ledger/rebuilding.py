"""Reads of the ledger for a rebuild of the graph: pages of a collection's documents, entities and relations, in id order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, LiteralString
from uuid import UUID

from aegis_assets.model.graph import Triple
from aegis_assets.model.ids import relation_id
from aegis_assets.model.outbox import Key, Kind
from aegis_assets.stores.ledger.base import Base, Connection, one, reads, rows, writes
from aegis_assets.stores.ledger.evidence import changing

FIRST: Final = UUID(int=0)

# Cost: a scan of the collection's documents.
PUBLISHED: Final = """
SELECT d.id FROM aegis_document d
WHERE d.collection_id = %(collection)s AND d.live_id IS NOT NULL AND d.id > %(after)s ORDER BY d.id LIMIT %(limit)s"""
# Cost of these five: the page.
ENTITIES: Final = """
SELECT id FROM aegis_graph_entity WHERE collection_id = %(collection)s AND id > %(after)s ORDER BY id LIMIT %(limit)s"""
RELATIONS: Final = """
SELECT id FROM aegis_graph_relation WHERE collection_id = %(collection)s AND id > %(after)s ORDER BY id LIMIT %(limit)s"""
CHUNKS: Final = """
SELECT p.chunk_id AS id FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id
WHERE d.id = ANY(%(documents)s)"""
KNOWN_ENTITIES: Final = "SELECT id FROM aegis_graph_entity WHERE id = ANY(%(ids)s)"
ENDS: Final = "SELECT id, source_id AS source, type, target_id AS target FROM aegis_graph_relation WHERE id = ANY(%(ids)s)"
# Cost: the collection. It is asked once.
SIZES: Final = """
SELECT (SELECT count(*) FROM aegis_document d WHERE d.collection_id = %(collection)s AND d.live_id IS NOT NULL) AS documents,
    (SELECT count(*) FROM aegis_graph_entity e WHERE e.collection_id = %(collection)s) AS entities,
    (SELECT count(*) FROM aegis_graph_relation r WHERE r.collection_id = %(collection)s) AS relations"""


class Rebuilding(Base):
    @reads
    def published_page(self, connection: Connection, collection: UUID, after: UUID | None, limit: int) -> list[UUID]:
        """Return the next documents that have a live generation."""
        return _page(connection, PUBLISHED, collection, after, limit)

    @reads
    def graph_entity_page(self, connection: Connection, collection: UUID, after: UUID | None, limit: int) -> list[UUID]:
        """Return the next entities that the graph has to hold."""
        return _page(connection, ENTITIES, collection, after, limit)

    @reads
    def graph_relation_page(self, connection: Connection, collection: UUID, after: UUID | None, limit: int) -> list[UUID]:
        """Return the next relations that the graph has to hold."""
        return _page(connection, RELATIONS, collection, after, limit)

    @reads
    def stray_entities(self, connection: Connection, entities: Sequence[UUID]) -> set[UUID]:
        """Return those of the entities that the graph must not hold."""
        return set(entities) - {row["id"] for row in rows(connection, KNOWN_ENTITIES, ids=list(entities))}

    @reads
    def stray_relations(self, connection: Connection, relations: Iterable[Triple]) -> set[Triple]:
        """Return those of the relations that the graph must not hold."""
        by_id = {relation_id(*triple): triple for triple in relations}
        known = {row["id"] for row in rows(connection, ENDS, ids=list(by_id))}
        return {triple for id, triple in by_id.items() if id not in known}

    @writes
    def mark_page(self, connection: Connection, collection: UUID, kind: Kind, ids: Sequence[UUID]) -> set[Key]:
        """Let these objects be compared and written. kind CHUNK: the live chunks of these documents. Return what was marked."""
        with changing(connection, collection) as change:
            if kind is Kind.RELATION:
                ends = rows(connection, ENDS, ids=list(ids))
                change.mark_relations((row["source"], row["type"], row["target"]) for row in ends)
            elif kind is Kind.CHUNK:
                change.mark(kind, (row["id"] for row in rows(connection, CHUNKS, documents=list(ids))))
            else:
                change.mark(kind, ids)
        return change.keys

    @writes
    def mark_relations(self, connection: Connection, collection: UUID, relations: Iterable[Triple]) -> set[Key]:
        """Let these relations be compared and written. Return what was marked."""
        with changing(connection, collection) as change:
            change.mark_relations(relations)
        return change.keys

    @reads
    def sizes(self, connection: Connection, collection: UUID) -> tuple[int, int, int]:
        """Return how many documents have a live generation, and how many entities and relations the graph has to hold."""
        row = one(connection, SIZES, collection=collection)
        return (int(row["documents"]), int(row["entities"]), int(row["relations"])) if row else (0, 0, 0)


def _page(connection: Connection, query: LiteralString, collection: UUID, after: UUID | None, limit: int) -> list[UUID]:
    return [row["id"] for row in rows(connection, query, collection=collection, after=after or FIRST, limit=limit)]
