"""The ports: what the stages need from engines and stores, and nothing more. Errors are `aegis_assets.errors` everywhere."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Literal, Protocol
from uuid import UUID

from aegis_assets.model.embedding import EmbedderInfo, Embedding, PointPayload, VectorHit, VectorPoint
from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.model.graph import GraphChunk, GraphDocument, GraphEntity, GraphRelation, Triple
from aegis_assets.model.parsing import (
    ChunkDraft,
    ChunkRequest,
    Inspection,
    InspectRequest,
    ParsedWindow,
    ParseRequest,
    Picture,
    PictureDescription,
)
from aegis_assets.model.vector_settings import VectorSettings


class Permit(Protocol):
    """The right to have one request in flight at a language-model server, and where that request reports how it goes.

    The calls return at once and raise nothing, so that a client may report each token.
    """

    def first_token(self) -> None:
        """Note that the server has begun to answer: the request no longer waits in the server's queue."""

    def progress(self) -> None:
        """Note that another token has come."""

    def finished(self, tokens: int) -> None:
        """Note that the answer is whole; tokens: of output, as the server counted them."""

    def refused(self) -> None:
        """Note that the server said it has too much to do (429, 503, or a wait for the first token that passed its limit)."""

    def last_progress(self) -> float:
        """Return when any of our requests to this server last made progress, on `time.monotonic`'s clock."""
        ...


class UncountedPermit:
    """A Permit for a request that no limit counts: it knows of no other request than its own."""

    def __init__(self) -> None:
        self._progress = time.monotonic()

    def first_token(self) -> None:
        self.progress()

    def progress(self) -> None:
        self._progress = time.monotonic()

    def finished(self, tokens: int) -> None:
        self.progress()

    def refused(self) -> None:
        pass

    def last_progress(self) -> float:
        return self._progress


Slot = Callable[[], AbstractAsyncContextManager[Permit]]
"""Wait for a Permit on entry, give it back on exit."""


@asynccontextmanager
async def free_slot() -> AsyncIterator[Permit]:
    """Yield an UncountedPermit at once: the Slot of callers that are under no limit."""
    yield UncountedPermit()


class Parser(Protocol):
    """Bytes in the bucket -> docling artifacts in the bucket. Calls block; a call ends within its limits or raises."""

    def fingerprint(self) -> str: ...
    def inspect(self, request: InspectRequest) -> Inspection: ...
    def parse(self, request: ParseRequest) -> ParsedWindow: ...
    def chunk(self, request: ChunkRequest) -> tuple[ChunkDraft, ...]: ...


class Vision(Protocol):
    """lease: resource and weight that one request needs, None when it needs none. describe holds a slot while the model works."""

    lease: tuple[str, int] | None

    def fingerprint(self) -> str: ...
    async def check(self) -> None: ...
    async def describe(self, picture: Picture, png: bytes, slot: Slot = free_slot) -> PictureDescription: ...


class Embedder(Protocol):
    """batch: texts per forward pass, 0 for the engine's own number."""

    lease: tuple[str, int] | None

    def info(self) -> EmbedderInfo: ...
    def embed(self, texts: Sequence[str], kind: Literal["passage", "query"], batch: int = 0) -> list[Embedding]: ...


class Extractor(Protocol):
    """extract holds a slot while the model works, not while it writes a prompt, reads an answer or waits to ask again.
    takes_pairs: whether a request costs so much beside its text that a collection may want two chunks in one.
    named: with the model that the schema wants. earlier: fingerprints of earlier releases under which a result stays valid."""

    lease: tuple[str, int] | None
    name: str
    takes_pairs: bool

    def named(self, schema: Schema) -> str: ...
    def fingerprint(self, schema: Schema) -> str: ...
    def earlier(self, schema: Schema) -> tuple[str, ...]: ...
    async def check(self, schema: Schema | None = None) -> None: ...
    async def extract(self, text: str, schema: Schema, slot: Slot = free_slot) -> Extraction: ...


class Describer(Protocol):
    """Says what something is, from sentences that name it; '' where nothing usable came. describe holds a slot while the model
    works."""

    lease: tuple[str, int] | None

    async def describe(self, name: str, sentences: Sequence[str], schema: Schema, slot: Slot = free_slot) -> str: ...


class Bucket(Protocol):
    """Keys are relative, '/'-separated. Writing a key twice replaces it. before: lists only what was written then."""

    def put(self, key: str, content: bytes) -> None: ...
    def put_file(self, key: str, path: Path) -> None: ...
    def get(self, key: str) -> bytes: ...
    def download(self, key: str, path: Path) -> None: ...
    def exists(self, key: str) -> bool: ...
    def keys(self, prefix: str, before: datetime | None = None) -> Iterator[str]: ...
    def delete(self, key: str) -> None: ...
    def delete_prefix(self, prefix: str) -> int: ...


class Vectors(Protocol):
    """One vector collection per collection, named vectors `dense` and `sparse`. Upserts by chunk id.

    carries_text: points carry a PointText, and only chunks that answer searches have points. set_live: gives points that are there
    their payload, and returns the ids of those that are not.
    """

    @property
    def carries_text(self) -> bool: ...
    def ensure(self, collection: UUID, info: EmbedderInfo, settings: VectorSettings | None = None) -> None: ...
    def upsert(self, collection: UUID, points: Sequence[VectorPoint]) -> None: ...
    def set_live(self, collection: UUID, points: Sequence[PointPayload]) -> set[UUID]: ...
    def delete(self, collection: UUID, chunks: Sequence[UUID]) -> None: ...
    def delete_document(self, collection: UUID, document: UUID) -> None: ...
    def chunks_of(self, collection: UUID, documents: Sequence[UUID]) -> dict[UUID, set[UUID]]: ...
    def documents(self, collection: UUID) -> set[UUID]: ...
    def search(self, collection: UUID, query: Embedding, limit: int) -> list[VectorHit]: ...


class Graph(Protocol):
    """The collection scopes every key. Writes are upserts in batches, retried on conflict; several may run side by side.

    Chunks carry their embeddings where `keeps_embeddings` says so; embedder: its fingerprint. write_evidence: gives each of the
    chunks exactly these entities. entity_counts: of each document, how many entities have evidence in its chunks. entities_held:
    the chunks that each entity counts, of those that are there. relations_held: chunks and documents of each relation by its id,
    likewise.
    """

    def ensure_schema(self) -> None: ...
    def write_documents(self, collection: UUID, documents: Sequence[tuple[GraphDocument, Iterable[GraphChunk]]]) -> None: ...
    def keeps_embeddings(self) -> bool: ...
    def embedded(self, collection: UUID, documents: Sequence[UUID], embedder: str) -> set[UUID]: ...
    def write_embeddings(self, collection: UUID, vectors: Mapping[UUID, Sequence[float]], embedder: str) -> None: ...
    def mark_live(self, collection: UUID, live: Mapping[UUID, Collection[UUID]]) -> None: ...
    def write_entities(self, collection: UUID, entities: Sequence[GraphEntity]) -> None: ...
    def write_evidence(self, collection: UUID, evidence: Mapping[UUID, Collection[UUID]]) -> None: ...
    def write_relations(self, collection: UUID, relations: Sequence[GraphRelation]) -> None: ...
    def delete_chunks(self, collection: UUID, chunks: Sequence[UUID]) -> None: ...
    def delete_entities(self, collection: UUID, entities: Sequence[UUID]) -> None: ...
    def delete_relations(self, collection: UUID, relations: Mapping[UUID, Triple]) -> None: ...
    def delete_document(self, collection: UUID, document: UUID) -> None: ...
    def chunks_of(self, collection: UUID, documents: Sequence[UUID]) -> dict[UUID, set[UUID]]: ...
    def entity_counts(self, collection: UUID, documents: Sequence[UUID]) -> dict[UUID, int]: ...
    def entities_held(self, collection: UUID, entities: Collection[UUID]) -> dict[UUID, int]: ...
    def relations_held(self, collection: UUID, relations: Mapping[UUID, Triple]) -> dict[UUID, tuple[int, int]]: ...


class Leases(Protocol):
    """hold() waits for `weight` of `resource`, fair between owners, and gives it back on exit or when the holder dies."""

    def hold(self, resource: str, weight: int, owner: UUID) -> AbstractAsyncContextManager[Permit]: ...


class TokenUsage(Protocol):
    """How many tokens of a language model that is paid for the calendar month (UTC) has had, over all processes. Calls block."""

    def reserve_tokens(self, tokens: int, limit: int) -> date | None:
        """Count these before a request. Return the month that they count for; None, and count nothing, if they would pass the
        limit. limit: 0 for none."""
        ...

    def settle_tokens(self, month: date, reserved: int, prompt_tokens: int, completion_tokens: int) -> None:
        """Replace what was reserved by what the request took."""
        ...

    def tokens_this_month(self) -> int: ...
