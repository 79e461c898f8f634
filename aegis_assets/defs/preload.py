"""What a process that runs or workers of queues are forked from does once, by being imported: all that they import, nothing opened.

Dagster imports its storage, and builds the repository out of our definitions, when a run first asks for them. That took half a
second of every run, which here no run waits for, and a second of the first step of every queue of every worker.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import dagster as dg

MODULES: Final = (
    "aegis_assets.defs.launcher",
    "aegis_assets.dagster_ext.coordinator",
    "aegis_assets.dagster_ext.output",
    "aegis_assets.dagster_ext.storage",
    "anyio._backends._asyncio",
    "encodings.idna",
    "neo4j",
    "obstore",
    "ollama",
    "portalocker",
    "psycopg2.extras",
    "qdrant_client.local.qdrant_local",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "upath.implementations.local",
    "upath.registry",
)

for _name in MODULES:
    import_module(_name)
with dg.DagsterInstance.ephemeral():  # imports what an instance needs, and keeps its tables in memory
    import_module("aegis_assets.definitions").defs.get_repository_def()
