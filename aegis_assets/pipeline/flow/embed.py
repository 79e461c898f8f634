"""embed_window: chunk texts -> vectors. Vectors are upserted first and marked after, so a kill in between only repeats work.

Many texts go to the engine in one call. Where such a call fails, its halves are asked for, and so on: one text that breaks a model
fails its own chunk and no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from aegis_assets.errors import EngineUnavailable, Misconfigured, NotAllowed, StoreUnavailable, Superseded
from aegis_assets.model.document import Stage
from aegis_assets.model.embedding import Embedding, VectorPoint
from aegis_assets.model.ledger import ChunkRow, WindowRow
from aegis_assets.pipeline.flow.fingerprints import of_collection
from aegis_assets.pipeline.flow.platform import Platform, record

BATCHES_PER_CALL = 8  # forward passes per call: long enough to sort by length, short enough to cancel
NO_TEXTS_FAULT = (EngineUnavailable, StoreUnavailable, Misconfigured, NotAllowed)


@dataclass(frozen=True)
class _Work:
    """Of one window."""

    platform: Platform
    window: WindowRow
    collection: UUID
    run_id: str
    fingerprint: str
    chunks: Sequence[ChunkRow]


async def embed_window(platform: Platform, window: UUID, run_id: str) -> None:
    work = await asyncio.to_thread(_read, platform, window, run_id)
    start = 0
    try:
        while start < len(work.chunks):
            await asyncio.to_thread(platform.look)  # the number may be another one by now
            size = platform.now().embedding_batch_size * BATCHES_PER_CALL
            await _attempt(work, work.chunks[start : start + size])
            start += size
    except Superseded:
        return


def _read(platform: Platform, window: UUID, run_id: str) -> _Work:
    row = platform.ledger.window(window)
    collection = platform.ledger.document(row.document).collection
    fingerprint = of_collection(platform, collection).embed
    return _Work(platform, row, collection, run_id, fingerprint, platform.ledger.chunks_to_do(window, Stage.EMBED, fingerprint))


async def _attempt(work: _Work, batch: Sequence[ChunkRow]) -> None:
    """Raises Superseded; every other failure is data when this ends."""
    try:
        await asyncio.to_thread(work.platform.ledger.check, work.window.document, work.run_id)
        await _embed(work, batch)
    except Superseded:
        raise
    except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
        if len(batch) > 1 and not isinstance(error, NO_TEXTS_FAULT):
            half = len(batch) // 2
            await _attempt(work, batch[:half])
            await _attempt(work, batch[half:])
            return
        await asyncio.to_thread(_failed, work, error, batch)


async def _embed(work: _Work, batch: Sequence[ChunkRow]) -> None:
    platform, document = work.platform, work.window.document
    await asyncio.to_thread(platform.ledger.start_chunks, [chunk.id for chunk in batch], Stage.EMBED, work.run_id)
    started, now = time.monotonic(), platform.now()
    async with platform.lease(platform.embedder.lease, document):
        embeddings = await asyncio.to_thread(
            platform.embedder.embed, [chunk.text for chunk in batch], "passage", now.embedding_batch_size
        )
    await asyncio.to_thread(_save, work, batch, embeddings, started)


def _save(work: _Work, batch: Sequence[ChunkRow], embeddings: Sequence[Embedding], started: float) -> None:
    platform, row, ids = work.platform, work.window, [chunk.id for chunk in batch]
    visible = platform.ledger.visible(row.document, row.generation, ids)
    points = [
        VectorPoint(id=chunk.id, document=row.document, embedding=embedding, live=chunk.id in visible)
        for chunk, embedding in zip(batch, embeddings, strict=True)
    ]
    platform.vectors.upsert(work.collection, points)
    platform.ledger.save_embedded(row.document, work.run_id, ids, work.fingerprint, time.monotonic() - started)


def _failed(work: _Work, error: Exception, batch: Sequence[ChunkRow]) -> None:
    document, window = work.window.document, work.window.id
    for chunk in batch:
        record(work.platform, error, document=document, run_id=work.run_id, stage=Stage.EMBED, window=window, chunk=chunk.id)
