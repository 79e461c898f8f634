"""What docling-serve answers when it does not convert, as an error of its true class. Imports nothing of docling.

A fault of the document is BadInput, a limit of the server is LimitExceeded and names the server's setting, and everything that may
go well the next time is retryable. What the server says is shown, cleaned and shortened: it may repeat text of a document.
"""

from __future__ import annotations

import json
import ssl
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from aegis_assets.errors import AegisError, BadInput, EngineFailed, EngineUnavailable, LimitExceeded, Misconfigured

TASK_GONE: Final = "Task not found"  # the server was started anew, or has thrown the result away
RESULT_GONE: Final = "Task result not found"  # the task ended without a result: it failed inside the server
_AWAY: Final = frozenset({408, 429, 502, 503, 504})
NO_REASON: Final = "it gives no reason"
_LONGEST: Final = 300
DOCLING_SERVE: Final = "docling-serve"
_PAGES_SHOWN: Final = 5
# Names of docling's FailureCategory and DoclingComponentType; newer ones of a newer server are words like any other.
_OF_DOCUMENT: Final = frozenset({"document_backend", "user_input"})


class Away(EngineUnavailable):
    """The server does not answer or is overloaded: the same request may be sent again. pause: seconds that it asks for."""

    server = DOCLING_SERVE
    pause: float | None = None


class TaskLost(Exception):
    """The server does not know the task any more."""


@dataclass(frozen=True)
class Fault:
    """One entry of `errors`. page: of the document, None where the whole of it is concerned. component: where it happened."""

    category: str
    component: str
    page: int | None
    reason: str

    @property
    def of_document(self) -> bool:
        return self.category == "backend_failure" or (self.category == "unknown" and self.component in _OF_DOCUMENT)


def refusal(answer: httpx.Response, body: bytes, shown: str) -> AegisError:
    """Return the error of an answer that is not 200. shown: the server's address."""
    status, detail = answer.status_code, described(body) or NO_REASON
    if status in (401, 403):
        return Misconfigured("docling-serve refuses access. Set AEGIS_DOCLING_SERVE_API_KEY to its DOCLING_SERVE_API_KEY.")
    if status in _AWAY:
        away = Away(f"docling-serve at {shown} is overloaded (HTTP {status}). Retry later.")
        away.pause = _seconds(answer.headers.get("Retry-After", ""))
        return away
    if status == 404 and detail.startswith(RESULT_GONE):
        return EngineFailed("The conversion failed inside docling-serve, without a result. Its log has the details.")
    if status in (404, 405):
        return Misconfigured(f"There is no docling-serve with interface v1 at {shown}. Check AEGIS_DOCLING_SERVE_URL.")
    if 300 <= status < 400:
        return Misconfigured(
            f"{shown} sends requests on to another address (HTTP {status}). Set AEGIS_DOCLING_SERVE_URL to that one."
        )
    if status == 413:
        return LimitExceeded(
            f"docling-serve at {shown}, or a proxy in front of it, accepts no upload of this size (HTTP 413). Raise its limit, or"
            " lower AEGIS_WINDOW_PAGES."
        )
    if status == 422:
        return Misconfigured(
            f"docling-serve does not accept the request: {detail}. Correct the AEGIS_DOCLING_SERVE_ settings, or its own."
        )
    if status < 500:
        return EngineFailed(f"docling-serve refuses the request (HTTP {status}): {detail}.", retryable=False)
    return EngineFailed(f"docling-serve answered with an error (HTTP {status}): {detail}. Its log has the details.")


def unreachable(error: httpx.HTTPError, shown: str) -> AegisError:
    """Return the error of a request that got no answer."""
    tls = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return Misconfigured(
            f"The certificate of docling-serve at {shown} cannot be trusted: {cleaned(tls.verify_message)}. Name the authority that"
            " signed it in AEGIS_CA_FILE, or correct AEGIS_DOCLING_SERVE_URL."
        )
    if tls is not None:
        return Misconfigured(
            f"No TLS connection to docling-serve at {shown} comes about ({cleaned(tls.reason or 'SSLError')}). If it speaks http,"
            " write AEGIS_DOCLING_SERVE_URL so."
        )
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return Misconfigured("No request can be made of AEGIS_DOCLING_SERVE_URL and AEGIS_DOCLING_SERVE_API_KEY: correct them.")
    return Away(f"docling-serve at {shown} does not answer ({type(error).__name__}). Start it, or check AEGIS_DOCLING_SERVE_URL.")


def of_task(category: str, reason: str) -> AegisError:
    """Return the error of a task that ended in failure. category: '' where the server names none."""
    if category == "policy":
        return LimitExceeded(
            f"docling-serve takes no document like this: {cleaned(reason)}. Raise its DOCLING_SERVE_MAX_FILE_SIZE or"
            " DOCLING_SERVE_MAX_NUM_PAGES, or lower AEGIS_WINDOW_PAGES."
        )
    if category == "timeout":
        return _too_slow(reason)
    if category == "capacity":
        return _exhausted(reason)
    return EngineFailed(f"The conversion failed inside docling-serve: {cleaned(reason) or NO_REASON}. Its log has the details.")


def of_document(faults: Sequence[Fault]) -> AegisError:
    """Return the error of a conversion that failed or lacks pages. A fault of the document comes first: no retry helps it."""
    of_document = [fault for fault in faults if fault.of_document]
    if of_document:
        return _unreadable(of_document)
    if not faults:
        return EngineFailed("docling-serve did not convert the document and gives no reason. Its log has the details.")
    first = faults[0]
    if "max_file_size" in first.reason:
        return LimitExceeded(
            f"docling-serve takes no file this large: {first.reason}. Raise its DOCLING_SERVE_MAX_FILE_SIZE, or lower"
            " AEGIS_WINDOW_PAGES."
        )
    if "max_num_pages" in first.reason:
        return LimitExceeded(
            f"docling-serve takes no document of so many pages: {first.reason}. Raise its DOCLING_SERVE_MAX_NUM_PAGES, or lower"
            " AEGIS_WINDOW_PAGES."
        )
    if first.category == "policy":
        return EngineFailed(
            f"docling-serve does not convert the document: {first.reason}. Its settings decide that.", retryable=False
        )
    if first.category == "timeout":
        return _too_slow(first.reason)
    if first.category == "capacity":
        return _exhausted(first.reason)
    if first.page is None:
        return EngineFailed(f"docling-serve failed on the document: {first.reason}. Its log has the details.")
    return EngineFailed(f"docling-serve failed on the document (page {_pages(faults)}): {first.reason}. Its log has the details.")


def described(body: bytes) -> str:
    """Return what an error's body says in `detail`: a sentence, or a list of wrong fields. '' where it says nothing."""
    try:
        table = json.loads(body[:100_000])
    except (ValueError, RecursionError):
        return ""
    detail = table.get("detail") if isinstance(table, dict) else None
    if isinstance(detail, str):
        return cleaned(detail)
    if not isinstance(detail, list):
        return ""
    return cleaned("; ".join(_wrong_fields(detail)))


def cleaned(text: str) -> str:
    """Return the text on one line, without what is not printable and without its full stop, at most 300 letters of it."""
    words = " ".join(unicodedata.normalize("NFC", text[: 4 * _LONGEST]).split())
    plain = "".join(letter for letter in words if letter.isprintable()).rstrip(". ")
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST].rstrip()}…"


def _wrong_fields(detail: Sequence[object]) -> Iterator[str]:
    for wrong in detail[:_PAGES_SHOWN]:
        if isinstance(wrong, dict):
            place = wrong.get("loc")
            name = ".".join(str(part) for part in place if part != "body") if isinstance(place, list) else ""
            yield f"{name}: {wrong.get('msg', '')}"


def _unreadable(faults: Sequence[Fault]) -> AegisError:
    paged = [fault for fault in faults if fault.page is not None]
    if not paged:
        return BadInput(
            f"docling-serve cannot read the document: {faults[0].reason}. Save it again in the program that made it, or in another"
            " format."
        )
    return BadInput(
        f"docling-serve cannot read the document (page {_pages(paged)}): {paged[0].reason}. Repair that page or leave it out, and"
        " upload the document again."
    )


def _pages(faults: Sequence[Fault]) -> str:
    numbers = sorted({fault.page for fault in faults if fault.page is not None})
    listed = ", ".join(str(number) for number in numbers[:_PAGES_SHOWN])
    return listed if len(numbers) <= _PAGES_SHOWN else f"{listed}, …"


def _too_slow(reason: str) -> AegisError:
    return EngineFailed(
        f"docling-serve gave up at its time limit: {cleaned(reason)}. Raise AEGIS_DOCLING_SERVE_DOCUMENT_TIMEOUT, or its"
        " DOCLING_SERVE_MAX_DOCUMENT_TIMEOUT."
    )


def _exhausted(reason: str) -> AegisError:
    return EngineUnavailable(
        f"docling-serve has no memory or workers left: {cleaned(reason)}. Retry later, or give it more.", server=DOCLING_SERVE
    )


def _seconds(header: str) -> float | None:
    """Return the seconds of a Retry-After, at most a minute; None for a date or nonsense."""
    return min(60.0, float(header)) if header.isdecimal() else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__
