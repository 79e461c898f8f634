"""Port calls -> requests to the resident engine server. Imports nothing heavy: ops and the web process use it.

Who would retry a 503? Only this file. A server that is down or starting is asked again for `patience` seconds, because its
supervisor restarts it within a quarter of a minute; an answer, whatever it says, is never asked for twice.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final, Literal, TypedDict, TypeVar

import httpx
import stamina
from pydantic import BaseModel, ValidationError

from aegis_assets.engines.service.wire import (
    ChunkAnswer,
    EmbedAnswer,
    EmbedBody,
    ExtractAnswer,
    ExtractBody,
    OcrAnswer,
    ServerInfo,
    decode_error,
)
from aegis_assets.errors import AegisError, EngineFailed, EngineUnavailable
from aegis_assets.model.embedding import EmbedderInfo, Embedding
from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.model.ids import fingerprint
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
from aegis_assets.settings import Settings

Answer = TypeVar("Answer", bound=BaseModel)

# A caller's texts go out as several requests at once; the server joins them, and other callers', into one call of the model.
TEXTS_PER_REQUEST: Final = 32
REQUESTS_AT_ONCE: Final = 4
CONNECT_SECONDS: Final = 5.0
CALL_SECONDS: Final = 330.0  # the server gives an embedding or extraction up after 300
RETRY: Final[_Backoff] = {"attempts": None, "wait_initial": 0.2, "wait_max": 5.0, "wait_jitter": 1.0}
VRAM_MB: Final = {"minilm": 600, "bge-m3": 2600}  # fp16 weights and activations of one batch of 16 x 512 tokens


class _Backoff(TypedDict):
    attempts: None
    wait_initial: float
    wait_max: float
    wait_jitter: float


class _Away(EngineUnavailable):
    """Down, starting, or closed the connection: the one thing that is asked again."""


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
    ) -> None:
        """parse_seconds: the server's limit on one parse. The client waits longer, since a parse may queue behind others."""
        self.lease = lease
        self._address = address.rstrip("/")
        self._patience = patience
        self._slow = 3 * parse_seconds + 60
        # A proxy from the environment must not see loopback traffic. The context is made once: loading the authorities costs 20 ms.
        verify: ssl.SSLContext | bool = ssl.create_default_context() if address.startswith("https") else True
        self._options = {
            "base_url": self._address,
            "headers": {"Authorization": f"Bearer {token}".encode()} if token else {},
            "timeout": httpx.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS),
            "trust_env": False,
            "verify": verify,
        }
        self._client = httpx.Client(**self._options)  # type: ignore[arg-type]
        self._info: ServerInfo | None = None
        self._lock = Lock()

    @classmethod
    def from_settings(cls, chosen: Settings) -> EngineClient:
        lease = None
        if chosen.embedder_device.startswith("cuda"):
            lease = ("vram", min(VRAM_MB[chosen.embedder], chosen.vram_budget_mb))
        token = chosen.engine_token.get_secret_value()
        return cls(chosen.engine_address, token, lease=lease, parse_seconds=chosen.parse_timeout)

    def close(self) -> None:
        self._client.close()

    # Parser

    def fingerprint(self) -> str:
        return self.server_info().parser

    def inspect(self, request: InspectRequest) -> Inspection:
        return self._post("/inspect", request, Inspection, self._slow)

    def parse(self, request: ParseRequest) -> ParsedWindow:
        return self._post("/parse", request, ParsedWindow, self._slow)

    def chunk(self, request: ChunkRequest) -> tuple[ChunkDraft, ...]:
        return self._post("/chunk", request, ChunkAnswer, self._slow).chunks

    # Embedder

    def info(self) -> EmbedderInfo:
        return self.server_info().embedder

    def embed(self, texts: Sequence[str], kind: Literal["passage", "query"]) -> list[Embedding]:
        clean = [_writable(text) for text in texts]
        parts = [tuple(clean[start : start + TEXTS_PER_REQUEST]) for start in range(0, len(clean), TEXTS_PER_REQUEST)]
        if len(parts) <= 1:
            return [embedding for part in parts for embedding in self._embed(part, kind)]
        with ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="embed") as pool:
            answers = list(pool.map(lambda part: self._embed(part, kind), parts))
        return [embedding for answer in answers for embedding in answer]

    def _embed(self, texts: tuple[str, ...], kind: Literal["passage", "query"]) -> tuple[Embedding, ...]:
        answer = self._post("/embed", EmbedBody(texts=texts, kind=kind), EmbedAnswer, CALL_SECONDS)
        if len(answer.embeddings) != len(texts):
            raise EngineFailed(f"The embedder returned {len(answer.embeddings)} vectors for {len(texts)} texts.")
        with self._lock:
            if self._info is not None and self._info.embedder != answer.info:
                self._info = None  # the server came back with another model
        return answer.embeddings

    # What the server is

    def server_info(self) -> ServerInfo:
        """Asked once, and again when the server turns out to have another model."""
        with self._lock:
            known = self._info
        if known is not None:
            return known
        answer = self._call("GET", "/info", None, ServerInfo, CALL_SECONDS)
        with self._lock:
            self._info = answer
        return answer

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
        """The same without blocking. Cancelling it closes the connection, which stops the work on the server.

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
        return _Away(
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

    async def describe(self, picture: Picture, png: bytes) -> PictureDescription:
        body = _Raw(png=base64.b64encode(png).decode())
        answer = await self._engine.post("/ocr", body, OcrAnswer)
        return PictureDescription(ref=picture.ref, text=answer.text, created_by="ocr")


class SpacyClient:
    """The port Extractor without a language model."""

    lease: tuple[str, int] | None = None
    name = "spacy en-core-web-sm"

    def __init__(self, engine: EngineClient) -> None:
        self._engine = engine

    def fingerprint(self, schema: Schema) -> str:
        return fingerprint(spacy=self._engine.server_info().extractor_fingerprint, schema=schema.model_dump_json())

    async def check(self) -> None:
        self._engine.server_info()

    async def extract(self, text: str, schema: Schema) -> Extraction:
        answer = await self._engine.post("/extract", ExtractBody(texts=(_writable(text),), schema=schema), ExtractAnswer)
        if len(answer.extractions) != 1:
            raise EngineFailed("The extractor returned no result for a text.")
        return answer.extractions[0]


class _Raw(BaseModel):
    """Base64 as it is sent: the server's type decodes it."""

    png: str


def _encode(body: BaseModel) -> bytes:
    return body.model_dump_json(by_alias=True).encode()


def _writable(text: str) -> str:
    """A lone surrogate cannot be written as JSON. Each becomes one '?', so that spans in the text stay right."""
    return text.encode("utf-8", "replace").decode()


def _decode(response: httpx.Response, answer: type[Answer]) -> Answer:
    if response.status_code != httpx.codes.OK:
        error = decode_error(response.content, response.status_code)
        if isinstance(error, EngineUnavailable) and error.retryable:
            raise _Away(error.message)
        raise error
    try:
        return answer.model_validate_json(response.content)
    except ValidationError as error:
        raise EngineFailed("The engine server answered with something this version does not understand.") from error


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=CONNECT_SECONDS)
