"""What crosses the wire between the engine server and its clients: JSON of frozen types, and errors that survive the trip.

An error is `{"kind", "message", "retryable", "server"}` with a status, and becomes the same class again on the other side. The kind
decides, since proxies change statuses; the status only where the kind is a finer one than a class's own.
"""

from __future__ import annotations

import json
from typing import Final, Literal

from pydantic import Base64Bytes, Field

from aegis_assets.errors import (
    AegisError,
    BadInput,
    EngineFailed,
    EngineUnavailable,
    Internal,
    LimitExceeded,
    Misconfigured,
    NotAllowed,
    NotFound,
    StoreUnavailable,
    Superseded,
)
from aegis_assets.model.embedding import EmbedderInfo, Embedding
from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.model.parsing import ChunkDraft, Frozen

TEXTS_PER_REQUEST: Final = 256  # the most that one request may carry; the client sends fewer
BUSY: Final = "engine_busy"  # the kind of an error that is none: every slot is taken, and the caller comes back at once
WAITED: Final = "Aegis-Waited"  # header of a request that comes back: seconds since its caller first asked
SOCKET: Final = "models.sock"  # between the server and its models
STATUS: Final[dict[type[AegisError], int]] = {
    BadInput: 400,
    NotAllowed: 401,
    NotFound: 404,
    Superseded: 409,
    LimitExceeded: 422,
    Misconfigured: 500,
    Internal: 500,
    EngineFailed: 502,
    EngineUnavailable: 503,
    StoreUnavailable: 503,
}
_BY_KIND: Final = {cls.kind: cls for cls in STATUS}
_BY_STATUS: Final = {**{status: cls for cls, status in STATUS.items()}, 500: Internal, 503: EngineUnavailable}


class EmbedBody(Frozen):
    """batch: texts per forward pass, 0 for the server's own number."""

    texts: tuple[str, ...] = Field(max_length=TEXTS_PER_REQUEST)
    kind: Literal["passage", "query"]
    batch: int = Field(default=0, ge=0, le=TEXTS_PER_REQUEST)


class EmbedAnswer(Frozen):
    """info: of the model that made these, so that a client notices a model that was exchanged."""

    info: EmbedderInfo
    embeddings: tuple[Embedding, ...]


class ExtractBody(Frozen):
    texts: tuple[str, ...] = Field(max_length=TEXTS_PER_REQUEST)
    wanted: Schema = Field(alias="schema", serialization_alias="schema", default_factory=Schema)


class ExtractAnswer(Frozen):
    """name: of the extractor. fingerprint: of the extractor with an empty schema."""

    name: str = ""
    fingerprint: str
    extractions: tuple[Extraction, ...]


class RerankBody(Frozen):
    query: str
    texts: tuple[str, ...] = Field(max_length=TEXTS_PER_REQUEST)


class RerankAnswer(Frozen):
    """scores: how well each text answers the query, from 0 to 1."""

    scores: tuple[float, ...]


class OcrBody(Frozen):
    png: Base64Bytes


class OcrAnswer(Frozen):
    text: str


class PageBody(Frozen):
    """blob: bucket key of a document whose parts are pages. page: from 1."""

    blob: str
    format: Literal["pdf", "image"]
    page: int = Field(ge=1)


class PageAnswer(Frozen):
    """image: a WebP of the whole page. width, height: of the page, in the points that a chunk's boxes are in."""

    image: Base64Bytes
    width: float = Field(gt=0)
    height: float = Field(gt=0)


class ChunkAnswer(Frozen):
    chunks: tuple[ChunkDraft, ...]


class ParserAnswer(Frozen):
    """parser: what parses elsewhere, and how long a page took there; '' where the engine server itself parses."""

    parser: str


class Problem(Frozen):
    """An error as a part of an answer."""

    kind: str
    message: str
    retryable: bool
    server: str = ""


class ServerInfo(Frozen):
    """Fingerprints of everything the server does. extractor: the name of the local one. reranker: its name, '' for none.
    problem: why the parser's fingerprint is not known. extractor_problem: why there is no extractor; its name is empty then."""

    parser: str
    problem: Problem | None = None
    ocr: str
    embedder: EmbedderInfo
    extractor: str
    extractor_fingerprint: str
    extractor_problem: Problem | None = None
    reranker: str = ""


class Health(Frozen):
    """engines: 'ready', 'starting', or the sentence that says what is wrong."""

    ready: bool
    engines: dict[str, str]


def problem_of(error: AegisError) -> Problem:
    return Problem(kind=error.kind, message=error.message, retryable=error.retryable, server=error.server)


def error_of(problem: Problem) -> AegisError:
    cls = _BY_KIND.get(problem.kind, EngineFailed)
    return cls(problem.message, kind=problem.kind, retryable=problem.retryable, server=problem.server)


def encode_error(error: AegisError) -> tuple[int, dict[str, object]]:
    status = next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), 500)
    return status, {"kind": error.kind, "message": error.message, "retryable": error.retryable, "server": error.server}


def decode_error(content: bytes, status: int) -> AegisError:
    """The error of a response body. A body that is no error of ours (a proxy's page) is a failure of the engine."""
    try:
        fields = json.loads(content)
        fields = fields.get("detail", fields)  # where FastAPI wraps it
        kind, message, retryable = str(fields["kind"]), str(fields["message"]), bool(fields["retryable"])
        server = str(fields["server"]) if "server" in fields else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return EngineFailed(f"The engine server answered with status {status} and no explanation.")
    cls = _BY_KIND.get(kind) or _BY_STATUS.get(status, EngineFailed)
    return cls(message, kind=kind, retryable=retryable, server=server)
