"""preflight: is all there that these documents will need? One sentence that says what to do, before any work is done.

Everything is asked at once: one after the other they would take half of the time that a small document takes.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from uuid import UUID

import psutil

from aegis_assets.errors import AegisError, Misconfigured, is_outage
from aegis_assets.model.extraction import Schema
from aegis_assets.pipeline.flow.platform import Platform

MEMORY_FLOOR_MB = 400  # what a run's own light processes take
DISK_FLOOR_MB = 500  # artifacts of a few windows; a full disk corrupts stores


async def preflight(platform: Platform, home: Path, collections: Iterable[UUID]) -> None:
    """Raise the first AegisError of this order: too little memory or disk, a store or engine away, a model missing, vectors that
    differ."""
    _machine(home)
    for outcome in await _asked(platform, set(collections)):
        if isinstance(outcome, BaseException):
            raise outcome


async def outages(platform: Platform, collections: Iterable[UUID]) -> set[str]:
    """Return the public names of the servers that do not answer now."""
    try:
        outcomes = await _asked(platform, set(collections))
    except AegisError as error:  # the ledger itself
        outcomes = [error]
    return {outcome.server for outcome in outcomes if isinstance(outcome, AegisError) and is_outage(outcome)}


async def _asked(platform: Platform, scopes: Collection[UUID]) -> list[object]:
    """Return what each server said, an exception where it did not answer as it should."""
    schemas = await asyncio.to_thread(_schemas, platform, scopes)
    asked = (
        asyncio.to_thread(platform.ledger.ping),
        asyncio.to_thread(platform.bucket.exists, "preflight"),
        asyncio.to_thread(platform.parser.fingerprint),
        *(platform.extractor.check(schema) for schema in schemas),
        platform.vision.check(),
        asyncio.to_thread(_vectors, platform, scopes),
        asyncio.to_thread(platform.graph.ensure_schema),
    )
    return list(await asyncio.gather(*asked, return_exceptions=True))


def _schemas(platform: Platform, collections: Iterable[UUID]) -> Collection[Schema]:
    """Return a schema for each model: collections may name models of their own."""
    schemas = [platform.ledger.collection(collection).schema for collection in collections]
    return {schema.model: schema for schema in schemas or [Schema()]}.values()


def _vectors(platform: Platform, collections: Iterable[UUID]) -> None:
    info = platform.embedder.info()
    for collection in collections:
        platform.vectors.ensure(collection, info, platform.ledger.vector_settings(collection))
        platform.ledger.set_embedder(collection, info)


def _machine(home: Path) -> None:
    memory = psutil.virtual_memory().available // 2**20
    if memory < MEMORY_FLOOR_MB:
        raise Misconfigured(
            f"Only {memory} MB of memory are free and a run needs {MEMORY_FLOOR_MB}: stop something, or add memory."
        )
    disk = shutil.disk_usage(home).free // 2**20
    if disk < DISK_FLOOR_MB:
        raise Misconfigured(f"Only {disk} MB of disk are free under {home.name} and a run needs {DISK_FLOOR_MB}: free some space.")
