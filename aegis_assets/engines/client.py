"""Port calls -> requests to the resident engine server. Imports nothing heavy: ops and the web process use it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final, Literal, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from aegis_assets.engines.engine_http import CALL_SECONDS, EngineHttp, timeout
from aegis_assets.engines.service.wire import TEXTS_PER_REQUEST as MOST_TEXTS
from aegis_assets.engines.service.wire import (
    ChunkAnswer,
    EmbedAnswer,
    EmbedBody,
    Health,
    PageAnswer,
    PageBody,
    ParserAnswer,
    RerankAnswer,
    RerankBody,
    ServerInfo,
    error_of,
)
from aegis_assets.errors import EngineFailed, EngineUnavailable
from aegis_assets.model.embedding import EmbedderInfo, Embedding
from aegis_assets.model.parsing import (
    ChunkDraft,
    ChunkRequest,
    Inspection,
    InspectRequest,
    ParsedWindow,
    ParseRequest,
)
from aegis_assets.settings import Settings

Answer = TypeVar("Answer", bound=BaseModel)

# A caller's texts go out as several requests at once, each a forward pass of the model: between two of them a search overtakes.
TEXTS_PER_REQUEST: Final = 16
REQUESTS_AT_ONCE: Final = 4
QUERY_SECONDS: Final = 60.0  # a search overtakes the texts of documents, and somebody is looking at the page
PAGE_SECONDS: Final = 40.0  # the server's limit and its patience; somebody looks at the page here too
INFO_SECONDS: Final = 15.0
CHECK_SECONDS: Final = 60.0  # of the trial of a parser elsewhere, which ends by itself after half a minute
VRAM_MB: Final = {"minilm": 600, "bge-m3": 2600}  # fp16 weights and activations of one batch of 16 x 512 tokens


class EngineClient(EngineHttp):
    """The ports Parser and Embedder. Thread-safe; one per process is enough."""

    def __init__(
        self,
        address: str,
        token: str = "",
        *,
        lease: tuple[str, int] | None = None,
        parse_seconds: float = 300.0,
        patience: float = 60.0,
        queue_seconds: float = 21_600.0,
        texts_per_request: int = TEXTS_PER_REQUEST,
        info_seconds: float = math.inf,
    ) -> None:
        """parse_seconds: the server's limit on one parse, of which a call may be two and the storing of what came out.

        info_seconds: for how long to believe what the server is. A run does so to its end: its marks are of one fingerprint.
        """
        self.lease = lease
        self._texts_per_request = min(texts_per_request, MOST_TEXTS)
        super().__init__(address, token, patience, queue_seconds, 3 * parse_seconds + 60)
        self._info: ServerInfo | None = None
        self._info_seconds, self._info_until = info_seconds, 0.0
        self._lock = Lock()

    @classmethod
    def from_settings(cls, chosen: Settings, info_seconds: float = math.inf) -> EngineClient:
        lease = None
        if chosen.embedder_device.startswith("cuda") and not chosen.embeds_by_url:
            lease = ("vram", min(VRAM_MB[chosen.local_embedder], chosen.vram_budget_mb))
        token = chosen.engine_token.get_secret_value()
        size = chosen.embedding_batch_size
        return cls(
            chosen.engine_address,
            token,
            lease=lease,
            parse_seconds=chosen.parse_timeout,
            patience=chosen.outage_seconds,
            queue_seconds=chosen.engine_queue_seconds,
            texts_per_request=size,
            info_seconds=info_seconds,
        )

    # Parser

    def fingerprint(self) -> str:
        """Raises EngineUnavailable or Misconfigured where a docling-serve parses and does not say what it is."""
        info = self.server_info()
        if info.problem is not None:
            raise error_of(info.problem)
        return info.parser

    def check_parser(self) -> str:
        """Return what parses elsewhere, after it has converted a page; '' where the engine server parses. Raises AegisError."""
        return self._call("GET", "/parser", None, ParserAnswer, CHECK_SECONDS).parser

    def inspect(self, request: InspectRequest) -> Inspection:
        return self._queued("/inspect", request, Inspection)

    def parse(self, request: ParseRequest) -> ParsedWindow:
        return self._queued("/parse", request, ParsedWindow)

    def chunk(self, request: ChunkRequest) -> tuple[ChunkDraft, ...]:
        return self._queued("/chunk", request, ChunkAnswer).chunks

    async def page(self, request: PageBody) -> PageAnswer:
        """A picture of one page. Cancelling it stops the drawing."""
        return await self.post("/page", request, PageAnswer, PAGE_SECONDS)

    # Embedder

    def info(self) -> EmbedderInfo:
        return self.server_info().embedder

    def embed(self, texts: Sequence[str], kind: Literal["passage", "query"], batch: int = 0) -> list[Embedding]:
        """Texts of like length go together, the longest first, so that a forward pass needs little padding."""
        clean = [writable(text) for text in texts]
        order = sorted(range(len(clean)), key=lambda place: -len(clean[place]))
        size = min(batch, MOST_TEXTS) or self._texts_per_request
        parts = [tuple(clean[place] for place in order[start : start + size]) for start in range(0, len(order), size)]
        if len(parts) <= 1:
            answers = [self._embed(part, kind, batch) for part in parts]
        else:
            with ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="embed") as pool:
                answers = list(pool.map(lambda part: self._embed(part, kind, batch), parts))
        found = dict(zip(order, (embedding for answer in answers for embedding in answer), strict=True))
        return [found[place] for place in range(len(clean))]

    def _embed(self, texts: tuple[str, ...], kind: Literal["passage", "query"], batch: int) -> tuple[Embedding, ...]:
        seconds = QUERY_SECONDS if kind == "query" else CALL_SECONDS
        answer = self._post("/embed", EmbedBody(texts=texts, kind=kind, batch=batch), EmbedAnswer, seconds)
        if len(answer.embeddings) != len(texts):
            raise EngineFailed(f"The embedder returned {len(answer.embeddings)} vectors for {len(texts)} texts.")
        with self._lock:
            if self._info is not None and self._info.embedder != answer.info:
                self._info = None  # the server came back with another model
        return answer.embeddings

    # Reranker

    def rerank(self, query: str, texts: Sequence[str], seconds: float) -> tuple[float, ...]:
        """Return how well each text answers the query, from 0 to 1. Raises AegisError, after `seconds` at the latest."""
        body = RerankBody(query=writable(query), texts=tuple(writable(text) for text in texts))
        try:
            scores = self._post("/rerank", body, RerankAnswer, seconds).scores
        except EngineUnavailable as error:
            if not isinstance(error.__cause__, httpx.ReadTimeout):
                raise
            raise EngineUnavailable(
                f"The reranker did not answer within {seconds:g} s: it may still be loading; else give it a GPU, or lower"
                " AEGIS_RERANK_HITS."
            ) from error
        if len(scores) != len(texts):
            raise EngineFailed("The reranker's answer has the wrong shape.", retryable=False)
        return scores

    # What the server is

    def server_info(self) -> ServerInfo:
        """Return what the server is. Ask it once, and again when it turns out to have another model, did not know its parser, or
        when `info_seconds` are over."""
        with self._lock:
            known = self._info if time.monotonic() < self._info_until else None
        if known is not None:
            return known
        answer = self._call("GET", "/info", None, ServerInfo, INFO_SECONDS)
        with self._lock:
            self._info = answer if answer.problem is None and answer.extractor_problem is None else None
            self._info_until = time.monotonic() + self._info_seconds
        return answer

    def forget(self) -> None:
        """Ask again what the server is, the next time that it is needed."""
        with self._lock:
            self._info = None

    def health(self) -> Health:
        """Return how each of its engines is; it needs no token. Raises EngineUnavailable if nobody answers."""
        try:
            response = self._client.get("/health", timeout=timeout(INFO_SECONDS))
        except httpx.HTTPError as error:
            raise self._failure(error, INFO_SECONDS) from error
        try:
            return Health.model_validate_json(response.content)  # also with status 503, as long as one engine is not ready
        except ValidationError as error:
            raise EngineFailed("The engine server answered with something this version does not understand.") from error


def writable(text: str) -> str:
    """A lone surrogate cannot be written as JSON. Each becomes one '?', so that spans in the text stay right."""
    return text.encode("utf-8", "replace").decode()
