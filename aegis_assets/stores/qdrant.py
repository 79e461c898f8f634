"""How a Qdrant client is reached for one operation: a server with retries, or a local path under a file lock.

Both answer `run` alike, so that the vector store is written once. Every operation given to them is idempotent: it may run twice.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import random
import shutil
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
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


class LocalQdrant:
    """A directory per collection, opened by one process at a time. The kernel frees the lock of a process that dies."""

    def __init__(self, root: Path, lock_seconds: float) -> None:
        self._root, self._patience = root, lock_seconds

    def run(self, name: str, action: Callable[[QdrantClient], T], missing: T) -> T:
        if not (self._root / name).is_dir():
            return missing
        with self._locked(name):
            if not (self._root / name).is_dir():  # dropped while we waited
                return missing
            with self._opened(self._root / name) as client:
                return action(client)

    def make(self, name: str, action: Callable[[QdrantClient], None]) -> None:
        """Made beside its place and moved there: a kill half way leaves nothing that does not open."""
        with self._locked(name):
            place, draft = self._root / name, self._root / f"{name}.making"
            if place.is_dir():
                with self._opened(place) as client:
                    action(client)
                return
            shutil.rmtree(draft, ignore_errors=True)
            with self._opened(draft) as client:
                action(client)
            os.rename(draft, place)

    def drop(self, name: str) -> None:
        with self._locked(name):
            shutil.rmtree(self._root / name, ignore_errors=True)

    def check(self) -> None:
        with self._locked("check"):
            pass

    def close(self) -> None:
        """Nothing is held between operations."""

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._root / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"The vector store at {self._root} cannot be used ({type(error).__name__}).") from error
        try:
            self._wait(handle)
            yield
        finally:
            os.close(handle)

    def _wait(self, handle: int) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise StoreUnavailable(
                        f"The local vector store was in use by another process for {self._patience:.0f} s. "
                        "For many documents at once set AEGIS_QDRANT_URL to a Qdrant server."
                    ) from error
            time.sleep(random.uniform(0.01, 0.05))

    @contextmanager
    def _opened(self, place: Path) -> Iterator[QdrantClient]:
        from qdrant_client import QdrantClient

        warnings.filterwarnings("ignore", message="Local mode is not recommended")  # said in the documentation of the store
        try:
            client = QdrantClient(path=str(place))
        except (OSError, ValueError, RuntimeError, AttributeError, TypeError, KeyError, pickle.PickleError, sqlite3.Error) as error:
            raise StoreUnavailable(f"The local vector store cannot be opened ({type(error).__name__}).", retryable=False) from error
        try:
            yield client
        except ValueError as error:
            raise Misconfigured(REFUSED) from error
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"The local vector store could not be written ({type(error).__name__}).") from error
        finally:
            client.close()
