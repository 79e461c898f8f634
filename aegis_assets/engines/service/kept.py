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
from typing import Final, NamedTuple

from aegis_assets.model.ids import fingerprint
from aegis_assets.pipeline.ports import Bucket

MB: Final = 2**20
LIMIT_MB: Final = 1024  # on disk, of all kept files together


class _File(NamedTuple):
    """As it was when it was fetched."""

    size: int
    changed: int


class Kept:
    """Thread-safe. Keys name content: what is written under one never changes."""

    def __init__(self, bucket: Bucket, directory: Path, limit_mb: int = LIMIT_MB) -> None:
        """directory: made here, on the file system of the calls' folders, and emptied by whoever starts the server."""
        directory.mkdir(mode=0o700, exist_ok=True)
        self._bucket, self._directory, self._limit = bucket, directory, limit_mb * MB
        self._files: OrderedDict[str, _File] = OrderedDict()  # the last asked for at the end
        self._fetching: dict[str, Lock] = {}
        self._lock = Lock()

    def link(self, key: str, path: Path) -> Path:
        """The object's bytes at `path`. Raises what the bucket raises."""
        file = self._directory / fingerprint(key=key)
        with self._lock:
            turn = self._fetching.setdefault(key, Lock())
        with turn:  # of two windows that ask at once, one fetches
            with self._lock:
                if self._sound(key, file):
                    return _linked(file, path)
            self._bucket.download(key, file)
            file.chmod(0o400)
            with self._lock:
                self._files[key] = _seen(file)
                self._let_go()
                return _linked(file, path)

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
            self._fetching.pop(key, None)


def _seen(file: Path) -> _File:
    status = file.stat()
    return _File(status.st_size, status.st_mtime_ns)


def _linked(file: Path, path: Path) -> Path:
    try:
        os.link(file, path)
    except OSError:  # a file system without hard links
        shutil.copyfile(file, path)
    return path
