"""A watched directory or S3 prefix: who lists it for the bucket sensor, and how one of its objects is fetched. Never written to."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import obstore
from obstore.exceptions import BaseError

from aegis_assets.errors import BadInput, Misconfigured, NotFound, StoreUnavailable
from aegis_assets.settings import Settings
from aegis_assets.stores.bucket import ObjectBucket, checked, local_root, s3_store, translated
from aegis_assets.stores.watch_directory import DirectoryWatcher
from aegis_assets.stores.watch_listing import Listing, unfinished
from aegis_assets.stores.watch_s3 import BucketWatcher

SERVER: Final = "the watched bucket"
BLOCK: Final = 1024 * 1024  # bytes that are read at a time


class Watcher(Protocol):
    """problems: what a person should look at, also while nothing changes.

    every_seconds: how long it takes from the end of a complete listing to the end of the next one, pauses between looks left out.
    """

    problems: tuple[str, ...]
    every_seconds: float

    def listings(self, settle_seconds: float, clock: Callable[[], float] = time.time) -> Generator[Listing, None, None]:
        """Yield what can be ingested now, part by part; ask for the next only when a part is stored. Nothing where nothing changed.

        Left out: hidden and temporary names, links that lead out, what is no file, what changed less than `settle_seconds` ago.
        clock: seconds since the epoch, read for each object because a look may take minutes. Raises Misconfigured and
        StoreUnavailable.
        """
        ...

    def look_again(self) -> None:
        """List everything soon, whether or not it changes: a part could not be stored as it was."""
        ...


def open_watcher(url: str, settings: Settings) -> Watcher:
    """One per process and bucket: it remembers what it has seen."""
    return BucketWatcher(url, settings) if url.startswith("s3://") else DirectoryWatcher(local_root(url))


def fetch(url: str, settings: Settings, key: str, path: Path) -> None:
    """Copy one object to `path`, whole or not at all.

    Raises NotFound, BadInput (over the size limit), Misconfigured (it may not be read), and StoreUnavailable: the directory is not
    mounted or fails, or the file changed while it was read, and the next tick sees it settled.
    """
    checked(key)
    if url.startswith("s3://"):
        store = s3_store(url, settings, settings.outage_seconds)
        _fits(_head(store, url, key)["size"], settings)
        ObjectBucket(store, f"bucket {url}").download(key, path)
        return
    root = local_root(url)
    with _opened(root, key) as source:
        before = _status(source, root)
        _fits(before.st_size, settings)
        _copy(source, path, root)
        after = _status(source, root)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        path.unlink(missing_ok=True)
        raise StoreUnavailable("The file changed while it was read: it is still being written.", server=SERVER)


def _fits(size: int, settings: Settings) -> None:
    if size > settings.max_file_bytes:
        raise BadInput(
            f"The file has {size / 1e6:.0f} MB; the limit is {settings.max_file_mb} MB (AEGIS_MAX_FILE_MB).", kind="too_large"
        )


def _copy(source: BinaryIO, path: Path, root: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".fetch-")
    try:
        with os.fdopen(handle, "wb") as target:
            while block := _read(source, root):
                target.write(block)
        os.replace(draft, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)


def _opened(root: Path, key: str) -> BinaryIO:
    """Resolve first: a link inside the tree is followed, one that leads out of it is not there."""
    with _translate_read_errors(root):
        real = (root / key).resolve(strict=True)
        if not real.is_relative_to(root.resolve()) or not real.is_file():
            _require_mounted(root)
            raise NotFound("The watched object is not a file inside the watched directory.")
        # No waiting for a writer where a named pipe took the file's place in between.
        return os.fdopen(os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def _read(source: BinaryIO, root: Path) -> bytes:
    with _translate_read_errors(root):
        return source.read(BLOCK)


def _status(source: BinaryIO, root: Path) -> os.stat_result:
    with _translate_read_errors(root):
        return os.fstat(source.fileno())


@contextmanager
def _translate_read_errors(root: Path) -> Iterator[None]:
    """Raise what a failed access says of the object, and StoreUnavailable where it says nothing of it: then the document waits."""
    try:
        yield
    except PermissionError as error:
        _require_mounted(root)
        raise Misconfigured(
            "The watched object may not be read: give the platform's user the permission to read it, then retry."
        ) from error
    except (FileNotFoundError, NotADirectoryError, RuntimeError) as error:
        _require_mounted(root)
        raise NotFound("The watched object is gone.") from error
    except OSError as error:
        raise StoreUnavailable(f"The watched object cannot be read ({type(error).__name__}).", server=SERVER) from error


def _require_mounted(root: Path) -> None:
    """Raise StoreUnavailable if the root holds nothing, as a mount point does whose disk is away, or cannot be listed itself."""
    with suppress(OSError), os.scandir(root) as entries:
        if any(not unfinished(entry.name) for entry in entries):
            return
    raise StoreUnavailable("The watched directory is missing or empty: is it mounted?", server=SERVER)


def _head(store: Any, url: str, key: str) -> Any:
    try:
        return obstore.head(store, key)
    except (BaseError, OSError, ValueError) as error:
        raise translated(error, f"watched bucket {url}") from error
