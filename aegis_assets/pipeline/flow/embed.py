"""embed_windows: chunk texts -> vectors. Vectors are upserted first and marked after, so a kill in between only repeats work.

Many texts go to the engine in one call, of whatever window and document: a page of Markdown has two, a forward pass takes sixteen.
Where such a call fails, its halves are asked for, and so on: one text that breaks a model fails its own chunk and no other.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from aegis_assets.errors import NO_TEXTS_FAULT, Superseded
from aegis_assets.model.document import Stage
from aegis_assets.model.embedding import Embedding, VectorPoint
from aegis_assets.model.ledger import ChunkRow, WindowRow
from aegis_assets.pipeline.flow.fingerprints import of_collection
from aegis_assets.pipeline.flow.platform import Platform, record

BATCHES_PER_CALL = 8  # forward passes per call: long enough to sort by length, short enough to cancel


@dataclass(frozen=True)
class _Text:
    chunk: ChunkRow
    window: WindowRow
    collection: UUID
    fingerprint: str


async def embed_windows(platform: Platform, windows: Sequence[UUID], run_id: str) -> None:
    """Documents that are not the run's any more are passed over."""
    texts = await asyncio.to_thread(_read, platform, windows)
    start = 0
    while start < len(texts):
        await asyncio.to_thread(platform.look)  # the number may be another one by now
        size = platform.now().embedding_batch_size * BATCHES_PER_CALL
        await _attempt(platform, run_id, texts[start : start + size])
        start += size


def _read(platform: Platform, windows: Sequence[UUID]) -> list[_Text]:
    found = []
    for window in windows:
        row = platform.ledger.window(window)
        collection = platform.ledger.document(row.document).collection
        fingerprint = of_collection(platform, collection).embed
        chunks = platform.ledger.chunks_to_do(window, Stage.EMBED, fingerprint)
        found += [_Text(chunk, row, collection, fingerprint) for chunk in chunks]
    return found


async def _attempt(platform: Platform, run_id: str, batch: Sequence[_Text]) -> None:
    """Every failure is data when this ends."""
    try:
        ours = await asyncio.to_thread(platform.ledger.check_many, list({one.window.document for one in batch}), run_id)
        batch = [one for one in batch if one.window.document in ours]
        if batch:
            await _embed(platform, run_id, batch)
    except Superseded:
        return
    except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
        if len(batch) > 1 and not isinstance(error, NO_TEXTS_FAULT):
            half = len(batch) // 2
            await _attempt(platform, run_id, batch[:half])
            await _attempt(platform, run_id, batch[half:])
            return
        await asyncio.to_thread(_failed, platform, run_id, error, batch)


async def _embed(platform: Platform, run_id: str, batch: Sequence[_Text]) -> None:
    """The first text's document stands for all where there is a lease to wait for."""
    await asyncio.to_thread(platform.ledger.start_chunks, [one.chunk.id for one in batch], Stage.EMBED, run_id)
    started, now = time.monotonic(), platform.now()
    async with platform.lease(platform.embedder.lease, batch[0].window.document):
        embeddings = await asyncio.to_thread(
            platform.embedder.embed, [one.chunk.text for one in batch], "passage", now.embedding_batch_size
        )
    await asyncio.to_thread(_save, platform, run_id, batch, embeddings, started)


def _save(platform: Platform, run_id: str, batch: Sequence[_Text], embeddings: Sequence[Embedding], started: float) -> None:
    visible = platform.ledger.visible({one.chunk.id: one.window.generation for one in batch})
    points: defaultdict[UUID, list[VectorPoint]] = defaultdict(list)
    documents: defaultdict[UUID, list[_Text]] = defaultdict(list)
    for one, embedding in zip(batch, embeddings, strict=True):
        id, document = one.chunk.id, one.window.document
        points[one.collection].append(VectorPoint(id=id, document=document, embedding=embedding, live=id in visible))
        documents[document].append(one)
    for collection, upserted in points.items():
        platform.vectors.upsert(collection, upserted)
    each = (time.monotonic() - started) / len(batch)
    for document, texts in documents.items():
        try:
            ids, fingerprint = [one.chunk.id for one in texts], texts[0].fingerprint
            platform.ledger.save_embedded(document, run_id, ids, fingerprint, each * len(texts))
        except Superseded:
            continue
        except Exception as error:  # noqa: BLE001  data of this document: those that are written stay so
            _failed(platform, run_id, error, texts)


def _failed(platform: Platform, run_id: str, error: Exception, batch: Sequence[_Text]) -> None:
    for one in batch:
        where = {"document": one.window.document, "window": one.window.id, "chunk": one.chunk.id}
        record(platform, error, run_id=run_id, stage=Stage.EMBED, **where)
