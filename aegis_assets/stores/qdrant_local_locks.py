"""The kernel's locks on collections of Qdrant's local mode, by which processes take turns.

A lock is freed when its holder dies. Who waits for one says so by a shared lock on a second file, where its holder sees it.
"""

from __future__ import annotations

import fcntl
import os
import random
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from aegis_assets.errors import StoreUnavailable
from aegis_assets.stores.qdrant import VECTORS

LOOK_SECONDS: Final = 0.05  # how late an idle holder sees that another process waits


class CollectionLocks:
    """Two files per collection in one directory. patience: seconds that a lock is waited for.

    They belong to one process; the threads of this process have to take turns themselves.
    """

    def __init__(self, root: Path, patience: float) -> None:
        self._root, self._patience = root, patience
        self._gave_way: dict[str, float] = {}

    def lock(self, name: str) -> int:
        """Return the handle of a lock that is ours until it is closed. Raise StoreUnavailable if others have it all the time."""
        # Who has just given way lets the one that waits look first.
        time.sleep(max(0.0, self._gave_way.pop(name, 0.0) + 2 * LOOK_SECONDS - time.monotonic()))
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, wanted = self._file(f"{name}.lock"), self._file(f"{name}.wanted")
        except OSError as error:
            raise StoreUnavailable(
                f"The vector store at {self._root} cannot be used ({type(error).__name__}).", server=VECTORS
            ) from error
        try:
            self._wait(wanted, fcntl.LOCK_SH)
            self._wait(handle, fcntl.LOCK_EX)
        except BaseException:
            os.close(handle)
            raise
        finally:
            os.close(wanted)
        return handle

    def unlock(self, handle: int) -> None:
        """Give the lock back, also where a forked child still has a copy of the handle."""
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)

    def is_wanted(self, name: str) -> bool:
        """Return whether another process waits for the lock."""
        with suppress(OSError):
            handle = self._file(f"{name}.wanted")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(handle)
        return False

    def note_given_way(self, name: str) -> None:
        """Let the process that waits have the lock before this one asks again."""
        self._gave_way[name] = time.monotonic()

    def _file(self, name: str) -> int:
        return os.open(self._root / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _wait(self, handle: int, lock: int) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(handle, lock | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise in_use(self._patience) from error
            time.sleep(random.uniform(0.2, 1.0) * LOOK_SECONDS)


def in_use(seconds: float) -> StoreUnavailable:
    """Return the error of an operation that has waited so long for other threads or processes."""
    return StoreUnavailable(
        f"The local vector store was in use by others for {seconds:.0f} s. "
        "For many documents at once set AEGIS_QDRANT_URL to a Qdrant server.",
        server=VECTORS,
    )
