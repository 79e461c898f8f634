"""extract_window: entities and relations per chunk, several in flight, each result written the moment it arrives.

A text that was extracted before under the same fingerprint, in whatever document, costs a row and no call. One request is about a
unit: one chunk, or two neighbours where the collection wants that of its language model.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from aegis_assets.errors import Superseded
from aegis_assets.model.document import Stage
from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.model.ledger import Extracted
from aegis_assets.pipeline.addressed import marked
from aegis_assets.pipeline.flow.gathered import Gathered
from aegis_assets.pipeline.flow.pause import Pause
from aegis_assets.pipeline.flow.platform import Platform, record
from aegis_assets.pipeline.ports import Permit
from aegis_assets.pipeline.units import Unit, units_of

PROBE: Final = "The quick brown fox jumps over the lazy dog"


@dataclass(frozen=True)
class _Work:
    """The values that all chunks of one window share."""

    platform: Platform
    pause: Pause
    document: UUID
    run_id: str
    schema: Schema
    units: Sequence[Unit]
    fingerprint: str
    cached: Mapping[tuple[str, str], Extraction]
    begun: Gathered[UUID]
    found: Gathered[Extracted]


async def extract_window(platform: Platform, window: UUID, run_id: str) -> None:
    """Extract the window's chunks, which start in document order. One failed chunk is recorded; the others go on."""
    work = await asyncio.to_thread(_read, platform, window, run_id)

    async def extract_unit(unit: Unit) -> None:
        try:
            keys = unit.cache_keys(work.fingerprint)
            if all(key in work.cached for key in keys):
                shares = zip(unit.chunks, keys, strict=True)
                await _add(work, [Extracted(chunk.id, work.cached[key], cached=True) for chunk, key in shares])
            else:
                await _extract(work, unit)
        except Superseded:
            return
        except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
            for chunk in unit.to_do:
                where = {"document": work.document, "window": window, "chunk": chunk}
                await asyncio.to_thread(record, platform, error, run_id=run_id, stage=Stage.EXTRACT, **where)

    async with platform.asking(work.document, run_id), asyncio.TaskGroup() as group:
        for unit in work.units:
            group.create_task(extract_unit(unit))


def _read(platform: Platform, window: UUID, run_id: str) -> _Work:
    """Read what is to be done. In a thread: a loop that waits for the ledger keeps every other chunk of the process waiting."""
    ledger = platform.ledger
    platform.look()
    document = ledger.window(window).document
    schema = ledger.collection(ledger.document(document).collection).schema
    fingerprint = platform.extractor.fingerprint(schema)
    chunks = ledger.chunks_to_do(window, Stage.EXTRACT, fingerprint, platform.extractor.earlier(schema))
    to_do = {chunk.id for chunk in chunks}
    pairs = schema.pairs and platform.extractor.takes_pairs
    units = list(units_of(ledger.window_chunks(window, Stage.EXTRACT) if pairs and chunks else chunks, to_do, pairs=pairs))
    return _Work(
        platform,
        platform.pause("extractor"),
        document,
        run_id,
        schema,
        units,
        fingerprint,
        ledger.cached_extractions([key for unit in units for key in unit.cache_keys(fingerprint)]),
        begun=Gathered(lambda begun: ledger.start_chunks(begun, Stage.EXTRACT, run_id)),
        found=Gathered(lambda found: ledger.save_extractions(document, run_id, fingerprint, found)),
    )


async def _extract(work: _Work, unit: Unit) -> None:
    requests = _Requests(work, unit.to_do)
    try:
        async with work.platform.at_hand(work.document):
            found = await work.pause.through_outages(
                lambda: work.platform.extractor.extract(unit.text, work.schema, requests.slot), partial(_probe, work)
            )
    finally:
        await requests.begun()  # before whatever is written of its end
    keys = unit.cache_keys(work.fingerprint)
    await _add(
        work,
        [
            Extracted(
                chunk.id,
                marked(share, chunk.text),
                seconds=requests.seconds if chunk.id == unit.to_do[0] else 0.0,
                cache_key=key,
            )
            for chunk, share, (_, key) in zip(unit.chunks, unit.shares(found), keys, strict=True)
        ],
    )


async def _add(work: _Work, found: Sequence[Extracted]) -> None:
    """Write the shares of a unit, together unless very much is written at the moment."""
    await asyncio.gather(*(work.found.add(share) for share in found))


async def _probe(work: _Work) -> None:
    """Ask something that any model can answer. Raises Superseded where nobody waits for it any more."""
    work.platform.require_running(work.document, work.run_id)
    extractor = work.platform.extractor
    await extractor.extract(PROBE, work.schema, partial(work.platform.lease, extractor.lease, work.document))


class _Requests:
    """The requests for one unit: mostly one, more where a text is halved or asked again. seconds: for which slots were held.

    chunks: those of the unit that are to be done.
    """

    def __init__(self, work: _Work, chunks: Sequence[UUID]) -> None:
        self.seconds = 0.0
        self._work = work
        self._chunks = chunks
        self._begun: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Permit]:
        """Hold a slot for one request. That the chunk has begun is written meanwhile: a slot does not wait for a transaction."""
        work, platform = self._work, self._work.platform
        require_running = partial(platform.require_running, work.document, work.run_id)
        async with (
            work.pause.request(require_running),
            platform.gate(work.document),
            platform.lease(platform.extractor.lease, work.document) as permit,
        ):
            require_running()
            self._begun = self._begun or asyncio.create_task(self._begin())
            started = time.monotonic()
            try:
                yield permit
            finally:
                self.seconds += time.monotonic() - started

    async def _begin(self) -> None:
        await asyncio.gather(*(self._work.begun.add(chunk) for chunk in self._chunks))

    async def begun(self) -> None:
        """Wait until it is written that the chunk has begun."""
        if self._begun is not None:
            await self._begun
