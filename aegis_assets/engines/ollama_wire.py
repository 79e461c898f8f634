"""Ollama's wire: the official client with a capped answer and an unsilenced context, and its failures as public sentences.

`truncate: false` and `shift: false` go into the body of a chat request here: the client's chat() has no parameters for them, and
without them an over-long prompt is cut in silence. The body of an answer is read with a cap, because a broken server may never
stop sending.
"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx
import ollama
from pydantic import BaseModel, ConfigDict, ValidationError

from aegis_assets.errors import AegisError, EngineFailed, EngineUnavailable, Misconfigured
from aegis_assets.pipeline.grounding import clean_name

MAX_ANSWER_BYTES: Final = 2_000_000

# Everything that the client, httpx and an answer of another shape can raise; anything else is a defect of ours.
FAILURES: Final = (
    AegisError,
    ollama.ResponseError,
    httpx.HTTPError,
    httpx.InvalidURL,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
)


class PromptTooLong(EngineFailed):
    """The server counts more prompt tokens than fit. The caller halves the text."""

    retryable = False


class CutShort(EngineFailed):
    """The answer hit the token limit. The caller halves the text."""

    retryable = False


class TimedOut(EngineUnavailable):
    """No whole answer within the deadline; the request has been cancelled by closing its connection."""


class BadReply(EngineFailed):
    """The server works, the model's answer is unusable. problem: what is wrong with it, as told to the model."""

    def __init__(self, message: str, problem: str) -> None:
        super().__init__(message)
        self.problem = problem


class Server(BaseModel):
    """Which server and model a request went to, for the sentences about it. The setting names say what to correct."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str
    model: str
    num_ctx: int
    timeout: float
    url_setting: str
    model_setting: str

    @property
    def address(self) -> str:
        """The URL without user and password."""
        parts = urlsplit(self.url if "//" in self.url else f"//{self.url}")
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")).removeprefix("//")


class Client(ollama.AsyncClient):
    """The official client with the answer capped and two fields more in a chat request."""

    async def _request_raw(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        if url == "/api/chat":
            arguments["json"] = {**arguments["json"], "truncate": False, "shift": False}
        http: httpx.AsyncClient = self._client
        async with http.stream(method, url, **arguments) as response:
            body = bytearray()
            async for block in response.aiter_bytes():
                body += block
                if len(body) > MAX_ANSWER_BYTES:
                    raise EngineFailed(f"Ollama's answer passed {MAX_ANSWER_BYTES // 1_000_000} MB and was not read to its end.")
        if response.status_code >= 300:
            raise ollama.ResponseError(body.decode("utf-8", "replace")[:10_000], response.status_code)
        return httpx.Response(response.status_code, headers={"content-type": "application/json"}, content=bytes(body))


def public_error(error: BaseException, server: Server) -> AegisError:
    """One sentence per class of failure. The order matters: httpx's time-outs are transport errors too."""
    if isinstance(error, AegisError):
        return error
    if isinstance(error, ollama.ResponseError):
        return _refused(error, server)
    if isinstance(error, TimeoutError | httpx.ReadTimeout | httpx.WriteTimeout | httpx.PoolTimeout):
        return TimedOut(f"Ollama at {server.address} gave no answer within {server.timeout:g} seconds; the request was cancelled.")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | ConnectionError):
        return EngineUnavailable(f"Ollama at {server.address} cannot be reached: start it or correct {server.url_setting}.")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return Misconfigured(f"{server.url_setting} is not an http address: {server.address}.")
    if isinstance(error, httpx.HTTPError):
        return EngineUnavailable(f"Ollama at {server.address} broke the connection off before its answer was whole.")
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | ValidationError | TypeError | AttributeError):
        return EngineFailed(f"What answers at {server.address} does not speak Ollama's protocol; check {server.url_setting}.")
    return EngineFailed(f"The request to Ollama failed ({type(error).__name__}).")


def _refused(error: ollama.ResponseError, server: Server) -> AegisError:
    model, status = server.model, error.status_code
    said = clean_name(str(error.error))[:200]
    if status in (429, 503):
        return EngineUnavailable(f"Ollama at {server.address} is overloaded (HTTP {status}).")
    if status == 404 and "model" in said.lower():
        return Misconfigured(f"Ollama at {server.address} does not have the model {model}: run `ollama pull {model}`.")
    if status in (301, 302, 303, 307, 308, 404, 405):
        return Misconfigured(
            f"What answers at {server.address} is not an Ollama server (HTTP {status}): correct {server.url_setting}."
        )
    if status in (401, 403):
        return Misconfigured(f"Ollama at {server.address} refuses access (HTTP {status}): correct {server.url_setting}.")
    if status in (400, 413) and any(word in said.lower() for word in ("context", "too long", "exceed", "input length")):
        return PromptTooLong(
            f"The text is longer than the {server.num_ctx} tokens of {model}'s context: raise AEGIS_OLLAMA_NUM_CTX."
        )
    if 400 <= status < 500:
        return EngineFailed(f"Ollama refused the request to {model} (HTTP {status}): {said}", retryable=False)
    return EngineFailed(f"Ollama failed on the request to {model} (HTTP {status}).")
