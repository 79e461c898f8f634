"""What a process that runs or workers of queues are forked from does once, by being imported: all that they import, nothing opened.

Dagster imports its storage, and builds the repository out of our definitions, when a run first asks for them. That took half a
second of every run, which here no run waits for, and a second of the first step of every queue of every worker.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

MODULES: Final = (
    "aegis_assets.defs.launcher",
    "aegis_assets.defs.coordinator",
    "aegis_assets.defs.storage",
    "anyio._backends._asyncio",
    "dagster._core.instance.factory",
    "dagster._core.storage.noop_compute_log_manager",
    "dagster._core.workspace.autodiscovery",
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
import_module("aegis_assets.definitions").defs.get_repository_def()
