"""Read what the knowledge graph holds, for those who compare it with the ledger or write it anew.

Who reads here decides by it what to write: so these reads ask the leader of a cluster (`Bolt.run`); a follower may not have what
another process wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from aegis_assets.errors import Misconfigured
from aegis_assets.model.graph import GraphServer, Triple
from aegis_assets.stores import cypher, graph_rows
from aegis_assets.stores.bolt import Bolt, Statement
from aegis_assets.stores.graph_rows import batches, keyed, texts


class GraphContents:
    """The reading half of `BoltGraph`."""

    def __init__(self, bolt: Bolt, *, typed: bool, searchable: bool) -> None:
        self._bolt = bolt
        self._typed, self._searchable = typed, searchable
        self._server: GraphServer | None = None

    def server(self) -> GraphServer:
        """Return which server this is, asked once."""
        server = self._server  # no lock: threads that ask at the same time get the same answer
        if server is None:
            server = self._server = self._bolt.server()
        return server

    def entity_counts(self, collection: UUID, documents: Sequence[UUID]) -> dict[UUID, int]:
        """Return how many entities have evidence in the chunks of each document."""
        asked = {"collection": str(collection), "documents": texts(documents)}
        counted = {row["document"]: int(row["n"]) for row in self._bolt.run((cypher.COUNT_ENTITIES, asked))}
        return {document: counted.get(str(document), 0) for document in documents}

    def entities_held(self, collection: UUID, entities: Collection[UUID]) -> dict[UUID, int]:
        """Return how many chunks each entity counts, of those that are there."""
        held: dict[UUID, int] = {}
        for batch in batches(entities):
            rows = self._bolt.run((cypher.ENTITIES_HELD, {"keys": [keyed(collection, entity) for entity in batch]}))
            held.update((UUID(row["id"]), graph_rows.counter(row["chunks"])) for row in rows)
        return held

    def relations_held(self, collection: UUID, relations: Mapping[UUID, Triple]) -> dict[UUID, tuple[int, int]]:
        """Return by its id how many chunks and documents each relation counts, of those that are there. relations: likewise."""
        held: dict[UUID, tuple[int, int]] = {}
        for batch in batches(relations.items()):
            statement = self._of_relations(cypher.RELATIONS_HELD, cypher.RELATIONS_HELD_BETWEEN, collection, batch)
            for row in self._bolt.run(statement):
                held[UUID(row["id"])] = graph_rows.counter(row["chunks"]), graph_rows.counter(row["documents"])
        return held

    def chunk_ids(self, collection: UUID, document: UUID) -> set[UUID]:
        """Return the document's chunks."""
        return self.chunks_of(collection, [document])[document]

    def chunks_of(self, collection: UUID, documents: Sequence[UUID]) -> dict[UUID, set[UUID]]:
        """Return the chunks of each document."""
        chunks: dict[UUID, set[UUID]] = {document: set() for document in documents}
        for row in self._bolt.run((cypher.CHUNK_IDS, {"collection": str(collection), "documents": texts(documents)})):
            chunks[UUID(row["document"])] = {UUID(chunk) for chunk in row["ids"]}
        return chunks

    def entity_ids(self, collection: UUID, *documents: UUID) -> set[UUID]:
        """Return the entities with a chunk of one of the documents as evidence."""
        rows = self._bolt.query(cypher.ENTITY_IDS, collection=str(collection), documents=texts(documents))
        return {UUID(row["id"]) for row in rows}

    def document_page(self, collection: UUID, after: UUID | None, limit: int) -> list[UUID]:
        """Return the next documents of the collection, in the order of their ids."""
        return self._page(cypher.DOCUMENT_PAGE, cypher.ORDERED_DOCUMENT_PAGE, collection, after, limit)

    def entity_page(self, collection: UUID, after: UUID | None, limit: int) -> list[UUID]:
        """Return the next entities of the collection, in the order of their ids."""
        return self._page(cypher.ENTITY_PAGE, cypher.ORDERED_ENTITY_PAGE, collection, after, limit)

    def _page(self, by_index: str, ordered: str, collection: UUID, after: UUID | None, limit: int) -> list[UUID]:
        statement = ordered if self._dynamic() else by_index
        asked = {"after": f"{collection}:{after or ''}", "end": f"{collection};", "limit": limit}
        return [UUID(row["id"]) for row in self._bolt.run((statement, asked))]

    def relation_triples_of(self, collection: UUID, entities: Sequence[UUID]) -> set[Triple]:
        """Return source, type and target of the relations with one of the entities at an end."""
        statement = cypher.TRIPLES_OF_ANY_TYPE if self._dynamic() else cypher.TRIPLES_OF
        triples: set[Triple] = set()
        for batch in batches(entities):
            keys = [keyed(collection, entity) for entity in batch]
            triples |= graph_rows.triples(self._bolt.run((statement, {"keys": keys})))
        return triples

    def _dynamic(self) -> bool:
        """Return whether statements may have labels and relationship types as parameters. Raise Misconfigured if they must."""
        server = self.server()
        if server.has_dynamic_labels:
            return True
        for name, asked in (("AEGIS_NEO4J_TYPED", self._typed), ("AEGIS_NEO4J_VECTORS", self._searchable)):
            if asked:
                raise Misconfigured(f"{name} needs Neo4j 5.26 or later and the graph server is {server}: switch it off.")
        return False

    def _of_relations(self, by_key: str, between: str, collection: UUID, relations: Sequence[tuple[UUID, Triple]]) -> Statement:
        """Return one of two statements, for whether relations have one type or many, with its parameters."""
        if self._dynamic():
            return between, {"rows": [graph_rows.triple(collection, id, triple) for id, triple in relations]}
        return by_key, {"keys": [keyed(collection, id) for id, _ in relations]}
