"""The knowledge graph in a property graph over Bolt: ArcadeDB or Neo4j, the same statements.

(:Chunk)-[:FROM_DOCUMENT]->(:Document), (:Chunk)-[:NEXT_CHUNK]->(:Chunk), (:Entity)-[:FROM_CHUNK]->(:Chunk),
(:Entity)-[:RELATES_TO]->(:Entity). The questionable decision: writers first read what is there and write the difference, although
MERGE would do. It makes a repeated write nearly free, and a MERGE at an entity with thousands of edges costs milliseconds for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any, TypeVar
from uuid import UUID

from aegis_assets.model.graph import GraphChunk, GraphCounts, GraphDocument, GraphEntity, GraphRelation
from aegis_assets.settings import Settings
from aegis_assets.stores import cypher
from aegis_assets.stores.bolt import Bolt, Row

T = TypeVar("T")
Triple = tuple[UUID, str, UUID]

BATCH = 500  # rows of a transaction: 0.1 to 1 s, and a few MB with the chunks' texts


class BoltGraph:
    """The port `Graph`. Writers of one collection take turns (publish holds a lock); those of others may run beside them.

    Raises StoreUnavailable and Misconfigured.
    """

    def __init__(self, address: str, user: str, password: str, timeout: float = 60.0, patience: float = 60.0) -> None:
        self._bolt = Bolt(address, user, password, timeout, patience)

    @classmethod
    def from_settings(cls, settings: Settings, timeout: float = 60.0, patience: float = 60.0) -> BoltGraph:
        """Return the graph store that the settings name."""
        return cls(settings.graph_address, settings.neo4j_user, settings.neo4j_password.get_secret_value(), timeout, patience)

    def ensure_schema(self) -> None:
        for statement in cypher.SCHEMA:
            self._bolt.query(statement)

    def check(self) -> None:
        self._bolt.query("RETURN 1 AS one")

    def close(self) -> None:
        self._bolt.close()

    def write_documents(self, collection: UUID, documents: Sequence[tuple[GraphDocument, Iterable[GraphChunk]]]) -> None:
        """Each with its chunks in their order. Chunks of a document that are not among them stay, out of the chain."""
        for some in batches(documents):
            self._bolt.query(cypher.DOCUMENTS, rows=[_document(collection, one) for one, _ in some])
        order: dict[UUID, list[str]] = {one.id: [] for one, _ in documents}
        rows = (_chunk(collection, one.id, chunk) for one, chunks in documents for chunk in chunks)
        for batch in batches(rows):
            self._bolt.run((cypher.CHUNKS, {"rows": batch}), (cypher.FROM_DOCUMENT, {"rows": batch}))
            for row in batch:
                order[UUID(row["values"]["document"])].append(row["key"])
        self._chain(collection, order)

    def _chain(self, collection: UUID, order: Mapping[UUID, Sequence[str]]) -> None:
        there = self._bolt.query(cypher.CHAIN, collection=str(collection), documents=texts(order))
        old = {(row["a"], row["b"]) for row in there}
        wanted = [pair for keys in order.values() for pair in pairwise(keys)]
        for batch in batches(sorted(old - set(wanted))):
            self._bolt.query(cypher.UNCHAIN, rows=[{"a": a, "b": b} for a, b in batch])
        for batch in batches(pair for pair in wanted if pair not in old):
            self._bolt.query(cypher.NEXT_CHUNK, rows=[{"a": a, "b": b} for a, b in batch])

    def write_entities(self, collection: UUID, entities: Sequence[GraphEntity]) -> None:
        """With exactly the given chunks as evidence. A chunk that is not in the graph is passed over."""
        for batch in batches(entities):
            wanted = {(keyed(collection, one.id), keyed(collection, chunk)) for one in batch for chunk in one.chunks}
            rows = [_entity(collection, one) for one in batch]
            self._bolt.query(cypher.ENTITIES, rows=rows)
            there = self._bolt.query(cypher.EVIDENCE, keys=[row["key"] for row in rows])
            old = {(row["e"], row["c"]) for row in there}
            for gone in batches(sorted(old - wanted)):
                self._bolt.query(cypher.REMOVE_EVIDENCE, rows=[{"e": e, "c": c} for e, c in gone])
            for new in batches(sorted(wanted - old)):
                self._bolt.query(cypher.ADD_EVIDENCE, rows=[{"e": e, "c": c} for e, c in new])

    def write_relations(self, collection: UUID, relations: Sequence[GraphRelation]) -> None:
        """One edge for each id. A relation whose ends are not in the graph is passed over."""
        for batch in batches(relations):
            rows = {row["values"]["key"]: row for row in (_relation(collection, one) for one in batch)}
            sources = sorted({row["source"] for row in rows.values()})
            there = self._bolt.query(cypher.RELATIONS, keys=sources, relations=list(rows))
            same = _unchanged(there, rows)
            new = [row for key, row in rows.items() if key not in same]
            if new:
                stale = {"keys": sources, "relations": [row["values"]["key"] for row in new]}
                self._bolt.run((cypher.REMOVE_RELATIONS, stale), (cypher.ADD_RELATIONS, {"rows": new}))

    def delete_chunks(self, collection: UUID, chunks: Sequence[UUID]) -> None:
        for batch in batches(chunks):
            self._bolt.query(cypher.DELETE_CHUNKS, keys=[keyed(collection, one) for one in batch])

    def delete_entities(self, collection: UUID, entities: Sequence[UUID]) -> None:
        """With their relations."""
        for batch in batches(entities):
            self._bolt.query(cypher.DELETE_ENTITIES, keys=[keyed(collection, one) for one in batch])

    def delete_relations(self, collection: UUID, relations: Sequence[UUID]) -> None:
        for batch in batches(relations):
            self._bolt.query(cypher.DELETE_RELATIONS, keys=[keyed(collection, one) for one in batch])

    def delete_document(self, collection: UUID, document: UUID) -> None:
        """The document and its chunks. Entities that lose their last chunk stay: only the ledger knows which those are."""
        self.delete_chunks(collection, sorted(self.chunk_ids(collection, document)))
        self._bolt.query(cypher.DELETE_DOCUMENT, key=keyed(collection, document))

    def counts(self, collection: UUID, documents: Sequence[UUID]) -> dict[UUID, GraphCounts]:
        """Of each document."""
        scope = {"collection": str(collection), "documents": texts(documents)}
        entities = {row["document"]: row["n"] for row in self._bolt.query(cypher.COUNT_ENTITIES, **scope)}
        relations = {row["document"]: row["n"] for row in self._bolt.query(cypher.COUNT_RELATIONS, **scope)}
        return {one: GraphCounts(entities=entities.get(str(one), 0), relations=relations.get(str(one), 0)) for one in documents}

    def chunk_ids(self, collection: UUID, document: UUID) -> set[UUID]:
        return self.chunks_of(collection, [document])[document]

    def chunks_of(self, collection: UUID, documents: Sequence[UUID]) -> dict[UUID, set[UUID]]:
        """Of each document."""
        found: dict[UUID, set[UUID]] = {one: set() for one in documents}
        for row in self._bolt.query(cypher.CHUNK_IDS, collection=str(collection), documents=texts(documents)):
            found[UUID(row["document"])] = {UUID(one) for one in row["ids"]}
        return found

    def entity_ids(self, collection: UUID, *documents: UUID) -> set[UUID]:
        """Entities with a chunk of one of the documents as evidence."""
        rows = self._bolt.query(cypher.ENTITY_IDS, collection=str(collection), documents=texts(documents))
        return {UUID(row["id"]) for row in rows}

    def relation_triples(self, collection: UUID, *documents: UUID) -> set[Triple]:
        """Source, type and target of the relations with a chunk of one of the documents as evidence."""
        return _triples(self._bolt.query(cypher.RELATION_KEYS, collection=str(collection), documents=texts(documents)))

    def relation_triples_of(self, collection: UUID, entities: Sequence[UUID]) -> set[Triple]:
        """Source, type and target of the relations with one of the entities at an end."""
        found: set[Triple] = set()
        for batch in batches(entities):
            found |= _triples(self._bolt.query(cypher.RELATION_KEYS_OF, keys=[keyed(collection, one) for one in batch]))
        return found

    def entities(self, collection: UUID, limit: int = 50) -> list[Row]:
        """id, name, type, aliases, chunks (their number): those with most evidence first."""
        return self._bolt.query(cypher.LARGEST_ENTITIES, collection=str(collection), limit=limit)

    def relations(self, collection: UUID, document: UUID | None = None, limit: int = 50) -> list[Row]:
        """id, source, type, target, confidence, evidence (the sentence), chunks (ids): the most certain first."""
        if document is None:
            return self._bolt.query(cypher.BEST_RELATIONS_OF_ALL, collection=str(collection), limit=limit)
        return self._bolt.query(cypher.BEST_RELATIONS, collection=str(collection), document=str(document), limit=limit)


def keyed(collection: UUID, one: UUID) -> str:
    return f"{collection}:{one}"


def texts(ids: Iterable[UUID]) -> list[str]:
    return [str(one) for one in ids]


def batches(rows: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch


def _document(collection: UUID, document: GraphDocument) -> Row:
    values = document.model_dump(mode="json") | {"collection": str(collection)}
    return {"key": keyed(collection, document.id), "values": values}


def _chunk(collection: UUID, document: UUID, chunk: GraphChunk) -> Row:
    values = chunk.model_dump(mode="json") | {"collection": str(collection), "document": str(document)}
    return {"key": keyed(collection, chunk.id), "document": keyed(collection, document), "values": values}


def _entity(collection: UUID, entity: GraphEntity) -> Row:
    values = entity.model_dump(mode="json", exclude={"chunks"}) | {"collection": str(collection)}
    return {"key": keyed(collection, entity.id), "values": values}


def _relation(collection: UUID, relation: GraphRelation) -> Row:
    values = relation.model_dump(mode="json", exclude={"source", "target"})
    return {
        "source": keyed(collection, relation.source),
        "target": keyed(collection, relation.target),
        "values": values | {"key": keyed(collection, relation.id), "collection": str(collection)},
    }


def _unchanged(there: Sequence[Row], wanted: dict[str, Any]) -> set[str]:
    """Keys of the relations that stand in the graph once, just as they should."""
    seen: set[str] = set()
    good: set[str] = set()
    for row in there:
        values = wanted[row["key"]]["values"]
        equal = all(row[name] == values[name] for name in ("type", "confidence", "evidence", "chunks", "documents"))
        if row["key"] not in seen and equal and row["target"] == wanted[row["key"]]["target"]:
            good.add(row["key"])
        else:
            good.discard(row["key"])
        seen.add(row["key"])
    return good


def _triples(rows: Sequence[Row]) -> set[Triple]:
    return {(UUID(row["source"]), str(row["type"]), UUID(row["target"])) for row in rows}
