"""enrich_window: pictures described, then the text chunked; chunk rows are written.

The heading path of a window's first chunks comes from the windows before it. Where the document has no outline, enrich waits until
those are parsed: they were started earlier, so the wait is short and cannot be circular.
"""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

from aegis_assets.errors import Superseded
from aegis_assets.model.document import Mark, Stage
from aegis_assets.model.ids import fingerprint
from aegis_assets.model.ledger import WindowRow
from aegis_assets.model.parsing import ChunkRequest, Heading, ParsedWindow, Picture, PictureDescription, moved
from aegis_assets.pipeline.flow.fingerprints import of_collection
from aegis_assets.pipeline.flow.headings import after
from aegis_assets.pipeline.flow.platform import Platform, record

HEADING_POLL_SECONDS = 0.25


async def enrich_window(platform: Platform, window: UUID, run_id: str) -> None:
    """Nothing to do for a window that failed to parse, or that has its chunks already."""
    row = platform.ledger.window(window)
    if row.parsed is None or row.parse_state != Mark.DONE:
        return
    prints = of_collection(platform, platform.ledger.document(row.document).collection)
    try:
        platform.ledger.check(row.document, run_id)
        headings = row.headings if row.headings is not None else await _open_headings(platform, row, run_id)
        wanted = prints.enrich(row.key, headings)
        if row.enrich_state != Mark.DONE or row.enrich_fingerprint != wanted:
            await _enrich(platform, row, row.parsed, headings, wanted, run_id)
    except Superseded:
        return
    except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
        record(platform, error, document=row.document, run_id=run_id, stage=Stage.ENRICH, window=window)


async def _open_headings(platform: Platform, row: WindowRow, run_id: str) -> tuple[Heading, ...]:
    """Wait for the windows before; one that failed to parse adds no headings, and a retry will see that it does."""
    while True:
        before = [window for window in platform.ledger.windows(row.generation) if window.ordinal < row.ordinal]
        if all(window.parse_state in (Mark.DONE, Mark.FAILED) for window in before):
            break
        platform.ledger.check(row.document, run_id)
        await asyncio.sleep(HEADING_POLL_SECONDS)
    stack: tuple[Heading, ...] = ()
    for window in before:
        stack = window.headings if window.headings is not None else stack
        stack = after(stack, window.parsed.headings if window.parsed else ())
    return stack


async def _enrich(
    platform: Platform, row: WindowRow, parsed: ParsedWindow, headings: tuple[Heading, ...], wanted: str, run_id: str
) -> None:
    platform.ledger.start_window(row.id, Stage.ENRICH, run_id)
    started = time.monotonic()
    descriptions, complete = await _describe(platform, row, parsed, run_id)
    request = ChunkRequest(artifact=parsed.artifact, headings=headings, descriptions=descriptions)
    drafts = await asyncio.to_thread(platform.parser.chunk, request)
    if _by_page(platform, row):
        drafts = tuple(moved(draft, row.first - parsed.first) for draft in drafts)
    # Chunks without one picture's description are better than none; another fingerprint makes the next run complete them.
    made = wanted if complete else fingerprint(incomplete=wanted)
    platform.ledger.save_chunks(row.id, run_id, drafts, made, time.monotonic() - started)


def _by_page(platform: Platform, row: WindowRow) -> bool:
    inspection = platform.ledger.generation(row.generation).inspection
    return inspection is not None and inspection.unit == "page"


async def _describe(
    platform: Platform, row: WindowRow, parsed: ParsedWindow, run_id: str
) -> tuple[tuple[PictureDescription, ...], bool]:
    results = await asyncio.gather(
        *(_picture(platform, picture, row.document) for picture in parsed.pictures), return_exceptions=True
    )
    if platform.vision.lease is not None:  # a model's call, where OCR is none
        platform.ledger.add_calls(run_id, row.document, len(results))
    failed = [result for result in results if isinstance(result, BaseException)]
    for error in failed[:1]:  # one sentence for the window, not one per picture
        record(platform, error, document=row.document, run_id=run_id, stage=Stage.ENRICH, window=row.id)
    return tuple(result for result in results if isinstance(result, PictureDescription) and result.text.strip()), not failed


async def _picture(platform: Platform, picture: Picture, document: UUID) -> PictureDescription:
    png = await asyncio.to_thread(platform.bucket.get, picture.image)
    async with platform.lease(platform.vision.lease, document):
        return await platform.vision.describe(picture, png)
