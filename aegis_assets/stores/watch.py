"""A watched directory or S3 prefix -> the objects that are whole and settled, for the bucket sensor. Never written to.

The questionable decision: a listing says by `complete` whether absence means deletion. It is False as soon as anything could not be
seen or is still being written, because taking a half-seen bucket for a deletion would remove documents.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import obstore
from obstore.exceptions import BaseError, InvalidPathError

from aegis_assets.errors import BadInput, Misconfigured, NotFound, StoreUnavailable
from aegis_assets.logs import logger
from aegis_assets.model.ledger import SeenObject
from aegis_assets.model.parsing import Frozen
from aegis_assets.settings import Settings
from aegis_assets.stores.bucket import ObjectBucket, checked, local_root, s3_store, translated

log = logger(__name__)

# What programs call a file that they are still writing or that is not meant to be read: downloads, editors, offices, systems.
UNFINISHED_SUFFIXES = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".swp", ".filepart", ".lock", "~")
UNFINISHED_PREFIXES = (".", "~$")
SYSTEM_NAMES = frozenset({"thumbs.db", "desktop.ini"})


class Listing(Frozen):
    """objects: sorted by key; the etag is S3's, or size and time of a file. pending: keys left alone for now, still being written.

    complete: every object was seen whole, so a known key that is not listed is gone. problems: what a person should look at.
    """

    objects: tuple[SeenObject, ...]
    pending: frozenset[str] = frozenset()
    complete: bool = True
    problems: tuple[str, ...] = ()


class _Found:
    """A listing in the making."""

    def __init__(self, settle_seconds: float, now: float) -> None:
        self.objects: list[SeenObject] = []
        self.pending: set[str] = set()
        self.problems: list[str] = []
        self.blind = False  # a part of the bucket was not seen
        self._now = now
        self._settled = now - settle_seconds

    def add(self, key: str, etag: str, size: int, *changes: float) -> None:
        """changes: times of changes; a stamp from the future (a wrong clock, a crafted archive) says nothing."""
        try:
            checked(key)
        except BadInput:
            self.problem("Objects whose names are no valid keys are left out.")  # never a known key: nothing is missed
            return
        if any(self._settled < change <= self._now for change in changes):
            self.pending.add(key)
        else:
            self.objects.append(SeenObject(key=key, etag=etag, size=size))

    def problem(self, sentence: str, *, blind: bool = False) -> None:
        self.blind = self.blind or blind
        if sentence not in self.problems:
            self.problems.append(sentence)

    def listing(self) -> Listing:
        if self.problems:
            log.warning("watch_incomplete", problems=self.problems)
        return Listing(
            objects=tuple(sorted(self.objects, key=lambda one: one.key)),
            pending=frozenset(self.pending),
            complete=not self.blind and not self.pending,
            problems=tuple(self.problems),
        )


def list_objects(url: str, settings: Settings, settle_seconds: float, now: datetime) -> Listing:
    """What can be ingested now. Skipped: hidden and temporary names, links that lead out, what is no file, what changed less than
    `settle_seconds` ago. Raises Misconfigured and StoreUnavailable."""
    found = _Found(settle_seconds, now.timestamp())
    if url.startswith("s3://"):
        _list_s3(s3_store(url, settings), url, found)
    else:
        root = local_root(url)
        if not root.is_dir():
            raise Misconfigured(f"The watched directory {root} does not exist: create it or correct AEGIS_WATCH_URL.")
        _list_directory(root, found)
    return found.listing()


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


def _list_directory(root: Path, found: _Found) -> None:
    real_root = root.resolve()
    stack: list[tuple[str, str]] = [(str(root), "")]
    while stack:
        folder, place = stack.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if unfinished(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        stack.append((entry.path, f"{place}{entry.name}/"))
                    else:
                        _visit(entry, f"{place}{entry.name}", real_root, found)
        except OSError as error:
            found.problem(f"A folder of the watched directory cannot be read ({type(error).__name__}).", blind=True)


def _visit(entry: os.DirEntry[str], key: str, root: Path, found: _Found) -> None:
    """Links to files inside the tree count; links to folders do not, for the same file would have two keys, or endlessly many."""
    if entry.is_symlink():
        with suppress(OSError, RuntimeError):
            if not Path(entry.path).resolve(strict=True).is_relative_to(root):
                return
    try:
        status = entry.stat()
    except FileNotFoundError:
        return  # deleted since, or a link that leads nowhere
    except OSError as error:
        found.problem(f"A file of the watched directory cannot be read ({type(error).__name__}).", blind=True)
        return
    if stat.S_ISREG(status.st_mode):
        # ctime too: a copy that keeps the original's time stamps is still a fresh write.
        found.add(key, f"{status.st_size}-{status.st_mtime_ns}", status.st_size, status.st_mtime, status.st_ctime)


def _list_s3(store: Any, url: str, found: _Found) -> None:
    try:
        pages = list(_pages(store, url))
    except _BadKey:
        # One key that is no path spoils a flat listing; level by level it spoils only its own folder.
        found.problem("Objects whose names are no valid keys are left out, with the folder they are in.", blind=True)
        pages = list(_levels(store, url))
    for page in pages:
        for meta in page:
            key, size = meta["path"], meta["size"]
            name = key.rsplit("/", 1)[-1]
            if any(unfinished(part) for part in key.split("/")) or (size == 0 and "." not in name):  # a folder's marker
                continue
            etag = (meta["e_tag"] or hashlib.sha256(f"{size}-{meta['last_modified']}".encode()).hexdigest()).strip('"')
            found.add(key, etag, size, meta["last_modified"].timestamp())


class _BadKey(Exception):
    pass


def _pages(store: Any, url: str) -> Iterator[Any]:
    try:
        yield from obstore.list(store, chunk_size=1000)
    except InvalidPathError as error:
        raise _BadKey from error
    except (BaseError, OSError, ValueError) as error:
        raise translated(error, f"watched bucket {url}") from error


def _levels(store: Any, url: str) -> Iterator[Any]:
    stack: list[str] = [""]
    while stack:
        place = stack.pop()
        try:
            level = obstore.list_with_delimiter(store, place or None)
        except (InvalidPathError, ValueError):
            continue
        except (BaseError, OSError) as error:
            raise translated(error, f"watched bucket {url}") from error
        stack.extend(level["common_prefixes"])
        yield level["objects"]


def _head(store: Any, url: str, key: str) -> Any:
    try:
        return obstore.head(store, key)
    except (BaseError, OSError, ValueError) as error:
        raise translated(error, f"watched bucket {url}") from error


def unfinished(name: str) -> bool:
    """Whether the name says that a file is hidden, temporary or the system's."""
    lowered = name.lower()
    return lowered.startswith(UNFINISHED_PREFIXES) or lowered.endswith(UNFINISHED_SUFFIXES) or lowered in SYSTEM_NAMES
