"""plan: a document's bytes -> its generation, its windows, and the windows with missing work.

Windows that an earlier generation parsed and chunked with the same content and fingerprints are adopted here, without an engine:
so an edited document goes only through the windows that the edit touches.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from uuid import UUID

from aegis_assets.errors import BadInput
from aegis_assets.model.document import Mark, Stage
from aegis_assets.model.ledger import DocumentRow, GenerationRow, WindowRow
from aegis_assets.model.parsing import Heading, InspectRequest
from aegis_assets.pipeline.flow.fingerprints import Fingerprints, current
from aegis_assets.pipeline.flow.headings import after
from aegis_assets.pipeline.flow.late import delete_files, undone_if_removed
from aegis_assets.pipeline.flow.platform import Platform, record
from aegis_assets.pipeline.plan import cut


@dataclass(frozen=True)
class Plan:
    """A document's windows with missing work, in order. unit: what their first and last parts are."""

    unit: Literal["page", "section"]
    windows: tuple[WindowRow, ...]


def plan_document(platform: Platform, document: UUID, run_id: str, alive: Callable[[str], bool]) -> Plan:
    """Return the document's missing work. Raises NotFound and NotAllowed; what is wrong with the document itself is recorded and
    raised."""
    row = platform.ledger.begin(document, run_id, alive)
    try:
        return _missing(platform, row, run_id)
    except Exception as error:
        record(platform, error, document=document, run_id=run_id, stage=Stage.PARSE)
        raise


def _missing(platform: Platform, row: DocumentRow, run_id: str) -> Plan:
    row = fetched(platform, row, run_id)
    schema = platform.ledger.collection(row.collection).schema
    prints = current(platform, schema)
    generation = platform.ledger.generation_for(row.id, run_id, row.sha256, row.blob, row.size, prints.plan)
    if generation.inspection is None or generation.plan_fingerprint != prints.plan:
        generation = _inspect(platform, row, generation, prints, run_id)
    assert generation.inspection is not None, "saved with the plan"
    platform.ledger.set_engines(
        row.id,
        run_id,
        parser=generation.inspection.parser,
        embedder=platform.embedder.info().name,
        extractor=platform.extractor.named(schema),
    )
    unsure = adopt(platform, generation, prints, run_id)
    stages = (prints.parse, prints.embed, prints.extract, prints.earlier)
    missing = set(platform.ledger.missing_windows(generation.id, run_id, *stages)) | unsure
    windows = tuple(window for window in platform.ledger.windows(generation.id) if window.id in missing)
    return Plan(generation.inspection.unit, windows)


def fetched(platform: Platform, row: DocumentRow, run_id: str) -> DocumentRow:
    """The document with its bytes in our bucket, under their hash: a watched object may change or vanish while we work."""
    if row.blob:
        return row
    with tempfile.TemporaryDirectory(prefix="aegis-fetch-") as folder:
        path = Path(folder) / "content"
        platform.fetch(row.source_key, path)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        blob, size = f"blobs/{digest}", path.stat().st_size
        discard = partial(platform.ledger.discard, blob, platform.bucket.delete)
        with undone_if_removed(platform, row.id, discard), platform.ledger.storing(blob):
            platform.bucket.put_file(blob, path)
            return platform.ledger.set_content(row.id, run_id, blob, digest, size)


def _inspect(platform: Platform, row: DocumentRow, generation: GenerationRow, prints: Fingerprints, run_id: str) -> GenerationRow:
    artifacts = f"artifacts/{row.id}/whole-{row.sha256[:16]}-{prints.parse}"
    inspection = platform.parser.inspect(InspectRequest(blob=row.blob, name=row.name, artifacts=artifacts))
    if not inspection.parts:
        raise BadInput("The document holds no text and no pages.", kind="empty")
    platform.ledger.add_seconds(run_id, [row.id], Stage.PARSE, inspection.seconds)
    plans = cut(inspection, platform.numbers.window_pages, platform.numbers.window_chunks, prints.parse)
    with undone_if_removed(platform, row.id, partial(delete_files, platform, row.id)):
        return platform.ledger.save_plan(generation.id, run_id, inspection, prints.plan, plans)


def adopt(platform: Platform, generation: GenerationRow, prints: Fingerprints, run_id: str) -> set[UUID]:
    """Take over what a window with the same key has from before: the parse always, the chunks where the open headings are known.

    Returns the windows of which only enrich can tell whether their chunks still stand: a window before them is not parsed yet.
    """
    unsure: set[UUID] = set()
    open_headings: tuple[Heading, ...] | None = ()
    for window in platform.ledger.windows(generation.id):
        parsed = window.parsed if is_parsed(window, prints) else None
        if parsed is None:
            parsed = platform.ledger.sibling_parse(window.document, window.key, prints.parse)
            if parsed is not None:
                platform.ledger.adopt_parse(window.id, run_id, parsed, prints.parse)
        headings = window.headings if window.headings is not None else open_headings
        if headings is not None and parsed is not None:
            wanted = prints.enrich(window.key, headings)
            if window.enrich_state != Mark.DONE or window.enrich_fingerprint != wanted:
                source = platform.ledger.sibling_chunks(window.document, window.key, wanted)
                if source is not None and source != window.id:
                    platform.ledger.adopt_chunks(window.id, run_id, source, wanted)
                else:
                    platform.ledger.reopen(window.id, run_id)
        if headings is None:
            unsure.add(window.id)
        open_headings = None if headings is None or parsed is None else after(headings, parsed.headings)
    return unsure


def is_parsed(window: WindowRow, prints: Fingerprints) -> bool:
    return window.parse_state == Mark.DONE and window.parse_fingerprint == prints.parse and window.parsed is not None
