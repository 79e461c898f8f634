"""embed_windows: chunk texts -> vectors. Vectors are upserted first and marked after, so a kill in between only repeats work. The
mark keeps the embeddings too: what may not be seen yet, or has to be written to another store, is written from there.

Many texts go to the engine in one call, of whatever window and document: a page of Markdown has two, a forward pass takes sixteen.
Where such a call fails, its halves are asked for, and so on: one text that breaks a model fails its own chunk and no other. Where
the engine does not answer at all, the documents are put back, and no chunk has failed.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from aegis_assets.errors import (
    NO_TEXTS_FAULT,
    EngineFailed,
    EngineOverloaded,
    EngineUnavailable,
    EngineUnreachable,
    Superseded,
    is_outage,
)
from aegis_assets.model.document import Stage
from aegis_assets.model.embedding import Embedding
from aegis_assets.model.ledger import ChunkRow, WindowRow
from aegis_assets.pipeline.flow.fingerprints import of_collection
from aegis_assets.pipeline.flow.late import undone_if_removed
from aegis_assets.pipeline.flow.pause import FAULTS, answers
from aegis_assets.pipeline.flow.platform import Platform, record
from aegis_assets.pipeline.points import embedded, payloads

PROBE = "How long is a vector?"
BATCHES_PER_CALL = 8  # forward passes per call: long enough to sort by length, short enough to cancel


@dataclass(frozen=True)
class _Text:
    chunk: ChunkRow
    window: WindowRow
    collection: UUID
    fingerprint: str


async def embed_windows(platform: Platform, windows: Sequence[UUID], run_id: str) -> None:
    """Embed the windows' chunks that have no vector yet, but for documents that are not the run's any more."""
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


async def _attempt(platform: Platform, run_id: str, batch: Sequence[_Text], faults: int = 0) -> None:
    """Embed a batch, or parts of it. Every failure is data when this ends.

    faults: how often it got no answer from an embedder that answers. A single text is asked once more then: the embedder may have
    come back while that was found out.
    """
    try:
        ours = await asyncio.to_thread(platform.ledger.check_many, list({one.window.document for one in batch}), run_id)
        batch = [one for one in batch if one.window.document in ours]
        if batch:
            await _embed(platform, run_id, batch)
    except Superseded:
        return
    except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
        judged = await _judged(platform, error)
        if judged is not error and len(batch) == 1 and faults + 1 < FAULTS:
            await _attempt(platform, run_id, batch, faults + 1)
            return
        if len(batch) > 1 and not isinstance(judged, NO_TEXTS_FAULT):
            half = len(batch) // 2
            await _attempt(platform, run_id, batch[:half])
            await _attempt(platform, run_id, batch[half:])
            return
        await asyncio.to_thread(_failed, platform, run_id, judged, batch)


async def _judged(platform: Platform, error: Exception) -> Exception:
    """Return EngineFailed for a call that got no answer from an embedder that answers another: then its texts are at fault."""
    if not isinstance(error, EngineUnavailable) or not error.retryable or isinstance(error, EngineUnreachable | EngineOverloaded):
        return error
    if await answers(lambda: asyncio.to_thread(platform.embedder.embed, [PROBE], "passage", 1)):
        return EngineFailed(error.message, kind=error.kind)
    return error


async def _embed(platform: Platform, run_id: str, batch: Sequence[_Text]) -> None:
    """Embed and save. The first text's document stands for all where there is a lease to wait for."""
    await asyncio.to_thread(platform.ledger.start_chunks, [one.chunk.id for one in batch], Stage.EMBED, run_id)
    started, now = time.monotonic(), platform.now()
    async with platform.lease(platform.embedder.lease, batch[0].window.document):
        embeddings = await asyncio.to_thread(
            platform.embedder.embed, [one.chunk.text for one in batch], "passage", now.embedding_batch_size
        )
    await asyncio.to_thread(_save, platform, run_id, batch, embeddings, started)


def _save(platform: Platform, run_id: str, batch: Sequence[_Text], embeddings: Sequence[Embedding], started: float) -> None:
    made = {text.chunk.id: embedding for text, embedding in zip(batch, embeddings, strict=True)}
    _upsert(platform, batch, made)
    documents: defaultdict[UUID, list[_Text]] = defaultdict(list)
    for text in batch:
        documents[text.window.document].append(text)
    each = (time.monotonic() - started) / len(batch)
    for document, texts in documents.items():
        try:
            ids, fingerprint = [text.chunk.id for text in texts], texts[0].fingerprint
            kept = [made[chunk] for chunk in ids]
            with undone_if_removed(platform, document, partial(platform.vectors.delete, texts[0].collection, ids)):
                platform.ledger.save_embedded(document, run_id, ids, fingerprint, each * len(texts), kept)
        except Superseded:
            continue
        except Exception as error:  # noqa: BLE001  data of this document: those that are written stay so
            _failed(platform, run_id, error, texts)


def _upsert(platform: Platform, batch: Sequence[_Text], made: Mapping[UUID, Embedding]) -> None:
    """Write the points of chunks that answer searches, and of the others where a point may be hidden.

    Not those of a document that is made in one piece: it is published in a moment, together with others, and gets its points then.
    Qdrant's local mode, which one process at a time has open, would else be opened anew for each of a few small documents.
    """
    ledger, vectors = platform.ledger, platform.vectors
    whole = ledger.of_one_window({text.window.generation for text in batch})
    batch = [text for text in batch if text.window.generation not in whole]
    generations = {text.chunk.id: text.window.generation for text in batch}
    visible = ledger.visible(generations)
    by_collection: defaultdict[UUID, dict[UUID, UUID]] = defaultdict(dict)
    for text in batch:
        by_collection[text.collection][text.chunk.id] = text.window.document
    for collection, chunks in by_collection.items():
        points = payloads(ledger, vectors, chunks, visible, list(set(generations.values())))
        vectors.upsert(collection, embedded(points, made))


def _failed(platform: Platform, run_id: str, error: Exception, batch: Sequence[_Text]) -> None:
    if is_outage(error):
        for document in {one.window.document for one in batch}:
            record(platform, error, document=document, run_id=run_id, stage=Stage.EMBED)
        return
    for one in batch:
        where = {"document": one.window.document, "window": one.window.id, "chunk": one.chunk.id}
        record(platform, error, run_id=run_id, stage=Stage.EMBED, **where)
