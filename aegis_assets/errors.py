"""One root for every error that a person may read.

An `AegisError` carries what the ledger stores: a kind, whether a retry can help, and one public sentence. Anything that is not an
`AegisError` is a defect of ours; the border turns it into `internal` and logs the rest.
"""

from __future__ import annotations


class AegisError(Exception):
    """kind: stable word for filters and metrics. retryable: may the same call succeed later. message: one public sentence.
    server: the public name of what does not answer, '' where everything did."""

    kind = "internal"
    retryable = False
    server = ""

    def __init__(self, message: str, *, kind: str | None = None, retryable: bool | None = None, server: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if server is not None:
            self.server = server
        if kind is not None:
            self.kind = kind
        if retryable is not None:
            self.retryable = retryable


class BadInput(AegisError):
    """The document or request itself is at fault: empty, encrypted, unknown type, too large. No retry helps."""

    kind = "bad_input"


class LimitExceeded(AegisError):
    """A window passed its time or memory."""

    kind = "limit"


class EngineUnavailable(AegisError):
    """An engine does not answer, or is overloaded."""

    kind = "engine_unavailable"
    retryable = True
    server = "the engine server"


class EngineUnreachable(EngineUnavailable):
    """Nothing answers at the engine's address."""


class EngineOverloaded(EngineUnavailable):
    """An engine answers that it has too much to do."""


class EngineFailed(AegisError):
    """An engine answered with an error or with junk."""

    kind = "engine_failed"
    retryable = True


class StoreUnavailable(AegisError):
    """A store does not answer."""

    kind = "store_unavailable"
    retryable = True
    server = "a store"


class Misconfigured(AegisError):
    """A setting is wrong or does not fit what is stored; the message names the setting."""

    kind = "misconfigured"


class NotFound(AegisError):
    kind = "not_found"


class NotAllowed(AegisError):
    """The state of the document does not allow this."""

    kind = "not_allowed"


class Superseded(AegisError):
    """Another run has taken over the document, or it was cancelled: stop, write nothing more."""

    kind = "superseded"


class Internal(AegisError):
    """A defect of ours, as the border shows it."""

    retryable = True


# Where a call with several texts fails by one of these, asking for fewer would fail too.
NO_TEXTS_FAULT = (EngineUnavailable, StoreUnavailable, Misconfigured, NotAllowed)


def is_outage(error: BaseException) -> bool:
    """Return whether a server is away or overloaded, so that waiting helps and the document is not at fault."""
    return isinstance(error, EngineUnavailable | StoreUnavailable) and error.retryable


def public(error: BaseException) -> AegisError:
    """Return the error as a person may see it. The class is named because `str()` of a time-out is empty."""
    if isinstance(error, AegisError):
        return error
    return Internal(f"An unexpected error stopped this step ({type(error).__name__}). The log of the run has the details.")
