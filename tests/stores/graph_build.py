"""Nodes and edges for the graph store's tests, and what a collection's graph holds."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID, uuid5

from aegis_assets.model.graph import GraphChunk, GraphDocument, GraphEntity, GraphRelation, Triple
from aegis_assets.model.ids import relation_id
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.graph import BoltGraph

DOCUMENT, SECOND = UUID(int=21), UUID(int=22)


def chunk(number: int, document: UUID = DOCUMENT) -> GraphChunk:
    return GraphChunk(
        id=uuid5(document, str(number)), ordinal=number, text=f"text {number} ' \" $x {{}} ü", headings=("One", "Two"), pages=(1, 2)
    )


def ids(*numbers: int, document: UUID = DOCUMENT) -> tuple[UUID, ...]:
    return tuple(chunk(number, document).id for number in numbers)


def entity(name: str, chunks: int = 1) -> GraphEntity:
    return GraphEntity(id=uuid5(DOCUMENT, f"entity {name}"), name=name, type="tool", aliases=(f"{name}s",), chunks=chunks)


def relation(source: GraphEntity, kind: str, target: GraphEntity, chunks: int = 1, documents: int = 1) -> GraphRelation:
    return GraphRelation(
        id=relation_id(source.id, kind, target.id),
        source=source.id,
        type=kind,
        target=target.id,
        confidence=0.5,
        sentences=(f"{source.name} {kind} {target.name}.", f"Again: {source.name} {kind}."),
        chunks=chunks,
        documents=documents,
    )


def triples(*relations: GraphRelation) -> dict[UUID, Triple]:
    return {relation.id: (relation.source, relation.type, relation.target) for relation in relations}


def write_chunks(
    graph: BoltGraph, collection: UUID, numbers: Iterable[int], document: UUID = DOCUMENT, generation: int = 1
) -> None:
    chunks = [chunk(number, document) for number in numbers]
    graph.write_documents(collection, [(GraphDocument(id=document, name="a.md", generation=generation), chunks)])


def everything(bolt: Bolt, collection: UUID) -> dict[str, int]:
    counted = {}
    for label in ("Document", "Chunk", "Entity"):
        counted[label] = bolt.query(f"MATCH (n:{label}) WHERE n.collection = $c RETURN count(n) AS n", c=str(collection))[0]["n"]
    for edge in ("FROM_DOCUMENT", "NEXT_CHUNK", "FROM_CHUNK", "RELATES_TO"):
        counted[edge] = bolt.query(f"MATCH (n)-[r:{edge}]->() WHERE n.collection = $c RETURN count(r) AS n", c=str(collection))[0][
            "n"
        ]
    return counted
