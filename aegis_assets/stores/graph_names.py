"""Types of entities and relations -> labels and relationship types of Neo4j.

Neo4j accepts any text but the empty one and the null character. A label of our own would make an entity look like a chunk, and
a relationship type of our own would make a relation look like evidence, so these get an underscore.
"""

from __future__ import annotations

from typing import Final

RELATES_TO: Final = "RELATES_TO"
OWN_LABELS: Final = frozenset({"Document", "Chunk", "Entity", "LiveChunk"})
OWN_RELATIONSHIP_TYPES: Final = frozenset({"FROM_DOCUMENT", "NEXT_CHUNK", "FROM_CHUNK"})


def label_of(entity_type: str) -> str | None:
    """Return the label for this type of entity, None if the type has no name."""
    return _name(entity_type, OWN_LABELS)


def relationship_type_of(relation_type: str, in_schema: bool) -> str:
    """Return the relationship type for this type of relation: its own if it is of the schema, for Neo4j has room for 65,535."""
    return (_name(relation_type, OWN_RELATIONSHIP_TYPES) if in_schema else None) or RELATES_TO


def _name(text: str, own: frozenset[str]) -> str | None:
    name = text.replace("\0", "").strip()
    return f"{name}_" if name in own else name or None
