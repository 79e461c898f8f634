"""Short ways to the states that the tests of the ledger start from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

from aegis_assets.model import ids
from aegis_assets.model.document import Stage, State
from aegis_assets.model.extraction import Extraction, Mention, Relation
from aegis_assets.model.ledger import Extracted, GenerationRow, Registered
from aegis_assets.model.parsing import Box, ChunkDraft, Heading, Inspection, ParsedWindow, Part, WindowPlan
from aegis_assets.stores.ledger import Ledger

PARSE, EMBED, EXTRACT, PLAN, CHUNKS = "parse-1", "embed-1", "extract-1", "plan-1", "chunks-1"
RUN = "run-1"


def dead(run_id: str) -> bool:
    return False


def living(run_id: str) -> bool:
    return True


def sha(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def register(ledger: Ledger, name: str = "a.md", content: str = "one", collection: str = "books") -> Registered:
    return ledger.register(collection, "upload", name, name, f"blobs/{sha(content)}", sha(content), len(content))


def running(ledger: Ledger, name: str = "a.md", content: str = "one", collection: str = "books", run_id: str = RUN) -> UUID:
    document = register(ledger, name, content, collection).document
    ledger.begin(document, run_id, dead)
    return document


def inspection(parts: int = 2) -> Inspection:
    return Inspection(
        format="pdf",
        media_type="application/pdf",
        unit="page",
        parts=tuple(Part(hash=str(number)) for number in range(parts)),
        pages=parts,
        parser="rules",
        facts={"body": 10.5},
    )


def plans(*keys: str) -> list[WindowPlan]:
    return [WindowPlan(ordinal=n, first=n + 1, last=n + 1, key=key, headings=None) for n, key in enumerate(keys)]


def planned(ledger: Ledger, document: UUID, *keys: str, content: str = "one", run_id: str = RUN, plan: str = PLAN) -> GenerationRow:
    generation = ledger.generation_for(document, run_id, sha(content), f"blobs/{sha(content)}", len(content), plan)
    saved = ledger.save_plan(generation.id, run_id, inspection(len(keys)), plan, plans(*keys))
    ledger.missing_windows(saved.id, run_id, PARSE, EMBED, EXTRACT)
    return saved


def parsed(artifact: str = "artifacts/x") -> ParsedWindow:
    return ParsedWindow(
        artifact=artifact,
        items=1,
        characters=10,
        headings=(Heading(level=1, text="Title"),),
        pictures=(),
        parser="rules",
        seconds=0.1,
        peak_mb=10.0,
    )


def draft(text: str, page: int = 1, headings: tuple[str, ...] = ("Title",)) -> ChunkDraft:
    box = Box(page=page, l=1, t=2, r=3, b=4)
    return ChunkDraft(text=text, headings=headings, pages=(page,), boxes=(box,), tokens=len(text.split()))


def extraction(*names: str, kind: str = "person", relation: str = "") -> Extraction:
    mentions = tuple(Mention(name=name, type=kind, start=n, end=n + len(name)) for n, name in enumerate(names))
    relations = (Relation(source=0, target=1, type=relation, confidence=0.5, start=0, end=9),) if relation else ()
    return Extraction(mentions=mentions, relations=relations, calls=1, prompt_tokens=7, completion_tokens=3)


def enriched(ledger: Ledger, window: UUID, texts: Sequence[str], run_id: str = RUN) -> list[UUID]:
    ledger.start_window(window, Stage.PARSE, run_id)
    ledger.save_parsed(window, run_id, parsed(), PARSE, 0.5)
    return ledger.save_chunks(window, run_id, [draft(text) for text in texts], CHUNKS, 0.25)


def done(ledger: Ledger, document: UUID, chunks: Sequence[UUID], run_id: str = RUN, found: Extraction | None = None) -> None:
    """Embedded and extracted."""
    ledger.save_embedded(document, run_id, chunks, EMBED, 0.1)
    for chunk in chunks:
        ledger.save_extractions(document, run_id, EXTRACT, [Extracted(chunk, found or extraction("Ada Lovelace"), seconds=0.1)])


def publish(ledger: Ledger, document: UUID, generation: int) -> None:
    """The switch of the generations alone, as publish makes it."""
    with ledger.transaction() as connection:
        connection.execute(
            "UPDATE aegis_generation SET state = 'superseded' WHERE document_id = %s AND state = 'live'", (document,)
        )
        connection.execute("UPDATE aegis_generation SET state = 'live', published_at = now() WHERE id = %s", (generation,))
        connection.execute("UPDATE aegis_document SET live_id = %s, making_id = NULL WHERE id = %s", (generation, document))


def ingested(ledger: Ledger, texts: Sequence[Sequence[str]], name: str = "a.md", content: str = "one", run_id: str = RUN) -> UUID:
    """A document that succeeded; each inner list is a window."""
    document = running(ledger, name, content, run_id=run_id)
    generation = planned(ledger, document, *(sha(repr(window)) for window in texts), content=content, run_id=run_id)
    for window, lines in zip(ledger.windows(generation.id), texts, strict=True):
        done(ledger, document, enriched(ledger, window.id, lines, run_id), run_id)
    publish(ledger, document, generation.id)
    ledger.finish(document, run_id, State.SUCCEEDED, "")
    return document


def collection(name: str = "books") -> UUID:
    return ids.collection_id(name)
