"""Objects of the bucket -> files for the sandbox, the last ones kept: each window of a document asks for the same bytes again.

Fetching 200 MB from a directory takes 1.4 s of CPU, from S3 longer, and parsing sixteen pages takes one. The questionable decision:
a call gets a hard link to the kept file and not a copy; a library that wrote into its input would be noticed by the file's time,
and the object fetched anew.
"""

from __future__ import annotations

import os
import shutil
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, NamedTuple
from weakref import WeakValueDictionary

from aegis_assets.model.ids import fingerprint
from aegis_assets.pipeline.ports import Bucket

MB: Final = 2**20
LIMIT_MB: Final = 1024  # on disk, of all kept files together


class _File(NamedTuple):
    """As it was when it was fetched."""

    size: int
    changed: int


class BlobCache:
    """Thread-safe. Keys name content: what is written under one never changes."""

    def __init__(self, bucket: Bucket, directory: Path, limit_mb: int = LIMIT_MB) -> None:
        """directory: made here, on the file system of the calls' folders, and emptied by whoever starts the server."""
        directory.mkdir(mode=0o700, exist_ok=True)
        self._bucket, self._directory, self._limit = bucket, directory, limit_mb * MB
        self._files: OrderedDict[str, _File] = OrderedDict()  # the last asked for at the end
        self._fetching: WeakValueDictionary[str, Lock] = WeakValueDictionary()  # for as long as somebody waits or fetches
        self._lock = Lock()

    def link(self, key: str, path: Path) -> Path:
        """The object's bytes at `path`. Raises what the bucket raises."""
        file = self._directory / fingerprint(key=key)
        with self._lock:
            turn = self._fetching.setdefault(key, Lock())
        with turn:  # of two windows that ask at once, one fetches
            with self._lock:
                known = self._sound(key, file)
                source = _linked(file, path) if known else None
            if not known:
                self._bucket.download(key, file)
                file.chmod(0o400)
                with self._lock:
                    self._files[key] = _seen(file)
                    self._let_go()
                    source = _linked(file, path)
        if source is not None:
            with source, path.open("wb") as copy:
                shutil.copyfileobj(source, copy, MB)
        return path

    def _sound(self, key: str, file: Path) -> bool:
        known = self._files.pop(key, None)
        if known is None or not file.exists() or known != _seen(file):
            return False
        self._files[key] = known
        return True

    def _let_go(self) -> None:
        """The oldest, never the last; calls that work on them keep their links."""
        while len(self._files) > 1 and sum(each.size for each in self._files.values()) > self._limit:
            key, _ = self._files.popitem(last=False)
            (self._directory / fingerprint(key=key)).unlink(missing_ok=True)


def _seen(file: Path) -> _File:
    status = file.stat()
    return _File(status.st_size, status.st_mtime_ns)


def _linked(file: Path, path: Path) -> BinaryIO | None:
    """None, or what is to be copied where the file system has no hard links: open, so that it may be let go meanwhile."""
    try:
        os.link(file, path)
    except OSError:
        return file.open("rb")
    return None
