"""What publish writes into the knowledge graph."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from pydantic import Field

from aegis_assets.model.parsing import Frozen

SENTENCES: Final = 5  # of a relation: a property that does not grow with the collection
Triple = tuple[UUID, str, UUID]
"""A relation by its canonical source, type and canonical target."""


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
    """A canonical entity. chunks: how many live chunks of the collection mention it or an alias of it. description: what it is, ''
    where nothing says it."""

    id: UUID
    name: str
    type: str
    aliases: tuple[str, ...]
    chunks: int
    description: str = ""


class GraphRelation(Frozen):
    """A relation between canonical entities, with its evidence in the collection's live chunks.

    confidence: of the best evidence. sentences: at most SENTENCES, the best first. chunks, documents: how many state it.
    in_schema: the type is one of the collection's relation types.
    """

    id: UUID
    source: UUID
    type: str
    target: UUID
    confidence: float
    sentences: tuple[str, ...] = Field(max_length=SENTENCES)
    chunks: int
    documents: int
    in_schema: bool = False


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
