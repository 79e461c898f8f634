"""What publish writes into the knowledge graph."""

from __future__ import annotations

from uuid import UUID

from aegis_assets.model.parsing import Frozen


class GraphDocument(Frozen):
    id: UUID
    name: str
    generation: int


class GraphChunk(Frozen):
    """ordinal: position in the document, from 0."""

    id: UUID
    ordinal: int
    text: str
    headings: tuple[str, ...]
    pages: tuple[int, ...]


class GraphEntity(Frozen):
    """A canonical entity. chunks: all live chunks of the collection that mention it or an alias of it."""

    id: UUID
    name: str
    type: str
    aliases: tuple[str, ...]
    chunks: tuple[UUID, ...]


class GraphRelation(Frozen):
    """Canonical ends. confidence: the best of its evidence. chunks: the live chunks that say it. documents: theirs.

    in_schema: the type is one of the collection's relation types.
    """

    id: UUID
    source: UUID
    target: UUID
    type: str
    confidence: float
    chunks: tuple[UUID, ...]
    documents: tuple[UUID, ...]
    evidence: str
    in_schema: bool = False


class GraphCounts(Frozen):
    """Of one document. entities, relations: with at least one of the document's chunks as evidence."""

    entities: int
    relations: int


class GraphServer(Frozen):
    """The server that keeps the graph. edition, database: empty where the server does not tell."""

    product: str
    version: str
    edition: str
    database: str

    @property
    def has_dynamic_labels(self) -> bool:
        """Return whether a label or relationship type may be a parameter of a statement: Neo4j from 5.26 on."""
        numbers = [int(part) if part.isdecimal() else 0 for part in self.version.split("-")[0].split(".")[:2]]
        return self.product == "Neo4j" and numbers >= [5, 26]

    def __str__(self) -> str:
        """Return it for a person, such as 'Neo4j 5.26.12 community, database neo4j'."""
        words = " ".join(word for word in (self.product, self.version, self.edition) if word)
        return f"{words}, database {self.database}" if self.database else words
