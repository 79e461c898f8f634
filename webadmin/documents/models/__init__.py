"""The ledger's tables. Django owns the schema by its migrations; `aegis_assets/stores/ledger` speaks psycopg to the same tables.

Ids are deterministic (`aegis_assets.model.ids`) wherever a retry could write a row twice. Defaults that psycopg relies on are
`db_default`, so that the database fills them whoever inserts.
"""

from __future__ import annotations

from webadmin.documents.models.content import (
    BucketObject,
    Chunk,
    Collection,
    Document,
    Generation,
    KeptEmbedding,
    Placement,
    Window,
)
from webadmin.documents.models.graph import GraphEntity, GraphRelation, Outbox
from webadmin.documents.models.knowledge import Decision, Entity, Extraction, Mention, Merge, Relation
from webadmin.documents.models.work import Answer, ChunkTask, Concurrency, Failure, Lease, Limit, LlmUsage, RunDocument

__all__ = [
    "Answer",
    "BucketObject",
    "Chunk",
    "ChunkTask",
    "Collection",
    "Concurrency",
    "Decision",
    "Document",
    "Entity",
    "Extraction",
    "Failure",
    "Generation",
    "GraphEntity",
    "GraphRelation",
    "KeptEmbedding",
    "Lease",
    "Limit",
    "LlmUsage",
    "Mention",
    "Merge",
    "Outbox",
    "Placement",
    "Relation",
    "RunDocument",
    "Window",
]
