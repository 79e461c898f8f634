"""Frozen types -> rows that the graph's statements take as parameters, and their answers back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from aegis_assets.model.graph import GraphChunk, GraphDocument, GraphEntity, GraphRelation, Triple
from aegis_assets.stores.graph_names import RELATES_TO, label_of, relationship_type_of

T = TypeVar("T")
Row = dict[str, Any]

BATCH = 500  # rows of a transaction: 0.1 to 1 s, and a few MB with the chunks' texts
DOCUMENT_COMPARED = ("name", "generation")
CHUNK_COMPARED = ("ordinal", "headings", "pages")  # not the text: another one is another chunk


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
    values = entity.model_dump(mode="json") | {"collection": str(collection)}
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
    key = keyed(collection, relation.id)
    return {
        "key": key,
        "source": keyed(collection, relation.source),
        "target": keyed(collection, relation.target),
        "relationship_type": relationship_type_of(relation.type, relation.in_schema) if typed else RELATES_TO,
        "values": values | {"key": key, "collection": str(collection)},
    }


def triple(collection: UUID, id: UUID, triple: Triple) -> Row:
    """Return the row of a relation that is looked for."""
    source, _, target = triple
    return {"key": keyed(collection, id), "source": keyed(collection, source), "target": keyed(collection, target)}


def without_text(row: Row) -> Row:
    """Return the row of a chunk that is in the graph: its text is there."""
    return {**row, "values": {name: value for name, value in row["values"].items() if name != "text"}}


def differing(rows: Sequence[Row], held: Sequence[Row], compared: Sequence[str]) -> list[Row]:
    """Return the rows that the graph does not have as they should be, or not from their document."""
    there = {row["key"]: row for row in held}
    return [row for row in rows if not _equal(row, there.get(row["key"]), compared)]


def _equal(row: Row, held: Row | None, compared: Sequence[str]) -> bool:
    if held is None or row.get("document") != held.get("document"):
        return False
    return all(held[name] == row["values"][name] for name in compared)


def counter(value: object) -> int:
    """Return a property that counts, 0 where it is absent or the list that it was in an earlier layout."""
    return value if isinstance(value, int) else 0


def triples(rows: Sequence[Row]) -> set[Triple]:
    """Return the relations of these rows by source, type and target."""
    return {(UUID(row["source"]), str(row["type"]), UUID(row["target"])) for row in rows}
