"""The knowledge graph in a property graph over Bolt: ArcadeDB or Neo4j, the same statements.

(:Chunk)-[:FROM_DOCUMENT]->(:Document), (:Chunk)-[:NEXT_CHUNK]->(:Chunk), (:Entity)-[:FROM_CHUNK]->(:Chunk),
(:Entity)-[:RELATES_TO]->(:Entity). On Neo4j an entity may carry its type as a second label, and a relation its type as relationship
type (AEGIS_NEO4J_TYPED).

Design note: writers first read what is there and write the difference, although MERGE would do. It makes a repeated write nearly
free, and a MERGE at an entity with thousands of edges costs milliseconds for each. These reads are part of a write: they ask the
leader of a cluster (`Bolt.run`), because a follower may not have what another process wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from uuid import UUID

from aegis_assets.errors import Misconfigured
from aegis_assets.model.graph import GraphChunk, GraphCounts, GraphDocument, GraphEntity, GraphRelation, GraphServer
from aegis_assets.model.ids import fingerprint, relation_id
from aegis_assets.settings import Settings
from aegis_assets.stores import cypher, graph_rows
from aegis_assets.stores.bolt import Bolt, Row
from aegis_assets.stores.graph_rows import batches, keyed, texts
from aegis_assets.stores.graph_search import ChunkSearch

Triple = tuple[UUID, str, UUID]

VECTOR_BATCH = 200  # rows of a transaction with embeddings: 200 of 1,024 numbers are 1.6 MB


class BoltGraph:
    """The port `Graph`. Writers of one collection take turns (publish holds a lock); those of others may run beside them.

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
        self._bolt = Bolt(address, user, password, timeout, patience, database=database, ca_file=ca_file)
        self._search = ChunkSearch(self._bolt)
        self._typed, self._searchable = typed, searchable
        self._shape = fingerprint(address=address, database=database, typed=typed, searchable=searchable)
        self._server: GraphServer | None = None

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
        for statement in cypher.SCHEMA:
            self._bolt.run((statement, {}))
        if dynamic and self._searchable:
            self._search.ensure_full_text()

    def check(self) -> GraphServer:
        """Return which server answers. Raise Misconfigured if it cannot do what the settings ask for."""
        self._server = None
        self._dynamic()
        return self.server()

    def server(self) -> GraphServer:
        """Return which server this is, asked once."""
        server = self._server  # no lock: threads that ask at the same time get the same answer
        if server is None:
            server = self._server = self._bolt.server()
        return server

    def shape(self) -> str:
        """Return a fingerprint of where this writes and what: another one means that the graph must be rebuilt."""
        return self._shape

    def _dynamic(self) -> bool:
        """Return whether statements may have labels and relationship types as parameters. Raise Misconfigured if they must."""
        server = self.server()
        if server.has_dynamic_labels:
            return True
        for name, asked in (("AEGIS_NEO4J_TYPED", self._typed), ("AEGIS_NEO4J_VECTORS", self._searchable)):
            if asked:
                raise Misconfigured(f"{name} needs Neo4j 5.26 or later and the graph server is {server}: switch it off.")
        return False

    def _related(self, statement: str) -> str:
        """Return the statement so that it sees the relations of every type, where there may be others than RELATES_TO."""
        return cypher.of_any_type(statement) if self._dynamic() else statement

    def close(self) -> None:
        self._bolt.close()

    def write_documents(self, collection: UUID, documents: Sequence[tuple[GraphDocument, Iterable[GraphChunk]]]) -> None:
        """Each with its chunks in their order. Chunks of a document that are not among them stay, out of the chain."""
        for batch in batches(documents):
            self._bolt.run((cypher.DOCUMENTS, {"rows": [graph_rows.document(collection, document) for document, _ in batch]}))
        order: dict[UUID, list[str]] = {document.id: [] for document, _ in documents}
        rows = (graph_rows.chunk(collection, document.id, chunk) for document, chunks in documents for chunk in chunks)
        for written in batches(rows):
            self._bolt.run((cypher.CHUNKS, {"rows": written}), (cypher.FROM_DOCUMENT, {"rows": written}))
            for row in written:
                order[UUID(row["values"]["document"])].append(row["key"])
        self._chain(collection, order)

    def _chain(self, collection: UUID, order: Mapping[UUID, Sequence[str]]) -> None:
        there = self._bolt.run((cypher.CHAIN, {"collection": str(collection), "documents": texts(order)}))
        old = {(row["a"], row["b"]) for row in there}
        wanted = [pair for keys in order.values() for pair in pairwise(keys)]
        for batch in batches(sorted(old - set(wanted))):
            self._bolt.run((cypher.UNCHAIN, {"rows": [{"a": a, "b": b} for a, b in batch]}))
        for batch in batches(pair for pair in wanted if pair not in old):
            self._bolt.run((cypher.NEXT_CHUNK, {"rows": [{"a": a, "b": b} for a, b in batch]}))

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
        """Write entities with exactly the given chunks as evidence. A chunk that is not in the graph is passed over."""
        dynamic = self._dynamic()
        for batch in batches(entities):
            wanted = {(keyed(collection, entity.id), keyed(collection, chunk)) for entity in batch for chunk in entity.chunks}
            if dynamic:
                rows = [graph_rows.labelled_entity(collection, entity, self._typed) for entity in batch]
            else:
                rows = [graph_rows.entity(collection, entity) for entity in batch]
            self._bolt.run((cypher.LABELLED_ENTITIES if dynamic else cypher.ENTITIES, {"rows": rows}))
            there = self._bolt.run((cypher.EVIDENCE, {"keys": [row["key"] for row in rows]}))
            old = {(row["e"], row["c"]) for row in there}
            for stale in batches(sorted(old - wanted)):
                self._bolt.run((cypher.REMOVE_EVIDENCE, {"rows": [{"e": e, "c": c} for e, c in stale]}))
            for new in batches(sorted(wanted - old)):
                self._bolt.run((cypher.ADD_EVIDENCE, {"rows": [{"e": e, "c": c} for e, c in new]}))

    def write_relations(self, collection: UUID, relations: Sequence[GraphRelation]) -> None:
        """Write one edge for each id. A relation whose ends are not in the graph is passed over."""
        add = cypher.ADD_TYPED_RELATIONS if self._dynamic() else cypher.ADD_RELATIONS
        for batch in batches(relations):
            rows = {row["values"]["key"]: row for row in (graph_rows.relation(collection, one, self._typed) for one in batch)}
            sources = sorted({row["source"] for row in rows.values()})
            there = self._bolt.run((self._related(cypher.RELATIONS), {"keys": sources, "relations": list(rows)}))
            same = graph_rows.unchanged(there, rows)
            new = [row for key, row in rows.items() if key not in same]
            if new:
                stale = {"keys": sources, "relations": [row["values"]["key"] for row in new]}
                self._bolt.run((self._related(cypher.REMOVE_RELATIONS), stale), (add, {"rows": new}))

    def delete_chunks(self, collection: UUID, chunks: Sequence[UUID]) -> None:
        """Delete chunks with all their edges."""
        for batch in batches(chunks):
            self._bolt.run((cypher.DELETE_CHUNKS, {"keys": [keyed(collection, chunk) for chunk in batch]}))

    def delete_entities(self, collection: UUID, entities: Sequence[UUID]) -> None:
        """Delete entities with their relations."""
        for batch in batches(entities):
            self._bolt.run((cypher.DELETE_ENTITIES, {"keys": [keyed(collection, entity) for entity in batch]}))

    def delete_relations(self, collection: UUID, relations: Sequence[Triple]) -> None:
        """Delete relations by source, type and target."""
        dynamic = self._dynamic()
        for batch in batches(relations):
            keys = [keyed(collection, relation_id(*triple)) for triple in batch]
            if dynamic:
                sources = [keyed(collection, source) for source, _, _ in batch]
                rows = [{"source": source, "key": key} for source, key in zip(sources, keys, strict=True)]
                self._bolt.run((cypher.DELETE_RELATIONS_AT, {"rows": rows}))
            else:
                self._bolt.run((cypher.DELETE_RELATIONS, {"keys": keys}))

    def delete_document(self, collection: UUID, document: UUID) -> None:
        """Delete the document and its chunks. Entities that lose their last chunk stay: only the ledger knows which those are."""
        self.delete_chunks(collection, sorted(self.chunk_ids(collection, document)))
        self._bolt.run((cypher.DELETE_DOCUMENT, {"key": keyed(collection, document)}))

    def counts(self, collection: UUID, documents: Sequence[UUID]) -> dict[UUID, GraphCounts]:
        """Return how many entities and relations each document has."""
        scope = {"collection": str(collection), "documents": texts(documents)}
        entities = {row["document"]: row["n"] for row in self._bolt.query(cypher.COUNT_ENTITIES, **scope)}
        relations = {row["document"]: row["n"] for row in self._bolt.query(self._related(cypher.COUNT_RELATIONS), **scope)}
        return {one: GraphCounts(entities=entities.get(str(one), 0), relations=relations.get(str(one), 0)) for one in documents}

    def chunk_ids(self, collection: UUID, document: UUID) -> set[UUID]:
        """Return the document's chunks."""
        return self.chunks_of(collection, [document])[document]

    def chunks_of(self, collection: UUID, documents: Sequence[UUID]) -> dict[UUID, set[UUID]]:
        """Return the chunks of each document."""
        chunks: dict[UUID, set[UUID]] = {document: set() for document in documents}
        for row in self._bolt.query(cypher.CHUNK_IDS, collection=str(collection), documents=texts(documents)):
            chunks[UUID(row["document"])] = {UUID(chunk) for chunk in row["ids"]}
        return chunks

    def entity_ids(self, collection: UUID, *documents: UUID) -> set[UUID]:
        """Return the entities with a chunk of one of the documents as evidence."""
        rows = self._bolt.query(cypher.ENTITY_IDS, collection=str(collection), documents=texts(documents))
        return {UUID(row["id"]) for row in rows}

    def document_page(self, collection: UUID, after: UUID | None, limit: int) -> list[UUID]:
        """Return the next documents of the collection, in the order of their ids."""
        return self._page(cypher.DOCUMENT_PAGE, collection, after, limit)

    def entity_page(self, collection: UUID, after: UUID | None, limit: int) -> list[UUID]:
        """Return the next entities of the collection, in the order of their ids."""
        return self._page(cypher.ENTITY_PAGE, collection, after, limit)

    def _page(self, statement: str, collection: UUID, after: UUID | None, limit: int) -> list[UUID]:
        asked = {"after": f"{collection}:{after or ''}", "end": f"{collection};", "limit": limit}
        return [UUID(row["id"]) for row in self._bolt.run((statement, asked))]

    def relation_triples(self, collection: UUID, *documents: UUID) -> set[Triple]:
        """Return source, type and target of the relations with a chunk of one of the documents as evidence."""
        asked = {"collection": str(collection), "documents": texts(documents)}
        return graph_rows.triples(self._bolt.query(self._related(cypher.RELATION_KEYS), **asked))

    def relation_triples_of(self, collection: UUID, entities: Sequence[UUID]) -> set[Triple]:
        """Return source, type and target of the relations with one of the entities at an end."""
        triples: set[Triple] = set()
        for batch in batches(entities):
            keys = [keyed(collection, entity) for entity in batch]
            triples |= graph_rows.triples(self._bolt.query(self._related(cypher.RELATION_KEYS_OF), keys=keys))
        return triples

    def entities(self, collection: UUID, limit: int = 50) -> list[Row]:
        """Return id, name, type, aliases, chunks (their number): those with most evidence first."""
        return self._bolt.query(cypher.LARGEST_ENTITIES, collection=str(collection), limit=limit)

    def relations(self, collection: UUID, document: UUID | None = None, limit: int = 50) -> list[Row]:
        """Return id, source, type, target, confidence, evidence (the sentence), chunks (ids): the most certain first."""
        asked = {"collection": str(collection), "limit": limit}
        if document is None:
            return self._bolt.query(self._related(cypher.BEST_RELATIONS_OF_ALL), **asked)
        return self._bolt.query(self._related(cypher.BEST_RELATIONS), **asked, document=str(document))
