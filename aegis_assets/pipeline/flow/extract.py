"""extract_window: entities and relations per chunk, several in flight, each result written the moment it arrives.

A text that was extracted before under the same fingerprint, in whatever document, costs a row and no call.
"""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

from aegis_assets.errors import Superseded
from aegis_assets.model.document import Stage
from aegis_assets.model.extraction import Schema
from aegis_assets.model.ledger import ChunkRow
from aegis_assets.pipeline.flow.fingerprints import of_collection
from aegis_assets.pipeline.flow.platform import Platform, record


async def extract_window(platform: Platform, window: UUID, run_id: str) -> None:
    """Chunks start in document order. One failed chunk is recorded; the others go on."""
    row = platform.ledger.window(window)
    collection = platform.ledger.collection(platform.ledger.document(row.document).collection)
    fingerprint = of_collection(platform, collection.id).extract
    chunks = platform.ledger.chunks_to_do(window, Stage.EXTRACT, fingerprint)
    cached = platform.ledger.cached_extractions([chunk.text_hash for chunk in chunks], fingerprint)
    gate = asyncio.Semaphore(platform.numbers.parallel_chunks_per_doc)

    async def one(chunk: ChunkRow) -> None:
        async with gate:
            try:
                platform.ledger.check(row.document, run_id)
                if chunk.text_hash in cached:
                    found = cached[chunk.text_hash]
                    platform.ledger.save_extraction(row.document, chunk.id, run_id, fingerprint, found, cached=True, seconds=0.0)
                else:
                    await _extract(platform, row.document, chunk, collection.schema, fingerprint, run_id)
            except Superseded:
                return
            except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
                record(platform, error, document=row.document, run_id=run_id, stage=Stage.EXTRACT, window=window, chunk=chunk.id)

    async with asyncio.TaskGroup() as group:
        for chunk in chunks:
            group.create_task(one(chunk))


async def _extract(platform: Platform, document: UUID, chunk: ChunkRow, schema: Schema, fingerprint: str, run_id: str) -> None:
    async with platform.lease(platform.extractor.lease, document):
        platform.ledger.check(document, run_id)
        platform.ledger.start_chunks([chunk.id], Stage.EXTRACT, run_id)
        started = time.monotonic()
        found = await platform.extractor.extract(chunk.text, schema)
        seconds = time.monotonic() - started
    await asyncio.to_thread(
        platform.ledger.save_extraction, document, chunk.id, run_id, fingerprint, found, cached=False, seconds=seconds
    )
