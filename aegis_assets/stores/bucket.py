"""Keys -> bytes, in a directory or in S3, through one library.

The questionable decision: a key that a person could have chosen (with '..', control characters, a leading '/') is refused here
too, although only hashes and ids become keys today; the bucket is where such a name would turn into a path.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import obstore
from obstore.exceptions import BaseError, InvalidPathError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

from aegis_assets.errors import AegisError, BadInput, Misconfigured, NotFound, StoreUnavailable
from aegis_assets.network import is_near, may_use_proxy, tls_context
from aegis_assets.settings import Settings

T = TypeVar("T")

NO_PROXY = "http://127.0.0.1:9"  # the discard port, where nobody listens
MAX_KEY_BYTES = 1024  # S3's limit
MAX_NAME_BYTES = 255  # a file system's limit for one segment
PART = 8 * 1024 * 1024  # bytes of one part of an upload or download
DELETED_AT_ONCE = 1000  # keys of a prefix that are in memory together
PARTS_IN_FLIGHT = 4  # so a 200 MB file costs 32 MB of memory

CLIENT = {"timeout": "60s", "connect_timeout": "3s"}
PAGE_SECONDS = 20.0  # for which a server that is away is asked again where a person waits; a run waits for AEGIS_OUTAGE_SECONDS
BACKOFF = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=3), "base": 2}  # with jitter


class ObjectBucket:
    """The port `Bucket`. A prefix is made of whole key segments: 'artifacts/a' does not find 'artifacts/ab'.

    Raises BadInput (a key), NotFound (an object), Misconfigured (credentials, no such bucket), StoreUnavailable (the rest).
    """

    def __init__(self, store: Any, name: str) -> None:
        self._store = store
        self._name = name

    def put(self, key: str, content: bytes) -> None:
        checked(key)
        self._call(lambda: obstore.put(self._store, key, content, chunk_size=PART, max_concurrency=PARTS_IN_FLIGHT))

    def put_file(self, key: str, path: Path) -> None:
        """Streams. The object appears whole or not at all."""
        checked(key)
        if not path.is_file():
            raise NotFound("The file to store is no longer there.")
        self._call(lambda: obstore.put(self._store, key, path, chunk_size=PART, max_concurrency=PARTS_IN_FLIGHT))

    def get(self, key: str) -> bytes:
        checked(key)
        return self._call(lambda: bytes(obstore.get(self._store, key).bytes()))

    def download(self, key: str, path: Path) -> None:
        """Streams. The file appears whole or not at all."""
        checked(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".download-")
        try:
            with os.fdopen(handle, "wb") as stream:
                self._call(lambda: stream.writelines(obstore.get(self._store, key).stream(min_chunk_size=PART)))
            os.replace(draft, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft)

    def exists(self, key: str) -> bool:
        checked(key)
        try:
            self._call(lambda: obstore.head(self._store, key))
        except NotFound:
            return False
        return True

    def keys(self, prefix: str, before: datetime | None = None) -> Iterator[str]:
        """Keys below a prefix ('' for all), a page at a time, in no order. before: only what was written before that moment."""
        place = prefix.strip("/")
        if place:
            checked(place)
        pages = iter(obstore.list(self._store, place or None, chunk_size=1000))
        while (page := self._call(lambda: next(pages, None))) is not None:
            yield from (meta["path"] for meta in page if before is None or meta["last_modified"] < before)

    def delete(self, key: str) -> None:
        """Deleting what is not there is fine."""
        checked(key)
        with suppress(NotFound):
            self._call(lambda: obstore.delete(self._store, key))

    def delete_prefix(self, prefix: str) -> int:
        """Number of objects deleted. An empty prefix is refused: it would be the whole bucket."""
        if not prefix.strip("/"):
            raise BadInput("A prefix to delete must not be empty.")
        count = 0
        while True:  # from the start each time: what was listed is gone by then
            page = list(islice(self.keys(prefix), DELETED_AT_ONCE))
            for key in page:
                self.delete(key)
            count += len(page)
            if len(page) < DELETED_AT_ONCE:
                return count

    def check(self) -> None:
        """Raises what is wrong with the bucket: unreachable, refused, missing, or not writable."""
        probe = f"probe/{os.getpid()}"
        self.put(probe, b"probe")
        self.delete(probe)

    def _call(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except (BaseError, OSError, ValueError) as error:
            raise translated(error, self._name) from error


def open_bucket(url: str, settings: Settings, outage_seconds: float = PAGE_SECONDS) -> ObjectBucket:
    """file:///directory (made 0700 if missing) or s3://bucket/prefix. outage_seconds: for which calls wait for an S3 server."""
    if url.startswith("s3://"):
        return ObjectBucket(s3_store(url, settings, outage_seconds), f"bucket {url}")
    root = local_root(url)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = LocalStore(str(root), automatic_cleanup=True)
    except (OSError, BaseError, ValueError) as error:
        raise Misconfigured(
            f"The bucket's directory {root} cannot be used ({type(error).__name__}): check AEGIS_BUCKET_URL."
        ) from error
    return ObjectBucket(store, f"directory {root}")


def local_root(url: str) -> Path:
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise Misconfigured(f"A bucket address must be file:///directory or s3://bucket/prefix, not {url!r}.")
    return Path(unquote(parts.path))


def s3_store(url: str, settings: Settings, outage_seconds: float = PAGE_SECONDS) -> Any:
    parts = urlsplit(url)
    if not parts.netloc:
        raise Misconfigured(f"A bucket address must be s3://bucket/prefix, not {url!r}.")
    options: dict[str, Any] = {"region": settings.s3_region, "virtual_hosted_style_request": False}
    client = dict(CLIENT)
    if settings.s3_endpoint:
        options["endpoint"] = settings.s3_endpoint
        if urlsplit(settings.s3_endpoint).scheme == "http":
            if not is_near(settings.s3_endpoint):
                raise Misconfigured(
                    "AEGIS_S3_ENDPOINT must be https: plain http is for this machine, private networks and AEGIS_NEAR_HOSTS."
                )
            client["allow_http"] = True  # type: ignore[assignment]
        client |= connection_options(settings.s3_endpoint, settings.ca_file)
    if settings.s3_access_key.get_secret_value():
        options["access_key_id"] = settings.s3_access_key.get_secret_value()
        options["secret_access_key"] = settings.s3_secret_key.get_secret_value()
    # The number of attempts is no limit: with the pauses below, 40 would be over after two minutes.
    retry = {"max_retries": 10_000, "retry_timeout": timedelta(seconds=outage_seconds), "backoff": BACKOFF}
    try:
        return S3Store(parts.netloc, prefix=parts.path.strip("/") or None, client_options=client, retry_config=retry, **options)
    except (BaseError, ValueError) as error:
        raise Misconfigured("The S3 settings do not fit together: check AEGIS_S3_ENDPOINT and the bucket's address.") from error


def connection_options(endpoint: str, ca_file: str) -> dict[str, str]:
    """Return the client's options for the way to the server: directly to a near one, and with AEGIS_CA_FILE's authorities.

    Given no proxy, the library takes the environment's for every host; given one, that alone, and the authorities beside it. So a
    near server gets a proxy that is for every other host, of which this client knows none. Raises Misconfigured.
    """
    if may_use_proxy(endpoint) and not ca_file:
        return {}
    place = urlsplit(endpoint)
    host = place.hostname or ""
    proxy = getproxies().get(place.scheme, "") if may_use_proxy(endpoint) and not proxy_bypass(host) else ""
    options = {"proxy_url": proxy} if proxy else {"proxy_url": NO_PROXY, "proxy_excludes": host}
    if ca_file:
        tls_context(ca_file)  # says what is wrong with the file
        options["proxy_ca_certificate"] = Path(ca_file).read_text()
    return options


def checked(key: str) -> str:
    """The key, if it can be one everywhere."""
    segments = key.split("/")
    try:
        long = len(key.encode()) > MAX_KEY_BYTES or any(len(part.encode()) > MAX_NAME_BYTES for part in segments)
    except UnicodeEncodeError as error:
        raise BadInput("A bucket key must be valid Unicode.") from error
    if long or any(part in ("", ".", "..") for part in segments) or any(ord(letter) < 32 or ord(letter) == 127 for letter in key):
        raise BadInput("A bucket key must be relative, without '..', empty parts or control characters, and at most 1024 bytes.")
    return key


def translated(error: Exception, name: str) -> AegisError:
    """What the library says, as one sentence without addresses of requests or credentials."""
    text = str(error)
    if isinstance(error, PermissionDeniedError | UnauthenticatedError | PermissionError) or "403 Forbidden" in text:
        return Misconfigured(f"The {name} refuses access: check its credentials or permissions.")
    if "NoSuchBucket" in text or "InvalidBucketName" in text:
        return Misconfigured(f"The {name} does not exist: create it or correct the address.")
    if isinstance(error, FileNotFoundError):
        return NotFound("The object is not in the bucket.")
    if isinstance(error, InvalidPathError | ValueError):
        return BadInput("The bucket holds or was asked for a key that is no valid path.")
    return StoreUnavailable(f"The {name} does not answer as it should ({type(error).__name__}).", server="the bucket")
