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
    Listing,
    Placement,
    Removed,
    Window,
)
from webadmin.documents.models.graph import Description, DescriptionSource, GraphEntity, GraphRelation, Home, Outbox
from webadmin.documents.models.knowledge import (
    CrowdedBlock,
    Decision,
    Entity,
    EntityBlock,
    Extraction,
    Mention,
    Merge,
    Relation,
    SurfaceForm,
)
from webadmin.documents.models.work import Answer, ChunkTask, Concurrency, Failure, Lease, Limit, LlmUsage, RunDocument, Tally

__all__ = [
    "Answer",
    "BucketObject",
    "Chunk",
    "ChunkTask",
    "Collection",
    "Concurrency",
    "CrowdedBlock",
    "Decision",
    "Description",
    "DescriptionSource",
    "Document",
    "Entity",
    "EntityBlock",
    "Extraction",
    "Failure",
    "Generation",
    "GraphEntity",
    "GraphRelation",
    "Home",
    "KeptEmbedding",
    "Lease",
    "Limit",
    "Listing",
    "LlmUsage",
    "Mention",
    "Merge",
    "Outbox",
    "Placement",
    "Relation",
    "Removed",
    "RunDocument",
    "SurfaceForm",
    "Tally",
    "Window",
]
