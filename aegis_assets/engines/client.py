"""Port calls -> requests to the resident engine server. Imports nothing heavy: ops and the web process use it.

Who would retry a 503? Only this file. A server that is down or starting is asked again for `patience` seconds, because its
supervisor restarts it within a quarter of a minute; an answer, whatever it says, is never asked for twice.
"""

from __future__ import annotations

import base64
import math
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final, Literal, TypedDict, TypeVar

import httpx
import stamina
from pydantic import BaseModel, ValidationError

from aegis_assets.engines.service.wire import TEXTS_PER_REQUEST as MOST_TEXTS
from aegis_assets.engines.service.wire import (
    ChunkAnswer,
    EmbedAnswer,
    EmbedBody,
    Health,
    OcrAnswer,
    PageAnswer,
    PageBody,
    ParserAnswer,
    RerankAnswer,
    RerankBody,
    ServerInfo,
    decode_error,
    error_of,
)
from aegis_assets.errors import AegisError, EngineFailed, EngineUnavailable, EngineUnreachable
from aegis_assets.model.embedding import EmbedderInfo, Embedding
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
from aegis_assets.pipeline.ports import Slot, free_slot
from aegis_assets.settings import Settings

Answer = TypeVar("Answer", bound=BaseModel)

# A caller's texts go out as several requests at once, each a forward pass of the model: between two of them a search overtakes.
TEXTS_PER_REQUEST: Final = 16
REQUESTS_AT_ONCE: Final = 4
CONNECT_SECONDS: Final = 5.0
# The server notices a model that hangs and says so; until then a call may wait for its turn behind the texts of other callers.
CALL_SECONDS: Final = 1800.0
QUERY_SECONDS: Final = 60.0  # a search overtakes the texts of documents, and somebody is looking at the page
PAGE_SECONDS: Final = 40.0  # the server's limit and its patience; somebody looks at the page here too
INFO_SECONDS: Final = 15.0
CHECK_SECONDS: Final = 60.0  # of the trial of a parser elsewhere, which ends by itself after half a minute
RETRY: Final[_Backoff] = {"attempts": None, "wait_initial": 0.2, "wait_max": 5.0, "wait_jitter": 1.0}
VRAM_MB: Final = {"minilm": 600, "bge-m3": 2600}  # fp16 weights and activations of one batch of 16 x 512 tokens


class _Backoff(TypedDict):
    attempts: None
    wait_initial: float
    wait_max: float
    wait_jitter: float


class _Away(EngineUnavailable):
    """Down, starting, or closed the connection: the one thing that is asked again."""


class _Unreachable(_Away, EngineUnreachable):
    """Nobody answers at the address."""


class EngineClient:
    """The ports Parser and Embedder. Thread-safe; one per process is enough."""

    def __init__(
        self,
        address: str,
        token: str = "",
        *,
        lease: tuple[str, int] | None = None,
        parse_seconds: float = 300.0,
        patience: float = 60.0,
        texts_per_request: int = TEXTS_PER_REQUEST,
        info_seconds: float = math.inf,
    ) -> None:
        """parse_seconds: the server's limit on one parse. The client waits longer, since a parse may queue behind others.

        info_seconds: for how long to believe what the server is. A run does so to its end: its marks are of one fingerprint.
        """
        self.lease = lease
        self._address = address.rstrip("/")
        self._patience = patience
        self._texts_per_request = min(texts_per_request, MOST_TEXTS)
        self._slow = 3 * parse_seconds + 60
        # Made once: httpx would load the authorities for each client, also for plain http, which costs 40 ms a call. Without TLS an
        # empty context does, and it would trust nobody.
        tls = ssl.create_default_context() if address.startswith("https") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._options = {
            "base_url": self._address,
            "headers": {"Authorization": f"Bearer {token}".encode()} if token else {},
            "timeout": httpx.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS),
            "trust_env": False,  # a proxy from the environment must not see loopback traffic
            "verify": tls,
        }
        self._client = httpx.Client(**self._options)  # type: ignore[arg-type]
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
            texts_per_request=size,
            info_seconds=info_seconds,
        )

    def close(self) -> None:
        self._client.close()

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
        return self._post("/inspect", request, Inspection, self._slow)

    def parse(self, request: ParseRequest) -> ParsedWindow:
        return self._post("/parse", request, ParsedWindow, self._slow)

    def chunk(self, request: ChunkRequest) -> tuple[ChunkDraft, ...]:
        return self._post("/chunk", request, ChunkAnswer, self._slow).chunks

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
            self._info = answer if answer.problem is None else None
            self._info_until = time.monotonic() + self._info_seconds
        return answer

    def forget(self) -> None:
        """Ask again what the server is, the next time that it is needed."""
        with self._lock:
            self._info = None

    def health(self) -> Health:
        """Return how each of its engines is; it needs no token. Raises EngineUnavailable if nobody answers."""
        try:
            response = self._client.get("/health", timeout=_timeout(INFO_SECONDS))
        except httpx.HTTPError as error:
            raise self._failure(error, INFO_SECONDS) from error
        try:
            return Health.model_validate_json(response.content)  # also with status 503, as long as one engine is not ready
        except ValidationError as error:
            raise EngineFailed("The engine server answered with something this version does not understand.") from error

    def _post(self, path: str, body: BaseModel, answer: type[Answer], seconds: float) -> Answer:
        return self._call("POST", path, _encode(body), answer, seconds)

    def _call(self, method: str, path: str, content: bytes | None, answer: type[Answer], seconds: float) -> Answer:
        for attempt in stamina.retry_context(on=_Away, timeout=self._patience, **RETRY):
            with attempt:
                try:
                    response = self._client.request(method, path, content=content, timeout=_timeout(seconds))
                except httpx.HTTPError as error:
                    raise self._failure(error, seconds) from error
                return _decode(response, answer)
        raise AssertionError("stamina ends with an answer or an error")

    async def post(self, path: str, body: BaseModel, answer: type[Answer], seconds: float = CALL_SECONDS) -> Answer:
        """The same without blocking. Cancelling it closes the connection, which stops OCR on the server; a text that waits for a
        model is computed all the same, with those beside it.

        A client per call: a kept connection belongs to the event loop that made it, and each op has its own.
        """
        content = _encode(body)
        async for attempt in stamina.retry_context(on=_Away, timeout=self._patience, **RETRY):
            with attempt:
                try:
                    async with httpx.AsyncClient(**self._options) as client:  # type: ignore[arg-type]
                        response = await client.post(path, content=content, timeout=_timeout(seconds))
                except httpx.HTTPError as error:
                    raise self._failure(error, seconds) from error
                return _decode(response, answer)
        raise AssertionError("stamina ends with an answer or an error")

    def _failure(self, error: httpx.HTTPError, seconds: float) -> AegisError:
        if isinstance(error, httpx.ReadTimeout):
            return EngineUnavailable(f"The engine server did not answer within {seconds:.0f} s.")
        return _Unreachable(
            f"The engine server at {self._address} does not answer ({type(error).__name__}): "
            "start it with `make up`, or correct AEGIS_ENGINE_URL."
        )


class OcrVision:
    """The port Vision without a vision model: the text that stands in the picture."""

    lease: tuple[str, int] | None = None

    def __init__(self, engine: EngineClient) -> None:
        self._engine = engine

    def fingerprint(self) -> str:
        return self._engine.server_info().ocr

    async def check(self) -> None:
        self._engine.server_info()

    async def describe(self, picture: Picture, png: bytes, slot: Slot = free_slot) -> PictureDescription:
        """slot: not needed, since the engine server has a queue of its own."""
        body = _Raw(png=base64.b64encode(png).decode())
        answer = await self._engine.post("/ocr", body, OcrAnswer)
        return PictureDescription(ref=picture.ref, text=answer.text, created_by="ocr")


class _Raw(BaseModel):
    """Base64 as it is sent: the server's type decodes it."""

    png: str


def _encode(body: BaseModel) -> bytes:
    return body.model_dump_json(by_alias=True).encode()


def writable(text: str) -> str:
    """A lone surrogate cannot be written as JSON. Each becomes one '?', so that spans in the text stay right."""
    return text.encode("utf-8", "replace").decode()


def _decode(response: httpx.Response, answer: type[Answer]) -> Answer:
    if response.status_code != httpx.codes.OK:
        error = decode_error(response.content, response.status_code)
        if isinstance(error, EngineUnavailable) and error.retryable:
            raise _Away(error.message, server=error.server)
        raise error
    try:
        return answer.model_validate_json(response.content)
    except ValidationError as error:
        raise EngineFailed("The engine server answered with something this version does not understand.") from error


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=CONNECT_SECONDS)
