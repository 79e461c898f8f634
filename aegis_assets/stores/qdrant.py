"""How a Qdrant client is reached for one operation: on a server, with retries; `qdrant_local` has the other way, a local path.

Both answer `run` alike, so that the vector store is written once. Every operation given to them is idempotent: it may run twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import stamina

from aegis_assets.errors import Misconfigured, StoreUnavailable

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

T = TypeVar("T")

REQUEST_SECONDS = 15
ATTEMPTS = 4
RETRY_SECONDS = 20.0
REFUSED = "The vector store refused the vectors: their size is not that of the collection, so another embedder made them."


class Qdrant(Protocol):
    """run: `missing` is the answer where the collection does not exist. make: the action must create it."""

    def run(self, name: str, action: Callable[[QdrantClient], T], missing: T) -> T: ...
    def make(self, name: str, action: Callable[[QdrantClient], None]) -> None: ...
    def drop(self, name: str) -> None: ...
    def check(self) -> None: ...
    def close(self) -> None: ...


class ServerQdrant:
    """One client for the life of the object; its connections are pooled."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url, self._key = url, api_key
        self._client: QdrantClient | None = None

    def run(self, name: str, action: Callable[[QdrantClient], T], missing: T) -> T:
        return self._retried(lambda client: action(client) if client.collection_exists(name) else missing)

    def make(self, name: str, action: Callable[[QdrantClient], None]) -> None:
        self._retried(action)

    def drop(self, name: str) -> None:
        self._retried(lambda client: client.delete_collection(name))

    def check(self) -> None:
        self._retried(lambda client: client.get_collections())

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _retried(self, action: Callable[[QdrantClient], T]) -> T:
        for attempt in stamina.retry_context(
            on=lambda error: isinstance(error, StoreUnavailable) and error.retryable, attempts=ATTEMPTS, timeout=RETRY_SECONDS
        ):
            with attempt:
                return self._once(action)
        raise AssertionError("the retries end by an answer or by an error")

    def _once(self, action: Callable[[QdrantClient], T]) -> T:
        from qdrant_client import QdrantClient
        from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

        try:
            if self._client is None:
                self._client = QdrantClient(
                    url=self._url, api_key=self._key or None, timeout=REQUEST_SECONDS, check_compatibility=False
                )
            return action(self._client)
        except UnexpectedResponse as error:
            if error.status_code in (401, 403):
                raise Misconfigured("The Qdrant server refuses access: check AEGIS_QDRANT_API_KEY.") from error
            if error.status_code in (400, 422):
                raise Misconfigured(REFUSED) from error
            # 409: two processes created the same collection; the second attempt finds it.
            again = error.status_code is None or error.status_code >= 500 or error.status_code in (404, 409, 429)
            raise StoreUnavailable(f"The Qdrant server answered with status {error.status_code}.", retryable=again) from error
        except (ApiException, OSError) as error:
            raise StoreUnavailable("The Qdrant server does not answer: check AEGIS_QDRANT_URL.") from error
