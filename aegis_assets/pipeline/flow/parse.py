"""parse_window: pages or sections -> a docling artifact in the bucket, by the parser behind the port."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

from aegis_assets.errors import Superseded
from aegis_assets.model.document import Stage
from aegis_assets.model.ledger import WindowRow
from aegis_assets.model.parsing import ParseRequest
from aegis_assets.pipeline.flow.fingerprints import Fingerprints, of_collection
from aegis_assets.pipeline.flow.plan import is_parsed
from aegis_assets.pipeline.flow.platform import Platform, record


async def parse_window(platform: Platform, window: UUID, run_id: str) -> None:
    """Nothing to do where it is parsed already. A failure is recorded on the window."""
    row = platform.ledger.window(window)
    prints = of_collection(platform, platform.ledger.document(row.document).collection)
    if is_parsed(row, prints):
        return
    try:
        platform.ledger.check(row.document, run_id)
        await _parse(platform, row, prints, run_id)
    except Superseded:
        return
    except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
        record(platform, error, document=row.document, run_id=run_id, stage=Stage.PARSE, window=window)


async def _parse(platform: Platform, row: WindowRow, prints: Fingerprints, run_id: str) -> None:
    document = platform.ledger.document(row.document)
    inspection = platform.ledger.generation(row.generation).inspection
    assert inspection is not None, "plan stores the inspection before it yields windows"
    platform.ledger.start_window(row.id, Stage.PARSE, run_id)
    started = time.monotonic()
    request = ParseRequest(
        blob=platform.ledger.generation(row.generation).blob,
        name=document.name,
        format=inspection.format,
        unit=inspection.unit,
        whole=inspection.whole,
        first=row.first,
        last=row.last,
        length=len(inspection.parts),
        facts=inspection.facts,
        # `first` too: two windows of the same content at two places differ in their page numbers.
        artifacts=f"artifacts/{row.document}/{row.key}-{row.first}-{prints.parse}",
    )
    parsed = (await asyncio.to_thread(platform.parser.parse, request)).model_copy(update={"first": row.first})
    platform.ledger.save_parsed(row.id, run_id, parsed, prints.parse, time.monotonic() - started)
    if not document.parser:  # a format that is parsed window by window: known only now
        platform.ledger.set_engines(
            row.document, run_id, parser=parsed.parser, embedder=document.embedder, extractor=document.extractor
        )
