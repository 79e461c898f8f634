"""Qdrant's local mode on a path, for several processes and threads: one at a time has a collection open, and keeps it open.

Opening loads every point (0.1 s at 2,000, 4 s at 50,000), so an open one is kept between operations and handed over when another
process asks (`qdrant_local_locks`). The holder looks for that after each operation, and a thread of its own while it is idle.

Trade-off: a holder that is at work does not give way at once but when it has had `SHARE` times what opening took. Two runs that
write to one collection would otherwise load it anew for each of their operations.
"""

from __future__ import annotations

import os
import pickle
import shutil
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

from aegis_assets.errors import Misconfigured, StoreUnavailable
from aegis_assets.stores.qdrant import REFUSED, VECTORS
from aegis_assets.stores.qdrant_local_index import DocumentIndex, retrieved
from aegis_assets.stores.qdrant_local_locks import LOOK_SECONDS, CollectionLocks, in_use
from aegis_assets.stores.qdrant_points import Fields, Payload
from aegis_assets.stores.qdrant_shape import Shape
from aegis_assets.stores.qdrant_sparse import hasten

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.models import PointsSelector, PointStruct

T = TypeVar("T")

KEEP_SECONDS: Final = 10.0  # open without an operation: then its memory is given back
LEAST_SECONDS: Final = 0.2  # of work before a busy holder gives way
SHARE: Final = 4.0
BROKEN: Final = (OSError, ValueError, RuntimeError, AttributeError, TypeError, KeyError, pickle.PickleError, sqlite3.Error)


@dataclass
class _Open:
    """handle: of the lock. due: from when on a waiting process is given way to. used: the end of the last operation."""

    client: QdrantClient
    handle: int
    due: float
    used: float
    index: DocumentIndex = field(default_factory=DocumentIndex)


class LocalQdrant:
    """A directory per collection. lock_seconds: how long an operation waits for other threads and processes.

    A forked child opens its own.
    """

    def __init__(self, root: Path, lock_seconds: float) -> None:
        self._root, self._patience = root, lock_seconds
        self._inherited: dict[str, _Open] = {}
        self._start(os.getpid())

    def _start(self, pid: int) -> None:
        self._pid = pid
        self._guard = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._open: dict[str, _Open] = {}
        self._locks = CollectionLocks(self._root, self._patience)
        self._keeper: threading.Thread | None = None

    def run(self, name: str, action: Callable[[QdrantClient], T], missing: T) -> T:
        with self._turn(name):
            if name not in self._open:
                if not (self._root / name).is_dir():
                    return missing
                handle = self._locks.lock(name)
                if not (self._root / name).is_dir():  # dropped while we waited
                    os.close(handle)
                    return missing
                self._keep(name, handle)
            return self._act(name, action)

    def make(self, name: str, action: Callable[[QdrantClient], None]) -> None:
        """Made beside its place and moved there: a kill half way leaves nothing that does not open."""
        with self._turn(name):
            if name not in self._open:
                handle = self._locks.lock(name)
                try:
                    self._made(name, action)
                except BaseException:
                    os.close(handle)
                    raise
                self._keep(name, handle)
            self._act(name, action)

    def _made(self, name: str, action: Callable[[QdrantClient], None]) -> None:
        place, draft = self._root / name, self._root / f"{name}.making"
        if place.is_dir():
            return
        shutil.rmtree(draft, ignore_errors=True)
        client = _opened(draft)
        try:
            with _sentences():
                action(client)
        finally:
            client.close()
        os.rename(draft, place)

    def drop(self, name: str) -> None:
        with self._turn(name):
            self._release(name)
            handle = self._locks.lock(name)
            try:
                shutil.rmtree(self._root / name, ignore_errors=True)
            finally:
                os.close(handle)

    def check(self) -> str:
        os.close(self._locks.lock("check"))
        return ""

    def shape(self, client: QdrantClient, name: str) -> Shape:
        return Shape()

    def payloads(self, client: QdrantClient, name: str, documents: Sequence[UUID], fields: Fields) -> Iterator[Payload]:
        """Return what the documents' points carry, found by their ids: a filter would look at every point."""
        ids = self._open[name].index.points_of(client, name, map(str, documents))
        return retrieved(client, name, ids, fields)

    def selectors(self, client: QdrantClient, name: str, points: Sequence[UUID]) -> Iterator[PointsSelector]:
        """Yield a selector by ids, which must not name a point that is not there."""
        from qdrant_client.models import PointIdsList

        present: list[int | str | UUID] = [str(id) for id, _ in retrieved(client, name, [str(point) for point in points], False)]
        if present:
            yield PointIdsList(points=present)

    def wrote(self, name: str, rows: Sequence[PointStruct]) -> None:
        """Note in the index what an action has added."""
        self._open[name].index.add(rows)

    def close(self) -> None:
        """Another operation opens again."""
        for name in list(self._open):
            with self._turn(name):
                self._release(name)

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """This thread alone, of this process."""
        if self._pid != os.getpid():
            # The parent's, and its lock stays so when our copies are closed. Its clients are kept: at their end they would unlock.
            self._inherited = self._open
            for inherited in self._inherited.values():
                os.close(inherited.handle)
            self._start(os.getpid())
        with self._guard:
            turn = self._turns.setdefault(name, threading.Lock())
        if not turn.acquire(timeout=self._patience):
            raise in_use(self._patience)
        try:
            yield
        finally:
            turn.release()

    def _act(self, name: str, action: Callable[[QdrantClient], T]) -> T:
        kept = self._open[name]
        try:
            with _sentences():
                done = action(kept.client)
        except BaseException:
            self._release(name)  # what it left in memory is not to be relied on
            raise
        kept.used = time.monotonic()
        if kept.used >= kept.due and self._locks.is_wanted(name):
            self._give_way(name)
        return done

    def _keep(self, name: str, handle: int) -> None:
        began = time.monotonic()
        try:
            client = _opened(self._root / name)
        except BaseException:
            os.close(handle)
            raise
        now = time.monotonic()
        self._open[name] = _Open(client, handle, due=now + max(LEAST_SECONDS, SHARE * (now - began)), used=now)
        with self._guard:
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._watch, name="vectors", daemon=True)
                self._keeper.start()

    def _watch(self) -> None:
        """Give way where nothing is done, close what nobody needs. Ends with the last that is open."""
        while True:
            time.sleep(LOOK_SECONDS)
            for name in list(self._open):
                turn = self._turns[name]
                if turn.acquire(blocking=False):  # else it is at work, and looks itself
                    try:
                        self._look(name)
                    finally:
                        turn.release()
            with self._guard:
                if not self._open:
                    self._keeper = None
                    return

    def _look(self, name: str) -> None:
        kept = self._open.get(name)
        idle = time.monotonic() - kept.used if kept is not None else 0.0
        if idle > LOOK_SECONDS and self._locks.is_wanted(name):
            self._give_way(name)
        elif idle > KEEP_SECONDS:
            self._release(name)

    def _give_way(self, name: str) -> None:
        self._release(name)
        self._locks.note_given_way(name)

    def _release(self, name: str) -> None:
        kept = self._open.pop(name, None)
        if kept is not None:
            try:
                kept.client.close()
            finally:
                self._locks.unlock(kept.handle)


def _opened(place: Path) -> QdrantClient:
    from qdrant_client import QdrantClient

    hasten()
    warnings.filterwarnings("ignore", message="Local mode is not recommended")  # said in the documentation of the store
    try:
        # Threads take turns here, so SQLite need not insist on the one that opened it.
        return QdrantClient(path=str(place), force_disable_check_same_thread=True)
    except BROKEN as error:
        raise StoreUnavailable(f"The local vector store cannot be opened ({type(error).__name__}).", retryable=False) from error


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise Misconfigured(REFUSED) from error
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"The local vector store could not be written ({type(error).__name__}).", server=VECTORS) from error
