"""enrich_window: pictures described, then the text chunked; chunk rows are written.

The heading path of a window's first chunks comes from the windows before it. Where the document has no outline, enrich waits until
those are parsed: they were started earlier, so the wait is short and cannot be circular.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

from aegis_assets.errors import EngineFailed, Superseded, is_outage
from aegis_assets.model.document import Mark, Stage
from aegis_assets.model.ids import fingerprint
from aegis_assets.model.ledger import WindowRow
from aegis_assets.model.parsing import ChunkRequest, Heading, ParsedWindow, Picture, PictureDescription, moved
from aegis_assets.pipeline.flow.fingerprints import Fingerprints, of_collection
from aegis_assets.pipeline.flow.headings import after
from aegis_assets.pipeline.flow.late import delete_files, undone_if_removed
from aegis_assets.pipeline.flow.platform import Platform, record
from aegis_assets.pipeline.ports import Permit

HEADING_POLL_SECONDS = 0.25
# What a vision model is asked about to see whether it answers: 64 white pixels square.
BLANK = Picture(ref="#/blank", image="", box=None, caption="")
BLANK_PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAQAAAACCEkxzAAAAEklEQVR42mP4DwUMo4xRBukMAOPT/hAC2mzjAAAAAElFTkSuQmCC")


async def enrich_window(platform: Platform, window: UUID, run_id: str) -> None:
    """Nothing to do for a window that failed to parse, or that has its chunks already."""
    row, prints = await asyncio.to_thread(_read, platform, window)
    if row.parsed is None or row.parse_state != Mark.DONE:
        return
    try:
        await asyncio.to_thread(platform.ledger.check, row.document, run_id)
        headings = row.headings if row.headings is not None else await _open_headings(platform, row, run_id)
        wanted = prints.enrich(row.key, headings)
        if row.enrich_state != Mark.DONE or row.enrich_fingerprint != wanted:
            await _enrich(platform, row, row.parsed, headings, wanted, run_id)
    except Superseded:
        return
    except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
        await _failed(platform, error, row, run_id)


def _read(platform: Platform, window: UUID) -> tuple[WindowRow, Fingerprints]:
    """In a thread, as all that asks the ledger: the loop would keep every other chunk of the process waiting."""
    row = platform.ledger.window(window)
    return row, of_collection(platform, platform.ledger.document(row.document).collection)


async def _failed(platform: Platform, error: BaseException, row: WindowRow, run_id: str) -> None:
    where = {"document": row.document, "window": row.id}
    await asyncio.to_thread(record, platform, error, run_id=run_id, stage=Stage.ENRICH, **where)


async def _open_headings(platform: Platform, row: WindowRow, run_id: str) -> tuple[Heading, ...]:
    """Wait for the windows before; one that failed to parse adds no headings, and a retry will see that it does.

    Raises EngineFailed when none of them is parsed within the time of the longest call: nobody is at work on them any more.
    """
    unparsed, since = math.inf, time.monotonic()
    while left := await asyncio.to_thread(platform.ledger.unparsed_before, row.generation, row.ordinal):
        if left < unparsed:
            unparsed, since = left, time.monotonic()
        if time.monotonic() - since > platform.numbers.longest_call_seconds:
            raise EngineFailed("The parts before this one were not parsed in time. Retry takes up what is missing.")
        await asyncio.to_thread(platform.ledger.check, row.document, run_id)
        await asyncio.sleep(HEADING_POLL_SECONDS)
    stack: tuple[Heading, ...] = ()
    for window in await asyncio.to_thread(platform.ledger.headings_before, row.generation, row.ordinal):
        stack = after(stack if window.at_start is None else window.at_start, window.inside)
    return stack


async def _enrich(
    platform: Platform, row: WindowRow, parsed: ParsedWindow, headings: tuple[Heading, ...], wanted: str, run_id: str
) -> None:
    await asyncio.to_thread(platform.ledger.start_window, row.id, Stage.ENRICH, run_id)
    started = time.monotonic()
    descriptions, complete = await _describe(platform, row, parsed, run_id)
    request = ChunkRequest(artifact=parsed.artifact, headings=headings, descriptions=descriptions)
    # Chunks without one picture's description are better than none; another fingerprint makes the next run complete them.
    made = wanted if complete else fingerprint(incomplete=wanted)
    await asyncio.to_thread(_chunk, platform, row, request, parsed.first, run_id, made, started)


def _chunk(
    platform: Platform, row: WindowRow, request: ChunkRequest, parsed_first: int, run_id: str, made: str, started: float
) -> None:
    drafts = platform.parser.chunk(request)
    if platform.ledger.parse_source(row.generation).unit == "page":
        drafts = tuple(moved(draft, row.first - parsed_first) for draft in drafts)
    with undone_if_removed(platform, row.document, partial(delete_files, platform, row.document)):
        platform.ledger.save_chunks(row.id, run_id, drafts, made, time.monotonic() - started)


async def _describe(
    platform: Platform, row: WindowRow, parsed: ParsedWindow, run_id: str
) -> tuple[tuple[PictureDescription, ...], bool]:
    """Return what is said of the pictures, and whether of all. Raises the first outage: the others are not asked about then."""
    asked: list[str] = []

    async def describe(picture: Picture) -> PictureDescription | Exception:
        try:
            return await _picture(platform, picture, row.document, run_id, asked)
        except Exception as error:
            if is_outage(error) or isinstance(error, Superseded):
                raise
            return error

    async with platform.asking(row.document, run_id):
        tasks = [asyncio.create_task(describe(picture)) for picture in parsed.pictures]
        try:
            results = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if platform.vision.lease is not None:  # a model's call, where OCR is none
                await asyncio.to_thread(platform.ledger.add_calls, run_id, row.document, len(asked))
    failed = [result for result in results if isinstance(result, Exception)]
    for error in failed[:1]:  # one sentence for the window, not one per picture
        await _failed(platform, error, row, run_id)
    return tuple(result for result in results if isinstance(result, PictureDescription) and result.text.strip()), not failed


async def _picture(platform: Platform, picture: Picture, document: UUID, run_id: str, asked: list[str]) -> PictureDescription:
    """Of a picture that was described before, in whatever window or generation of the document, what was said then. Of windows that
    meet it together, one asks. asked: takes up the picture when the engine has to be asked."""
    png = await asyncio.to_thread(platform.bucket.get, picture.image)
    key = _description_key(document, png, fingerprint(vision=platform.vision.fingerprint(), caption=picture.caption))
    async with platform.describing(key):
        if await asyncio.to_thread(platform.bucket.exists, key):
            known = PictureDescription.model_validate_json(await asyncio.to_thread(platform.bucket.get, key))
            return known.model_copy(update={"ref": picture.ref})
        asked.append(picture.ref)
        pause, lease = platform.pause("vision"), partial(platform.lease, platform.vision.lease, document)
        require_running = partial(platform.require_running, document, run_id)

        @asynccontextmanager
        async def slot() -> AsyncIterator[Permit]:
            async with pause.request(require_running), lease() as permit:
                require_running()
                yield permit

        described = await pause.through_outages(
            lambda: platform.vision.describe(picture, png, slot), lambda: platform.vision.describe(BLANK, BLANK_PNG, lease)
        )
        await asyncio.to_thread(platform.bucket.put, key, described.model_dump_json().encode())
        return described


def _description_key(document: UUID, png: bytes, asked: str) -> str:
    """It goes with the document: a picture that a revision takes out may come back with the next."""
    return f"descriptions/{document}/{hashlib.sha256(png).hexdigest()}-{asked}"
