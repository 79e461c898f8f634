"""preflight: is all there that these documents will need? One sentence that says what to do, before any work is done."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

import psutil

from aegis_assets.errors import Misconfigured
from aegis_assets.pipeline.flow.platform import Platform

MEMORY_FLOOR_MB = 400  # what a run's own light processes take
DISK_FLOOR_MB = 500  # artifacts of a few windows; a full disk corrupts stores


async def preflight(platform: Platform, home: Path, collections: Iterable[UUID]) -> None:
    """Raises the first AegisError met: too little memory or disk, a store or engine away, a model missing, vectors that differ."""
    _machine(home)
    platform.ledger.ping()
    platform.bucket.exists("preflight")
    platform.parser.fingerprint()
    info = platform.embedder.info()
    await platform.extractor.check()
    await platform.vision.check()
    for collection in set(collections):
        platform.vectors.ensure(collection, info)
    platform.graph.ensure_schema()


def _machine(home: Path) -> None:
    memory = psutil.virtual_memory().available // 2**20
    if memory < MEMORY_FLOOR_MB:
        raise Misconfigured(
            f"Only {memory} MB of memory are free and a run needs {MEMORY_FLOOR_MB}: stop something, or add memory."
        )
    disk = shutil.disk_usage(home).free // 2**20
    if disk < DISK_FLOOR_MB:
        raise Misconfigured(f"Only {disk} MB of disk are free under {home.name} and a run needs {DISK_FLOOR_MB}: free some space.")
