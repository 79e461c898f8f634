"""Frozen types -> rows that the graph's statements take as parameters, and their answers back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from aegis_assets.model.graph import GraphChunk, GraphDocument, GraphEntity, GraphRelation
from aegis_assets.stores.graph_names import RELATES_TO, label_of, relationship_type_of

T = TypeVar("T")
Row = dict[str, Any]
Triple = tuple[UUID, str, UUID]

BATCH = 500  # rows of a transaction: 0.1 to 1 s, and a few MB with the chunks' texts
COMPARED = ("type", "confidence", "evidence", "chunks", "documents")


def keyed(collection: UUID, id: UUID) -> str:
    """Return the key of a node or relation."""
    return f"{collection}:{id}"


def texts(ids: Iterable[UUID]) -> list[str]:
    """Return the ids as the graph keeps them."""
    return [str(id) for id in ids]


def batches(rows: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield the rows in lists of at most `size`."""
    remaining = iter(rows)
    while batch := list(islice(remaining, size)):
        yield batch


def document(collection: UUID, document: GraphDocument) -> Row:
    """Return the row of a document."""
    values = document.model_dump(mode="json") | {"collection": str(collection)}
    return {"key": keyed(collection, document.id), "values": values}


def chunk(collection: UUID, document: UUID, chunk: GraphChunk) -> Row:
    """Return the row of a document's chunk."""
    values = chunk.model_dump(mode="json") | {"collection": str(collection), "document": str(document)}
    return {"key": keyed(collection, chunk.id), "document": keyed(collection, document), "values": values}


def entity(collection: UUID, entity: GraphEntity) -> Row:
    """Return the row of an entity."""
    values = entity.model_dump(mode="json", exclude={"chunks"}) | {"collection": str(collection)}
    return {"key": keyed(collection, entity.id), "values": values}


def labelled_entity(collection: UUID, entity_: GraphEntity, typed: bool) -> Row:
    """Return the row of an entity with the labels that it carries, if typed, beside Entity.

    The label is a property too: the next writer must know which label to take away, and people may have put labels of their own.
    """
    row, label = entity(collection, entity_), label_of(entity_.type) if typed else None
    return {**row, "values": {**row["values"], "label": label}, "labels": [label] if label else []}


def relation(collection: UUID, relation: GraphRelation, typed: bool) -> Row:
    """Return the row of a relation with its relationship type."""
    values = relation.model_dump(mode="json", exclude={"source", "target", "in_schema"})
    return {
        "source": keyed(collection, relation.source),
        "target": keyed(collection, relation.target),
        "relationship_type": relationship_type_of(relation.type, relation.in_schema) if typed else RELATES_TO,
        "values": values | {"key": keyed(collection, relation.id), "collection": str(collection)},
    }


def unchanged(there: Sequence[Row], wanted: Mapping[str, Row]) -> set[str]:
    """Return the keys of the relations that stand in the graph once, just as they should."""
    seen: set[str] = set()
    same: set[str] = set()
    for row in there:
        expected = wanted[row["key"]]
        equal = all(row[name] == expected["values"][name] for name in COMPARED)
        equal = equal and all(row[name] == expected[name] for name in ("target", "relationship_type"))
        if row["key"] not in seen and equal:
            same.add(row["key"])
        else:
            same.discard(row["key"])
        seen.add(row["key"])
    return same


def triples(rows: Sequence[Row]) -> set[Triple]:
    """Return the relations of these rows by source, type and target."""
    return {(UUID(row["source"]), str(row["type"]), UUID(row["target"])) for row in rows}
