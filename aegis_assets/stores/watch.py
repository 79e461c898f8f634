"""A watched directory or S3 prefix: who lists it for the bucket sensor, and how one of its objects is fetched. Never written to."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import obstore
from obstore.exceptions import BaseError

from aegis_assets.errors import BadInput, NotFound, StoreUnavailable
from aegis_assets.settings import Settings
from aegis_assets.stores.bucket import ObjectBucket, checked, local_root, s3_store, translated
from aegis_assets.stores.watch_directory import DirectoryWatcher
from aegis_assets.stores.watch_listing import Listing
from aegis_assets.stores.watch_s3 import BucketWatcher


class Watcher(Protocol):
    """problems: what a person should look at, also while nothing changes."""

    problems: tuple[str, ...]

    def listings(self, settle_seconds: float, now: datetime) -> Generator[Listing, None, None]:
        """Yield what can be ingested now, part by part; ask for the next only when a part is stored. Nothing where nothing changed.

        Left out: hidden and temporary names, links that lead out, what is no file, what changed less than `settle_seconds` ago.
        Raises Misconfigured and StoreUnavailable.
        """
        ...

    def look_again(self) -> None:
        """List everything soon, whether or not it changes: a part could not be stored as it was."""
        ...


def open_watcher(url: str, settings: Settings) -> Watcher:
    """One per process and bucket: it remembers what it has seen."""
    return BucketWatcher(url, settings) if url.startswith("s3://") else DirectoryWatcher(local_root(url))


def fetch(url: str, settings: Settings, key: str, path: Path) -> None:
    """Copy one object to `path`, whole or not at all. Raises NotFound, BadInput (over the size limit), StoreUnavailable (it
    changed while it was read: the next tick sees it settled)."""
    checked(key)
    if url.startswith("s3://"):
        store = s3_store(url, settings, settings.outage_seconds)
        _fits(_head(store, url, key)["size"], settings)
        ObjectBucket(store, f"bucket {url}").download(key, path)
        return
    with _opened(local_root(url), key) as source:
        before = os.fstat(source.fileno())
        _fits(before.st_size, settings)
        _copy(source, path)
        after = os.fstat(source.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        path.unlink(missing_ok=True)
        raise StoreUnavailable("The file changed while it was read: it is still being written.", server="the watched bucket")


def _fits(size: int, settings: Settings) -> None:
    if size > settings.max_file_bytes:
        raise BadInput(
            f"The file has {size / 1e6:.0f} MB; the limit is {settings.max_file_mb} MB (AEGIS_MAX_FILE_MB).", kind="too_large"
        )


def _copy(source: BinaryIO, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".fetch-")
    try:
        with os.fdopen(handle, "wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
        os.replace(draft, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)


def _opened(root: Path, key: str) -> BinaryIO:
    """Resolved first: a link inside the tree is followed, one that leads out of it is not there."""
    path = root / key
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root.resolve()) or not real.is_file():
            raise NotFound("The watched object is not a file inside the watched directory.")
        # No waiting for a writer where a named pipe took the file's place in between.
        return os.fdopen(os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    except (FileNotFoundError, NotADirectoryError, RuntimeError) as error:
        raise NotFound("The watched object is gone.") from error
    except OSError as error:
        raise StoreUnavailable(
            f"The watched object cannot be read ({type(error).__name__}).", server="the watched bucket"
        ) from error


def _head(store: Any, url: str, key: str) -> Any:
    try:
        return obstore.head(store, key)
    except (BaseError, OSError, ValueError) as error:
        raise translated(error, f"watched bucket {url}") from error
