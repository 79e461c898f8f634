"""The knowledge graph in a property graph over Bolt: ArcadeDB or Neo4j, the same statements.

(:Chunk)-[:FROM_DOCUMENT]->(:Document), (:Chunk)-[:NEXT_CHUNK]->(:Chunk), (:Entity)-[:FROM_CHUNK]->(:Chunk),
(:Entity)-[:RELATES_TO]->(:Entity). On Neo4j an entity may carry its type as a second label, and a relation its type as relationship
type (AEGIS_NEO4J_TYPED).

Design note: writers of a document's nodes and of evidence first read what is there and write the difference. It makes a repeated
write nearly free, and a MERGE at an entity with thousands of edges costs milliseconds for each. `graph_contents` has what is read
to decide what to write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from uuid import UUID

from aegis_assets.model.graph import GraphChunk, GraphDocument, GraphEntity, GraphRelation, GraphServer, Triple
from aegis_assets.model.ids import fingerprint
from aegis_assets.settings import Settings
from aegis_assets.stores import cypher, graph_rows
from aegis_assets.stores.bolt import Bolt, Row, Statement
from aegis_assets.stores.graph_contents import GraphContents
from aegis_assets.stores.graph_rows import batches, keyed, texts
from aegis_assets.stores.graph_search import ChunkSearch

VECTOR_BATCH = 200  # rows of a transaction with embeddings: 200 of 1,024 numbers are 1.6 MB
LAYOUT = 3  # of nodes and edges: 2 counts a relation's chunks and documents where 1 listed them, 3 describes entities


class BoltGraph(GraphContents):
    """The port `Graph`. Writers may run side by side, also those of the same nodes and edges.

    typed, searchable: the settings AEGIS_NEO4J_TYPED and AEGIS_NEO4J_VECTORS. Raises StoreUnavailable and Misconfigured.
    """

    def __init__(
        self,
        address: str,
        user: str,
        password: str,
        timeout: float = 60.0,
        patience: float = 60.0,
        *,
        database: str = "",
        ca_file: str = "",
        typed: bool = False,
        searchable: bool = False,
    ) -> None:
        bolt = Bolt(address, user, password, timeout, patience, database=database, ca_file=ca_file)
        super().__init__(bolt, typed=typed, searchable=searchable)
        self._search = ChunkSearch(self._bolt)
        self._shape = fingerprint(layout=LAYOUT, address=address, database=database, typed=typed, searchable=searchable)

    @classmethod
    def from_settings(cls, settings: Settings, timeout: float = 60.0, patience: float = 60.0) -> BoltGraph:
        """Return the graph store that the settings name."""
        return cls(
            settings.graph_address,
            settings.neo4j_user,
            settings.neo4j_password.get_secret_value(),
            timeout,
            patience,
            database=settings.neo4j_database,
            ca_file=settings.ca_file,
            typed=settings.neo4j_typed,
            searchable=settings.neo4j_vectors,
        )

    def ensure_schema(self) -> None:
        """Create constraints and indexes that are not there."""
        dynamic = self._dynamic()
        relations = cypher.INDEXED_RELATIONS if self.server().product == "Neo4j" else cypher.UNIQUE_RELATIONS
        for statement in (*cypher.SCHEMA, relations):
            self._bolt.run((statement, {}))
        if dynamic and self._searchable:
            self._search.ensure_full_text()

    def check(self) -> GraphServer:
        """Return which server answers. Raise Misconfigured if it cannot do what the settings ask for."""
        self._server = None
        self._dynamic()
        return self.server()

    def shape(self) -> str:
        """Return a fingerprint of where this writes and what: another one means that the graph must be rebuilt."""
        return self._shape

    def close(self) -> None:
        self._bolt.close()

    def write_documents(self, collection: UUID, documents: Sequence[tuple[GraphDocument, Iterable[GraphChunk]]]) -> None:
        """Write each with its chunks in their order. Chunks of a document that are not among them stay, out of the chain."""
        for batch in batches(documents):
            self._write_document_nodes([graph_rows.document(collection, document) for document, _ in batch])
        order: dict[UUID, list[str]] = {document.id: [] for document, _ in documents}
        rows = (graph_rows.chunk(collection, document.id, chunk) for document, chunks in documents for chunk in chunks)
        for written in batches(rows):
            self._write_chunk_nodes(written)
            for row in written:
                order[UUID(row["values"]["document"])].append(row["key"])
        self._chain(collection, order)

    def _write_document_nodes(self, rows: Sequence[Row]) -> None:
        held = self._bolt.run((cypher.DOCUMENTS_HELD, {"keys": [row["key"] for row in rows]}))
        if changed := graph_rows.differing(rows, held, graph_rows.DOCUMENT_COMPARED):
            self._bolt.run((cypher.WRITE_DOCUMENTS, {"rows": changed}))

    def _write_chunk_nodes(self, rows: Sequence[Row]) -> None:
        held = self._bolt.run((cypher.CHUNKS_HELD, {"keys": [row["key"] for row in rows]}))
        keys = {row["key"] for row in held}
        new = [row for row in rows if row["key"] not in keys]
        moved = graph_rows.differing([row for row in rows if row["key"] in keys], held, graph_rows.CHUNK_COMPARED)
        if new or moved:
            self._bolt.run(
                *_filled((cypher.ADD_CHUNKS, new), (cypher.MOVE_CHUNKS, [graph_rows.without_text(row) for row in moved])),
                (cypher.FROM_DOCUMENT, {"rows": [graph_rows.without_text(row) for row in (*new, *moved)]}),
            )

    def _chain(self, collection: UUID, order: Mapping[UUID, Sequence[str]]) -> None:
        held = self._bolt.run((cypher.CHAIN, {"collection": str(collection), "documents": texts(order)}))
        old = {(row["a"], row["b"]) for row in held}
        wanted = [pair for keys in order.values() for pair in pairwise(keys)]
        for batch in batches(sorted(old - set(wanted))):
            self._bolt.run((cypher.UNCHAIN, {"rows": [{"a": a, "b": b} for a, b in batch]}))
        for batch in batches(pair for pair in wanted if pair not in old):
            rows = {"rows": [{"a": a, "b": b} for a, b in batch]}
            self._bolt.run((cypher.LOCK_CHUNKS, {"keys": [a for a, _ in batch]}), (cypher.NEXT_CHUNK, rows))

    def keeps_embeddings(self) -> bool:
        """Return whether chunks carry their embeddings here: AEGIS_NEO4J_VECTORS."""
        return self._searchable

    def embedded(self, collection: UUID, documents: Sequence[UUID], embedder: str) -> set[UUID]:
        """Return the documents' chunks that carry an embedding by this embedder (its fingerprint)."""
        return self._search.embedded(collection, documents, embedder)

    def write_embeddings(self, collection: UUID, vectors: Mapping[UUID, Sequence[float]], embedder: str) -> None:
        """Write the chunks' embeddings. A chunk that is not in the graph is passed over."""
        for batch in batches(vectors.items(), VECTOR_BATCH):
            self._search.write({keyed(collection, chunk): vector for chunk, vector in batch}, embedder)

    def mark_live(self, collection: UUID, live: Mapping[UUID, Collection[UUID]]) -> None:
        """Let the server's own indexes find exactly these chunks of each document; none, unless AEGIS_NEO4J_VECTORS is on."""
        if not self._dynamic():
            return
        if self._searchable:
            self._search.show(collection, live)
        else:
            self._search.forget(collection, live)

    def write_entities(self, collection: UUID, entities: Sequence[GraphEntity]) -> None:
        """Write the nodes of entities; `write_evidence` writes their edges."""
        dynamic = self._dynamic()
        for batch in batches(sorted(entities, key=lambda entity: entity.id)):  # locked in this order by every writer
            if dynamic:
                rows = [graph_rows.labelled_entity(collection, entity, self._typed) for entity in batch]
                self._bolt.run((cypher.LABELLED_ENTITIES, {"rows": rows}))
            else:
                rows = [graph_rows.entity(collection, entity) for entity in batch]
                self._bolt.run((cypher.WRITE_ENTITIES, {"rows": rows}))

    def write_evidence(self, collection: UUID, evidence: Mapping[UUID, Collection[UUID]]) -> None:
        """Make each chunk the evidence of exactly these entities. A chunk or entity that is not in the graph is passed over."""
        for batch in batches(evidence.items()):
            keys = [keyed(collection, chunk) for chunk, _ in batch]
            wanted = {(keyed(collection, chunk), keyed(collection, entity)) for chunk, entities in batch for entity in entities}
            held = {(row["c"], row["e"]) for row in self._bolt.run((cypher.EVIDENCE, {"keys": keys}))}
            changes = sorted(held ^ wanted, key=lambda edge: edge[::-1])  # entities in this order, which other documents name too
            for rows in batches({"c": chunk, "e": entity} for chunk, entity in changes):
                self._bolt.run(
                    (cypher.LOCK_CHUNKS, {"keys": sorted({row["c"] for row in rows})}),
                    *_filled(
                        (cypher.REMOVE_EVIDENCE, [row for row in rows if (row["c"], row["e"]) in held]),
                        (cypher.ADD_EVIDENCE, [row for row in rows if (row["c"], row["e"]) in wanted]),
                    ),
                )

    def write_relations(self, collection: UUID, relations: Sequence[GraphRelation]) -> None:
        """Write one edge for each id. A relation whose ends are not in the graph is passed over."""
        dynamic = self._dynamic()
        for batch in batches(relations):
            rows = [graph_rows.relation(collection, relation, self._typed) for relation in batch]
            if dynamic:
                rows.sort(key=lambda row: str(row["target"]))  # locked in this order by every writer
                steps = (cypher.LOCK_TARGETS, cypher.DELETE_OTHER_TYPES, cypher.SET_TYPED_RELATIONS, cypher.ADD_TYPED_RELATIONS)
                self._bolt.run(*((step, {"rows": rows}) for step in steps))
            else:
                values = {row["key"]: row["values"] for row in rows}
                self._bolt.run(
                    (cypher.SET_RELATIONS, {"keys": list(values), "values": values}),
                    (cypher.ADD_RELATIONS, {"keys": list(values), "rows": rows}),
                )

    def delete_chunks(self, collection: UUID, chunks: Sequence[UUID]) -> None:
        """Delete chunks with all their edges."""
        for batch in batches(chunks):
            self._bolt.run((cypher.DELETE_CHUNKS, {"keys": [keyed(collection, chunk) for chunk in batch]}))

    def delete_entities(self, collection: UUID, entities: Sequence[UUID]) -> None:
        """Delete entities with their relations."""
        for batch in batches(entities):
            self._bolt.run((cypher.DELETE_ENTITIES, {"keys": [keyed(collection, entity) for entity in batch]}))

    def delete_relations(self, collection: UUID, relations: Mapping[UUID, Triple]) -> None:
        """Delete relations, by id with source, type and target."""
        for batch in batches(relations.items()):
            self._bolt.run(self._of_relations(cypher.DELETE_RELATIONS, cypher.DELETE_RELATIONS_BETWEEN, collection, batch))

    def delete_document(self, collection: UUID, document: UUID) -> None:
        """Delete the document and its chunks. Entities that lose their last chunk stay: only the ledger knows which those are."""
        self.delete_chunks(collection, sorted(self.chunk_ids(collection, document)))
        self._bolt.run((cypher.DELETE_DOCUMENT, {"key": keyed(collection, document)}))


def _filled(*statements: tuple[str, Sequence[Row]]) -> list[Statement]:
    """Return those that have rows: each is a round trip."""
    return [(text, {"rows": rows}) for text, rows in statements if rows]
