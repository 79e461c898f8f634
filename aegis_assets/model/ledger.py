"""Rows of the ledger as the flow, the commands and the pages read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from aegis_assets.model.document import Mark, Stage, State
from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.model.parsing import Box, Frozen, Heading, Inspection, ParsedWindow
from aegis_assets.model.waiting import Waiting, sentence


@dataclass(frozen=True)
class CollectionRow:
    """A dataclass because pydantic has a method named `schema`."""

    id: UUID
    name: str
    schema: Schema


class DocumentRow(Waiting):
    """collection: its id. live, making: ids of generations. blob is empty until a run has fetched a watched object."""

    id: UUID
    collection: UUID
    name: str
    source: Literal["upload", "bucket"]
    source_key: str
    state: State
    message: str
    blob: str
    sha256: str
    size: int
    format: str
    media_type: str
    parser: str
    extractor: str
    embedder: str
    live: int | None
    making: int | None
    run_id: str
    cancel_requested: bool
    fraction: float
    created_at: datetime
    updated_at: datetime

    @property
    def sentence(self) -> str:
        """Return the sentence that goes with the state, as it is now."""
        return sentence(self.state, self.message, self)


class WaitingRuns(Frozen):
    """Numbers of runs: of small documents, which share one, and of large ones."""

    small: int
    large: int


UNLIMITED: Final = WaitingRuns(small=2**31 - 1, large=2**31 - 1)


class RemovedRow(Frozen):
    """A document that is gone. back: it was ingested again under the same id."""

    id: int
    document: UUID
    collection: UUID
    back: bool


class Registered(Frozen):
    """document: the row that holds these bytes; for a duplicate that of the other name. replaced: the blob that it had before and
    that no run has begun to read, '' normally. made_pending: it waits for a run because of these bytes; nobody had asked for one
    before. made_collection: the collection was not there before."""

    document: UUID
    outcome: Literal["new", "unchanged", "revised", "duplicate"]
    duplicate_of: UUID | None
    duplicate_name: str | None
    state: State
    replaced: str = ""
    made_pending: bool = False
    made_collection: bool = False


class GenerationRow(Frozen):
    id: int
    document: UUID
    number: int
    state: Literal["making", "live", "superseded"]
    sha256: str
    blob: str
    size: int
    inspection: Inspection | None
    plan_fingerprint: str
    pages: int | None


class ParseSource(Frozen):
    """The part of a generation's `Inspection` that each of its windows is parsed from. length: number of parts."""

    blob: str
    format: str
    unit: Literal["page", "section"]
    whole: str | None
    length: int
    facts: dict[str, object]


class WindowHeadings(Frozen):
    """A window's headings. at_start: open where it begins, None where only the windows before it can tell. inside: in order."""

    at_start: tuple[Heading, ...] | None
    inside: tuple[Heading, ...]


class WindowRow(Frozen):
    """first, last: parts of the document, from 1, inclusive. A stage is done when marked so under the current fingerprint."""

    id: UUID
    document: UUID
    generation: int
    ordinal: int
    first: int
    last: int
    key: str
    headings: tuple[Heading, ...] | None
    parse_state: Mark
    parse_fingerprint: str
    parsed: ParsedWindow | None
    enrich_state: Mark
    enrich_fingerprint: str


class ChunkRow(Frozen):
    """attempts: how often this chunk failed in the stage that was asked for."""

    id: UUID
    document: UUID
    text: str
    text_hash: str
    tokens: int
    attempts: int


class Showing(Frozen):
    """A document's generations: live and making as in DocumentRow, removing: it is on its way out of the stores."""

    document: UUID
    live: int | None
    making: int | None
    removing: bool


@dataclass(frozen=True)
class Extracted:
    """Hold what was found in a chunk. cached: without a call, from an equal text. seconds: of the call.

    cache_key: the fingerprint by which it is cached for equal texts; empty: that of the mark.
    """

    chunk: UUID
    extraction: Extraction
    cached: bool = False
    seconds: float = 0.0
    cache_key: str = ""


class FailureRow(Frozen):
    """window_ordinal, chunk: what failed, None for the whole document."""

    id: int
    document: UUID
    window: UUID | None
    window_ordinal: int | None
    chunk: UUID | None
    stage: Stage
    kind: str
    retryable: bool
    message: str
    attempt: int
    run_id: str
    resolved: bool
    created_at: datetime


class Counts(Frozen):
    """Of the generation that a document shows: the one in the making, else the live one. vectors: chunks marked as embedded.

    entities and relations are canonical: what the graph holds of them.
    """

    pages: int
    windows: int
    chunks: int
    vectors: int
    mentions: int
    entities: int
    relations: int


class Summary(Frozen):
    """A document's generation in the making, else its live one, and the seconds that a run spent on it in each stage.

    parsed, enriched: windows. embedded, extracted: chunks. What failed is not among them.
    """

    document: UUID
    name: str
    collection: str
    generation: int
    pages: int
    windows: int
    chunks: int
    parsed: int
    parse_failed: int
    enriched: int
    enrich_failed: int
    embedded: int
    embed_failed: int
    extracted: int
    extract_failed: int
    parse: float
    enrich: float
    embed: float
    extract: float
    resolve: float
    publish: float


class WindowWork(Frozen):
    """A window and the work of one stage on it.

    first, last: pages, or sections of a document that has no pages. failed: of the stage that was asked for, the window itself in
    parse and enrich, chunks in embed and extract. reason: why the last of them failed.
    """

    window: UUID
    document: str
    first: int
    last: int
    has_pages: bool
    chunks: int
    failed: int
    reason: str


@dataclass(frozen=True)
class Ending:
    """Of a run's work on a document. message: a sentence for a person, '' where there is nothing to say."""

    document: UUID
    state: State
    message: str = ""


class NamedEntity(Frozen):
    id: UUID
    name: str
    type: str


class SearchRow(Frozen):
    """What a hit shows. pages: from 1, empty for formats without pages. entities: canonical."""

    chunk: UUID
    collection: UUID
    document: UUID
    document_name: str
    pages: tuple[int, ...]
    headings: tuple[str, ...]
    boxes: tuple[Box, ...]
    text: str
    entities: tuple[NamedEntity, ...]
