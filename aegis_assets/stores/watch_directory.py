"""A watched directory -> what changed in it, as the operating system tells; all of it now and then. Never written to.

Looking at each file every second is most of what a machine at rest does once there are a hundred thousand. So only paths that were
told of are looked at, and everything at the start, every `FULL_SECONDS`, and whenever something is not certain. A network's file
system tells nothing of what others write: there everything is looked at, for a tenth of the time at most.
"""

from __future__ import annotations

import math
import os
import stat
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final

import psutil

from aegis_assets.errors import Misconfigured
from aegis_assets.logs import logger
from aegis_assets.stores.watch_listing import Found, Listing, unfinished

log = logger(__name__)

FULL_SECONDS: Final = 300.0
AGAIN_SECONDS: Final = 10.0
DEAF_SECONDS: Final = 3600.0  # then it is tried again whether the system tells of changes
POLL_SHARE: Final = 10  # a poll begins this many times its own length after the last
MANY: Final = 10  # paths that are gone at once: look whether the disk is still mounted, by a full listing
# Milliseconds. Changes gather by themselves between two looks; a look waits only for those that are being told right now.
STEP_MS: Final = 20
GATHER_MS: Final = 100
TELLS_NOTHING: Final = (
    *("nfs", "cifs", "smb", "9p", "ceph", "glusterfs", "lustre", "gpfs", "afs", "ocfs2", "vboxsf", "virtiofs", "fuse", "drvfs"),
)
Changes = set[tuple[Any, str]]


class DirectoryWatcher:
    """Use from one thread at a time; a look that begins while another is under way sees nothing.

    It starts no thread of Python, and ends with its process.
    """

    def __init__(self, root: Path, is_told: Callable[[Path], bool] | None = None) -> None:
        """is_told: whether the operating system tells of changes there."""
        self.problems: tuple[str, ...] = ()
        self.every_seconds = 0.0
        self._root = root
        self._is_told = is_told or tells_of_changes
        self._guard = Lock()
        self._told: Generator[Changes, None, None] | None = None
        self._place: tuple[int, int] | None = None  # the directory's identity: another one may be mounted in its place
        self._full_at = 0.0
        self._again_at = math.inf
        self._folders: set[str] = set()
        self._unsettled: frozenset[str] = frozenset()
        self._missing: dict[str, float] = {}  # key -> when it was first not there
        self._deaf_until = 0.0

    def listings(self, settle_seconds: float, clock: Callable[[], float] = time.time) -> Generator[Listing, None, None]:
        """Yield at most one listing. Where its reader fails, the next one is of everything. Raises Misconfigured."""
        if not self._guard.acquire(blocking=False):
            return  # ticks that wait would pile up behind a scan that takes longer than a tick may
        try:
            listing = self._look(settle_seconds, clock)
            if listing is None:
                return
            until, self._full_at = self._full_at, 0.0
            yield listing
            self._full_at = until
            self._unsettled = listing.pending
            for key in listing.gone:
                self._missing.pop(key, None)
        finally:
            self._guard.release()

    def look_again(self) -> None:
        """List everything soon: something of what was listed could not be stored yet."""
        self._again_at = time.monotonic() + AGAIN_SECONDS

    def _look(self, settle_seconds: float, clock: Callable[[], float]) -> Listing | None:
        place = self._identity()
        changed = self._changed() if place == self._place else None
        if changed is None or time.monotonic() >= min(self._full_at, self._again_at):
            return self._everything(Found(settle_seconds, clock), place)
        keys = self._unsettled | self._missing.keys() | {key for key in map(self._key, changed) if key is not None}
        if not keys:
            return None
        found = Found(settle_seconds, clock)
        certain = all(self._visit(key, found, clock()) for key in keys)
        now = clock()
        gone = tuple(sorted(key for key, since in self._missing.items() if now - since >= settle_seconds))
        if not certain or len(gone) >= MANY:
            return self._everything(Found(settle_seconds, clock), place)
        if not (found.objects or found.problems or gone):
            self._unsettled = frozenset(found.pending)
            return None
        return found.listing(gone, whole=False)

    def _identity(self) -> tuple[int, int]:
        with suppress(OSError):
            status = self._root.stat()
            if stat.S_ISDIR(status.st_mode):
                return status.st_dev, status.st_ino
        raise Misconfigured(f"The watched directory {self._root} does not exist: create it or correct AEGIS_WATCH_URL.")

    def _everything(self, found: Found, place: tuple[int, int]) -> Listing | None:
        """None where it is too early for another look at a file system that tells nothing."""
        told = self._listening(place)
        if not told and place == self._place and time.monotonic() < self._full_at:
            return None
        self._again_at = math.inf
        started = time.monotonic()
        self._missing.clear()
        self._folders = set()
        self._scan("", found)
        took = time.monotonic() - started
        pause = FULL_SECONDS if told else POLL_SHARE * took
        self._full_at, self.every_seconds = time.monotonic() + pause, pause + took
        self._place = place
        self.problems = tuple(found.problems)
        return found.listing()

    def _listening(self, place: tuple[int, int]) -> bool:
        """Begin to be told, before the directory is looked at: nothing falls between the two."""
        if self._told is not None and place == self._place:
            return True
        self.close()
        if time.monotonic() < self._deaf_until or not self._is_told(self._root):
            return False
        from watchfiles import watch  # here: every run would import it, and only the sensor that watches needs it

        told = watch(
            self._root,
            watch_filter=None,
            debounce=GATHER_MS,
            step=STEP_MS,
            rust_timeout=1,
            yield_on_timeout=True,
            raise_interrupt=False,
            force_polling=False,
            ignore_permission_denied=True,
        )
        self._told = told
        return self._changed() is not None

    def _changed(self) -> list[str] | None:
        """Return paths that were told of since the last look, None where nobody tells: too many folders for this system's limit."""
        if self._told is None:
            return None
        try:
            return [path for _, path in next(self._told)]
        except (OSError, RuntimeError, StopIteration) as error:
            log.warning("watch_by_polling", error=type(error).__name__)
            self._deaf_until = time.monotonic() + DEAF_SECONDS
            self.close()
            return None

    def close(self) -> None:
        told, self._told = self._told, None
        if told is not None:
            told.close()

    def _key(self, path: str) -> str | None:
        """None for what is hidden or unfinished, and for what is not below the directory."""
        for root in (str(self._root), os.path.realpath(self._root)):
            if path.startswith(root.rstrip("/") + "/"):
                key = path[len(root.rstrip("/")) + 1 :]
                return None if any(unfinished(part) for part in key.split("/")) else key
        return None

    def _visit(self, key: str, found: Found, now: float) -> bool:
        """Look at one path. Return False where only a full listing can tell what has happened."""
        path, real_root = self._root / key, os.path.realpath(self._root)
        if os.path.realpath(path.parent) != os.path.normpath(os.path.join(real_root, os.path.dirname(key))):
            return True  # reached through a link to a folder, or its folder is gone: then that is told of too
        if path.is_symlink() or path.exists():
            self._missing.pop(key, None)
        if path.is_dir() and not path.is_symlink():
            self._scan(f"{key}/", found)
            return True
        if path.is_symlink() or path.exists():
            visit(str(path), key, Path(real_root), found)
            return True
        self._missing.setdefault(key, now)
        return key not in self._folders

    def _scan(self, below: str, found: Found) -> None:
        """below: '' or a folder's key with '/'."""
        real_root = self._root.resolve()
        stack = [below]
        while stack:
            place = stack.pop()
            if place:
                self._folders.add(place.rstrip("/"))
            try:
                with os.scandir(self._root / place) as entries:
                    for entry in entries:
                        if unfinished(entry.name):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            stack.append(f"{place}{entry.name}/")
                        else:
                            visit(entry.path, f"{place}{entry.name}", real_root, found)
            except OSError as error:
                found.problem(f"A folder of the watched directory cannot be read ({type(error).__name__}).", blind=True)


def visit(path: str, key: str, root: Path, found: Found) -> None:
    """Links to files inside the tree count; links to folders do not, for the same file would have two keys, or endlessly many."""
    if os.path.islink(path):
        with suppress(OSError, RuntimeError):
            if not Path(path).resolve(strict=True).is_relative_to(root):
                return
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return  # deleted since, or a link that leads nowhere
    except OSError as error:
        found.problem(f"A file of the watched directory cannot be read ({type(error).__name__}).", blind=True)
        return
    if stat.S_ISREG(status.st_mode):
        # ctime too: a copy that keeps the original's time stamps is still a fresh write.
        found.add(key, f"{status.st_size}-{status.st_mtime_ns}", status.st_size, status.st_mtime, status.st_ctime)


def tells_of_changes(root: Path) -> bool:
    """Return whether the file system is one of this machine. What cannot be found out is not."""
    real = root.resolve()
    with suppress(OSError, psutil.Error):
        mounts = [part for part in psutil.disk_partitions(all=True) if real.is_relative_to(part.mountpoint)]
        kind = max(mounts, key=lambda part: len(part.mountpoint)).fstype.lower()
        return not kind.startswith(TELLS_NOTHING)
    return False
