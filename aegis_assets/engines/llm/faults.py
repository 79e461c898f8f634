"""What can go wrong with a language-model server, as classes that decide what happens next and as sentences that a person reads."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict

from aegis_assets.errors import (
    AegisError,
    EngineFailed,
    EngineOverloaded,
    EngineUnavailable,
    EngineUnreachable,
    Misconfigured,
)
from aegis_assets.pipeline.grounding import clean_name

LANGUAGE_MODEL: Final = "the language model"
MAX_ANSWER_CHARACTERS: Final = 2_000_000
MAX_WIRE_BYTES: Final = 64_000_000  # of one answer: each token travels in a line of a few hundred bytes
BUSY: Final = (429, 503, 529)
GATEWAY: Final = (502, 504)  # a proxy answers, the server behind it does not
TOO_LONG_WORDS: Final = ("context", "too long", "exceed", "input length")


class PromptTooLong(EngineFailed):
    """The prompt has more tokens than fit. The caller halves the text."""

    retryable = False


class CutShort(EngineFailed):
    """The answer hit the token limit. The caller halves the text. content: what came of it."""

    retryable = False

    def __init__(self, message: str, content: str = "") -> None:
        super().__init__(message)
        self.content = content


class RanInCircle(CutShort):
    """The answer repeated itself and was ended by us: what came of it is all that there is."""


class TimedOut(EngineUnavailable):
    """A limit on the time of an answer passed; the request has been cancelled by closing its connection."""

    server = LANGUAGE_MODEL


class Unreachable(EngineUnreachable):
    """Nothing answers at the address: the server is being restarted, or is not there."""

    server = LANGUAGE_MODEL


class Overloaded(EngineOverloaded):
    """The server has too much to do. retry_after: seconds after which it wants to be asked again, None where it did not say."""

    server = LANGUAGE_MODEL

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BadReply(EngineFailed):
    """The server works, the model's answer is unusable. problem: what is wrong with it, as told to the model."""

    def __init__(self, message: str, problem: str) -> None:
        super().__init__(message)
        self.problem = problem


class Server(BaseModel):
    """Which server and model a request went to, and which settings correct what is wrong with them.

    place: begins sentences. kind: what should answer at the address.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    place: str
    kind: str
    url: str
    model: str
    url_setting: str
    model_setting: str
    access_setting: str
    context_setting: str
    answer_setting: str

    @property
    def address(self) -> str:
        return address_of(self.url)


def address_of(url: str) -> str:
    """Return the URL without user and password."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")).removeprefix("//")


def unreachable(server: Server) -> AegisError:
    return Unreachable(f"{server.place} cannot be reached: start it or correct {server.url_setting}.")


def broken_off(server: Server) -> AegisError:
    return EngineUnavailable(f"{server.place} broke the connection off before its answer was whole.", server=LANGUAGE_MODEL)


def no_answer(server: Server, seconds: float) -> AegisError:
    return TimedOut(f"{server.place} gave no answer within {seconds:g} seconds; the request was cancelled.")


def no_address(server: Server) -> AegisError:
    return Misconfigured(f"{server.url_setting} is not an http address: {server.address}.")


def too_large(server: Server) -> AegisError:
    size = MAX_ANSWER_CHARACTERS // 1_000_000
    return EngineFailed(f"{server.place} sent more than {size} MB as one answer, which was not read to its end.")


def stumbled(server: Server) -> AegisError:
    return EngineFailed(f"{server.place} failed in the middle of an answer of {server.model}.")


def unexpected(server: Server, error: BaseException) -> AegisError:
    return EngineFailed(f"{server.place} could not be asked ({type(error).__name__}).")


def too_long(server: Server, context: int) -> AegisError:
    if not context:
        return PromptTooLong(f"The text is longer than {server.model}'s context: raise {server.context_setting}.")
    return PromptTooLong(
        f"The text is longer than the {context} tokens of {server.model}'s context: raise {server.context_setting}."
    )


def speaks_of_context(words: str) -> bool:
    """Return whether a server's 400 means that the prompt is too long."""
    return any(word in words.lower() for word in TOO_LONG_WORDS)


def refused(server: Server, status: int, words: str, context: int, retry_after: float | None) -> AegisError:
    """Return the error for an HTTP status of 300 and above. words: the server's own, which may be anybody's."""
    words = clean_name(words)[:200]
    if status in BUSY:
        return Overloaded(f"{server.place} is overloaded (HTTP {status}).", retry_after)
    if status in GATEWAY:
        return Unreachable(f"{server.place} cannot be reached through its proxy (HTTP {status}): start it.")
    if status in (301, 302, 303, 307, 308, 404, 405):
        return Misconfigured(
            f"What answers at {server.address} is not {server.kind} (HTTP {status}): correct {server.url_setting}."
        )
    if status in (401, 403):
        return Misconfigured(f"{server.place} refuses access (HTTP {status}): correct {server.access_setting}.")
    if status in (400, 413) and speaks_of_context(words):
        return too_long(server, context)
    if 400 <= status < 500:
        return EngineFailed(f"{server.place} refused the request to {server.model} (HTTP {status}): {words}", retryable=False)
    return EngineFailed(f"{server.place} failed on the request to {server.model} (HTTP {status}).")
