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
    """Canonical ends. confidence: the best of its evidence. chunks: the live chunks that say it. documents: theirs."""

    id: UUID
    source: UUID
    target: UUID
    type: str
    confidence: float
    chunks: tuple[UUID, ...]
    documents: tuple[UUID, ...]
    evidence: str


class GraphCounts(Frozen):
    """Of one document. entities, relations: with at least one of the document's chunks as evidence."""

    entities: int
    relations: int
