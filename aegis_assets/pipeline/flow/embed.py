"""embed_window: chunk texts -> vectors. Vectors are upserted first and marked after, so a kill in between only repeats work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

from aegis_assets.errors import Superseded
from aegis_assets.model.document import Stage
from aegis_assets.model.embedding import VectorPoint
from aegis_assets.model.ledger import ChunkRow, WindowRow
from aegis_assets.pipeline.flow.fingerprints import of_collection
from aegis_assets.pipeline.flow.platform import Platform, record

BATCHES_PER_CALL = 8  # forward passes per call: long enough to sort by length, short enough to cancel


async def embed_window(platform: Platform, window: UUID, run_id: str) -> None:
    row = platform.ledger.window(window)
    document = platform.ledger.document(row.document)
    prints = of_collection(platform, document.collection)
    chunks = platform.ledger.chunks_to_do(window, Stage.EMBED, prints.embed)
    size = platform.numbers.embedding_batch_size * BATCHES_PER_CALL
    for start in range(0, len(chunks), size):
        batch = chunks[start : start + size]
        try:
            platform.ledger.check(row.document, run_id)
            await _embed(platform, row, document.collection, batch, prints.embed, run_id)
        except Superseded:
            return
        except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
            for chunk in batch:
                record(platform, error, document=row.document, run_id=run_id, stage=Stage.EMBED, window=window, chunk=chunk.id)


async def _embed(
    platform: Platform, row: WindowRow, collection: UUID, batch: Sequence[ChunkRow], fingerprint: str, run_id: str
) -> None:
    platform.ledger.start_chunks([chunk.id for chunk in batch], Stage.EMBED, run_id)
    started = time.monotonic()
    async with platform.lease(platform.embedder.lease, row.document):
        embeddings = await asyncio.to_thread(platform.embedder.embed, [chunk.text for chunk in batch], "passage")
    visible = platform.ledger.visible(row.document, row.generation, [chunk.id for chunk in batch])
    points = [
        VectorPoint(id=chunk.id, document=row.document, embedding=embedding, live=chunk.id in visible)
        for chunk, embedding in zip(batch, embeddings, strict=True)
    ]
    await asyncio.to_thread(platform.vectors.upsert, collection, points)
    platform.ledger.save_embedded(row.document, run_id, [chunk.id for chunk in batch], fingerprint, time.monotonic() - started)
