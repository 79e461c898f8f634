"""parse_window: pages or sections -> a docling artifact in the bucket, by the parser behind the port."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from uuid import UUID

from aegis_assets.errors import NotFound, Superseded
from aegis_assets.model.document import Stage
from aegis_assets.model.ledger import DocumentRow
from aegis_assets.model.parsing import ParseRequest
from aegis_assets.pipeline.flow.fingerprints import of_collection
from aegis_assets.pipeline.flow.late import delete_files, undone_if_removed
from aegis_assets.pipeline.flow.plan import is_parsed
from aegis_assets.pipeline.flow.platform import Platform, record

T = TypeVar("T")


@dataclass(frozen=True)
class _Work:
    """Of one window."""

    platform: Platform
    document: DocumentRow
    window: UUID
    run_id: str
    fingerprint: str
    request: ParseRequest
    started: float


async def parse_window(platform: Platform, window: UUID, run_id: str) -> None:
    """Nothing to do where it is parsed already. A failure is recorded on the window."""
    async with platform.turn(run_id):
        work = await asyncio.to_thread(_recorded, platform, window, run_id, partial(_begin, platform, window, run_id))
    if work is not None:
        await asyncio.to_thread(_recorded, platform, window, run_id, partial(_parse, work))


def _recorded(platform: Platform, window: UUID, run_id: str, step: Callable[[], T]) -> T | None:
    """None where it failed, which is written, or where the run is over."""
    try:
        return step()
    except Superseded:
        return None
    except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
        with suppress(NotFound):  # the document was removed meanwhile
            document = platform.ledger.window(window).document
            record(platform, error, document=document, run_id=run_id, stage=Stage.PARSE, window=window)
        return None


def _begin(platform: Platform, window: UUID, run_id: str) -> _Work | None:
    row = platform.ledger.window(window)
    document = platform.ledger.document(row.document)
    prints = of_collection(platform, document.collection)
    if is_parsed(row, prints):
        return None
    platform.ledger.check(row.document, run_id)
    source = platform.ledger.parse_source(row.generation)
    platform.ledger.start_window(row.id, Stage.PARSE, run_id)
    request = ParseRequest(
        blob=source.blob,
        name=document.name,
        format=source.format,
        unit=source.unit,
        whole=source.whole,
        first=row.first,
        last=row.last,
        length=source.length,
        facts=source.facts,
        # `first` too: two windows of the same content at two places differ in their page numbers.
        artifacts=f"artifacts/{row.document}/{row.key}-{row.first}-{prints.parse}",
    )
    return _Work(platform, document, row.id, run_id, prints.parse, request, time.monotonic())


def _parse(work: _Work) -> None:
    ledger, document = work.platform.ledger, work.document
    parsed = work.platform.parser.parse(work.request).model_copy(update={"first": work.request.first})
    with undone_if_removed(work.platform, document.id, partial(delete_files, work.platform, document.id)):
        ledger.save_parsed(work.window, work.run_id, parsed, work.fingerprint, time.monotonic() - work.started)
    if not document.parser:  # a format that is parsed window by window: known only now
        engines = {"parser": parsed.parser, "embedder": document.embedder, "extractor": document.extractor}
        ledger.set_engines(document.id, work.run_id, **engines)
