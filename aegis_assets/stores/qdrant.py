"""How a Qdrant client is reached for one operation: on a server, with retries; `qdrant_local` has the other way, a local path.

Both answer `run` alike, so that the vector store is written once. Every operation given to them is idempotent: it may run twice.
"""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import stamina

from aegis_assets.errors import AegisError, Misconfigured, StoreUnavailable
from aegis_assets.network import is_near, may_use_proxy, tls_context
from aegis_assets.outages import OutageClock
from aegis_assets.stores.qdrant_points import Fields, Payload, of_documents, pages_of, selected
from aegis_assets.stores.qdrant_shape import Shape, shape_of

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.http.exceptions import UnexpectedResponse
    from qdrant_client.models import PointsSelector, PointStruct

T = TypeVar("T")

REQUEST_SECONDS = 15
ATTEMPTS = 4
RETRY_SECONDS = 20.0
SHAPE_SECONDS = 60.0  # how late a strict mode or a quantisation that somebody else sets is noticed
VECTORS: Final = "the vector store"
REASON_LENGTH: Final = 300
REFUSED = "The vector store refused the vectors: their size is not that of the collection, so another embedder made them."
# The client warns by `warnings.warn` wherever it is made or closed. The first is a row of `doctor`, the second says nothing.
WARNINGS: Final = ("Api key is used with an insecure connection", "Unable to close http connection")


class Qdrant(Protocol):
    """run: `missing` is the answer where the collection does not exist. make: the action must create it.

    payloads: id and payload of each point of the documents. selectors: which name those of the points that are there. wrote: tells
    what an action has added.
    """

    def run(self, name: str, action: Callable[[QdrantClient], T], missing: T) -> T: ...
    def make(self, name: str, action: Callable[[QdrantClient], None]) -> None: ...
    def shape(self, client: QdrantClient, name: str) -> Shape: ...
    def payloads(self, client: QdrantClient, name: str, documents: Sequence[UUID], fields: Fields) -> Iterator[Payload]: ...
    def selectors(self, client: QdrantClient, name: str, points: Sequence[UUID]) -> Iterator[PointsSelector]: ...
    def wrote(self, name: str, rows: Sequence[PointStruct]) -> None: ...
    def drop(self, name: str) -> None: ...
    def check(self) -> str: ...
    def close(self) -> None: ...


class MissingCollection(StoreUnavailable):
    """The server does not have the collection that a request names."""


class RefusedRequest(Misconfigured):
    """The server says that the request is wrong."""


class Overloaded(StoreUnavailable):
    """The server asks to come back later. seconds: when."""

    server = VECTORS

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class Away(StoreUnavailable):
    """The server is down, starting, or closed the connection."""

    server = VECTORS


class ServerQdrant:
    """One client for the life of the object; its connections are pooled.

    outage_seconds: for which operations wait for a server that is away. 0 is for pages: a few attempts within seconds.
    """

    def __init__(self, url: str, api_key: str = "", ca_file: str = "", outage_seconds: float = 0.0) -> None:
        self._url, self._key, self._ca_file = url, api_key, ca_file
        self._outage = OutageClock(outage_seconds)
        self._client: QdrantClient | None = None
        self._guard = threading.Lock()
        self._shapes: dict[str, tuple[float, Shape]] = {}

    def run(self, name: str, action: Callable[[QdrantClient], T], missing: T) -> T:
        try:
            return self._retried(action)
        except MissingCollection:
            self._shapes.pop(name, None)
            return missing
        except RefusedRequest:
            if self._shapes.pop(name, None) is None:
                raise
        return self._retried(action)  # by the shape as it is now

    def make(self, name: str, action: Callable[[QdrantClient], None]) -> None:
        self._shapes.pop(name, None)
        self._retried(action)
        self._shapes.pop(name, None)

    def shape(self, client: QdrantClient, name: str) -> Shape:
        """Return what requests to the collection have to keep to, at most a minute old."""
        known = self._shapes.get(name)
        if known is None or known[0] < time.monotonic():
            known = (time.monotonic() + SHAPE_SECONDS, shape_of(client.get_collection(name)))
            self._shapes[name] = known
        return known[1]

    def payloads(self, client: QdrantClient, name: str, documents: Sequence[UUID], fields: Fields) -> Iterator[Payload]:
        """Yield id and payload of each point of the documents."""
        shape = self.shape(client, name)
        for start in range(0, len(documents), shape.ids):
            yield from pages_of(client, name, shape.page, of_documents(documents[start : start + shape.ids]), fields)

    def selectors(self, client: QdrantClient, name: str, points: Sequence[UUID]) -> Iterator[PointsSelector]:
        """Return selectors by condition: they may name points that are not there."""
        return selected(points, self.shape(client, name).ids)

    def wrote(self, name: str, rows: Sequence[PointStruct]) -> None:
        """Do nothing: the server has indexes of its own."""

    def drop(self, name: str) -> None:
        self._shapes.pop(name, None)
        self._retried(lambda client: client.delete_collection(name))

    def check(self) -> str:
        """Return which server it is, and that its key is sent unencrypted if so. Raises what keeps it from being used."""
        version = self._retried(lambda client: (client.get_collections(), client.info().version)[1])
        return f"{version}, AEGIS_QDRANT_API_KEY is sent over http, unencrypted" if self._key and not self._encrypted else version

    def close(self) -> None:
        with self._guard:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    @property
    def _encrypted(self) -> bool:
        return urlsplit(self._url).scheme.lower() == "https"

    def _retried(self, action: Callable[[QdrantClient], T]) -> T:
        attempts = 1

        def again(error: Exception) -> bool | float:
            nonlocal attempts
            if isinstance(error, Away) and self._outage.keep_waiting():
                return True
            attempts += 1
            return attempts <= ATTEMPTS and _again(error)

        for attempt in stamina.retry_context(on=again, attempts=None, timeout=None):
            with attempt:
                result = self._once(action)
                self._outage.answered()
                return result
        raise AssertionError("the retries end by an answer or by an error")

    def _once(self, action: Callable[[QdrantClient], T]) -> T:
        from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
        from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

        try:
            return action(self._connected())
        except UnexpectedResponse as error:
            raise translated(error) from error
        except ResourceExhaustedResponse as error:
            message = "The Qdrant server answered with status 429: too many requests a minute."
            raise Overloaded(message, float(error.retry_after_s)) from error
        except (ApiException, OSError) as error:
            raise Away("The Qdrant server does not answer: check AEGIS_QDRANT_URL.") from error

    def _connected(self) -> QdrantClient:
        with self._guard:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> QdrantClient:
        from qdrant_client import QdrantClient

        parts = urlsplit(self._url)
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            raise Misconfigured("AEGIS_QDRANT_URL must be an address like http://qdrant:6333.")
        if self._key and not self._encrypted and not is_near(self._url):
            raise Misconfigured("AEGIS_QDRANT_URL must be https: an API key over http is for this machine and private networks.")
        if not self._key.isascii() or not self._key.isprintable():
            raise Misconfigured("AEGIS_QDRANT_API_KEY holds a character that no key has: copy it anew.")
        for message in WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        return QdrantClient(
            url=self._url,
            api_key=self._key or None,
            timeout=REQUEST_SECONDS,
            check_compatibility=False,
            trust_env=may_use_proxy(self._url),
            verify=tls_context(self._ca_file) if self._encrypted else True,
        )


def _again(error: Exception) -> bool | float:
    """Return whether, or in how many seconds, an operation is tried again."""
    if isinstance(error, Overloaded):
        return min(max(error.seconds, 0.1), RETRY_SECONDS / 2)
    return isinstance(error, StoreUnavailable) and error.retryable


def translated(error: UnexpectedResponse) -> AegisError:
    """Return the server's refusal as a sentence with what it said."""
    status, reason = error.status_code, reason_of(error.content)
    if status in (401, 403):
        return Misconfigured("The Qdrant server refuses access: check AEGIS_QDRANT_API_KEY.")
    if status in (400, 422):
        if "vector dimension error" in reason.lower():
            return Misconfigured(REFUSED)
        return RefusedRequest(f"The Qdrant server refused a request: {reason or f'status {status}'}.")
    if status == 404 and "doesn't exist" in reason:
        return MissingCollection("The Qdrant server does not have the collection.", retryable=False)
    # 409: two processes created the same collection; the second attempt finds it.
    again = status is None or status >= 500 or status in (404, 409, 429)
    said = f"{status}: {reason}" if reason else f"{status}"
    return StoreUnavailable(f"The Qdrant server answered with status {said}.", retryable=again, server=VECTORS)


def reason_of(content: bytes) -> str:
    """Return what an answer's body says, in one printable line of limited length; '' where it is no answer of Qdrant's."""
    try:
        status = json.loads(content)["status"]
        text = status["error"] if isinstance(status, dict) else status
    except (ValueError, KeyError, TypeError):
        return ""
    if not isinstance(text, str):
        return ""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split()).rstrip(".")
    return line if len(line) <= REASON_LENGTH else f"{line[: REASON_LENGTH - 1]}…"
