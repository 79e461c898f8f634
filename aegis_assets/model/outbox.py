"""Marks of objects that may differ between the ledger and the graph and vector stores."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from aegis_assets.model.graph import Triple
from aegis_assets.model.parsing import Frozen


class Kind(StrEnum):
    """CONTENT: the nodes of a document's chunks. CHUNK: a chunk's edges to its entities. DOCUMENT: which chunks answer searches."""

    CONTENT = "content"
    ENTITY = "entity"
    CHUNK = "chunk"
    RELATION = "relation"
    DOCUMENT = "document"


class Key(NamedTuple):
    """An object. id: of a document for CONTENT and DOCUMENT, a canonical entity, a chunk or a relation."""

    kind: Kind
    id: UUID


class Dirty(Frozen):
    """A claimed row of the outbox. version: counts how often the object was marked. triple: of a relation."""

    row: int
    version: int
    key: Key
    triple: Triple | None
