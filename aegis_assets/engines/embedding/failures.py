"""Failures of an embedding server -> one public sentence that names what to correct.

Transport errors are told apart by the built-in exceptions in their chain of causes: the clients of both protocols wrap them in
classes of their own.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit, urlunsplit

from aegis_assets.errors import AegisError, EngineFailed, EngineOverloaded, EngineUnavailable, Misconfigured
from aegis_assets.network import is_near
from aegis_assets.pipeline.grounding import clean_name

EMBEDDING_SERVER: Final = "the embedding server"
SAID_CHARACTERS: Final = 200
# How servers say that a text has more tokens than the model reads: OpenAI, vLLM, Ollama, llama.cpp (in a 400, or in a 500 that asks
# for a larger physical batch), text-embeddings-inference, LiteLLM.
TOO_LONG: Final = (
    "context length",
    "context size",
    "context_length",
    "input length",
    "must have less than",
    "too large to process",
    "too long",
    "too many tokens",
    "maximum number of tokens",
)
NO_MODEL: Final = ("not found", "not exist", "unknown model", "invalid model", "no such model", "not available", "not loaded")


class TextTooLong(EngineFailed):
    """A text of the request has more tokens than the model reads, or the request too many texts: ask with less."""

    retryable = False


class Overloaded(EngineOverloaded):
    """The server has too much to do. after: the seconds that it asks to wait, None if it names none."""

    server = EMBEDDING_SERVER

    def __init__(self, message: str, after: float | None) -> None:
        super().__init__(message)
        self.after = after


class _Away(EngineUnavailable):
    """The server does not answer."""

    server = EMBEDDING_SERVER


@dataclass(frozen=True)
class Server:
    """An embedding server as the settings name it."""

    protocol: Literal["OpenAI", "text-embeddings-inference"]
    url: str
    key: str
    model: str
    timeout: float
    url_setting: str = "AEGIS_EMBEDDING_URL"

    @property
    def address(self) -> str:
        """The URL without user, password and query."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))

    def check(self) -> None:
        """Raise Misconfigured if the address or the key can be none, before a client turns it into an error of its own."""
        try:
            parts = urlsplit(self.url)
            parts.port  # noqa: B018  it is parsed when it is read
        except ValueError as error:
            raise Misconfigured(f"{self.url_setting} is not an address: correct it.") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Misconfigured(f"{self.url_setting} must begin with http:// or https://, followed by a host: {self.address}.")
        if parts.scheme == "http" and not is_near(self.url):
            raise Misconfigured(f"{self.url_setting} must be https: plain http is for this machine and private networks.")
        if not (self.key.isascii() and self.key.isprintable() and " " not in self.key):
            raise Misconfigured(
                "AEGIS_EMBEDDING_API_KEY has a blank or a letter that no key can have: copy it again, without what is around it."
            )


def refused(server: Server, status: int, said: str, after: float | None = None) -> AegisError:
    """Return the error for an answer that is none. said: what the server says of it. after: its Retry-After in seconds."""
    at, said = server.address, clean_name(said)[:SAID_CHARACTERS] or "no reason given"
    lower = said.lower()
    if "insufficient_quota" in lower or "exceeded your current quota" in lower:
        return Misconfigured(
            f"The embedding server at {at} says that the quota of AEGIS_EMBEDDING_API_KEY is used up: raise it there."
        )
    if status in (429, 503):
        return Overloaded(f"The embedding server at {at} is overloaded (HTTP {status}).", after)
    if status in (401, 403):
        return Misconfigured(f"The embedding server at {at} refuses access (HTTP {status}): correct AEGIS_EMBEDDING_API_KEY.")
    if status == 413 or (status in (400, 422, 500) and any(words in lower for words in TOO_LONG)):
        return TextTooLong(f"The embedding server at {at} takes no text of this length (HTTP {status}): {said}")
    if status in (400, 404) and "model" in lower and any(words in lower for words in NO_MODEL):
        return Misconfigured(
            f"The embedding server at {at} does not have the model {server.model}: correct AEGIS_EMBEDDING_MODEL, or load it there."
        )
    if 300 <= status < 400 or status in (404, 405):
        return Misconfigured(
            f"What answers at {at} does not speak {server.protocol}'s protocol (HTTP {status}): correct {server.url_setting}."
        )
    if status == 501:
        return Misconfigured(f"The embedding server at {at} makes no embeddings (HTTP 501): {said}")
    if status in (502, 504):
        return _Away(f"The embedding server at {at} is behind a proxy that does not reach it (HTTP {status}).")
    if 400 <= status < 500 and status != 424:  # 424: the model of text-embeddings-inference failed
        return EngineFailed(f"The embedding server at {at} refused the request (HTTP {status}): {said}", retryable=False)
    return EngineFailed(f"The embedding server at {at} failed on the request (HTTP {status}): {said}")


def unreachable(server: Server, error: BaseException) -> AegisError:
    """Return the error for a request that got no answer."""
    at, chain = server.address, list(_causes(error))
    names = {type(each).__name__ for each in chain}
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in chain) or "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Misconfigured(
            f"The certificate of {server.address} is signed by nobody known here: set AEGIS_CA_FILE to the authority's certificate."
        )
    if any(isinstance(each, ssl.SSLError) for each in chain):
        return Misconfigured(f"{server.address} does not speak https: correct {server.url_setting}.")
    if "ConnectTimeout" in names or any(isinstance(each, ConnectionRefusedError) for each in chain) or "ConnectError" in names:
        return _Away(f"The embedding server at {at} cannot be reached: start it, or correct {server.url_setting}.")
    if any(isinstance(each, TimeoutError) or type(each).__name__.endswith("Timeout") for each in chain):
        return _Away(f"The embedding server at {at} gave no answer within {server.timeout:g} s: raise AEGIS_EMBEDDING_TIMEOUT.")
    return _Away(f"The embedding server at {at} broke the connection off before its answer was whole.")


def unreadable(server: Server) -> AegisError:
    """Return the error for an answer with status 200 that is of another kind than the protocol's."""
    return EngineFailed(
        f"What answers at {server.address} does not speak {server.protocol}'s protocol: correct {server.url_setting}."
    )


def retry_after(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header; None for an absent one, or a date, which servers of this kind do not send."""
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
