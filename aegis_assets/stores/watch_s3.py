"""A watched S3 prefix -> its objects, a page at a time. Never written to.

Each page is stored before the next is asked for, and only 8 bytes of each key stay until the end, which tell what is gone: so a
bucket of any size takes little more than the memory of a page. A listing that takes long goes on at the next look; one that broke
off begins anew, and what was stored of it is not news again. Keys may come in any order: SeaweedFS has another one than S3.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from threading import Lock
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError, InvalidPathError

from aegis_assets.settings import Settings
from aegis_assets.stores.bucket import PAGE_SECONDS, s3_store, translated
from aegis_assets.stores.watch_listing import Found, KeySet, Listing, unfinished

PAGE: Final = 1000  # keys, as S3 has it
LOOK_SECONDS: Final = 20.0  # the sensor that looks has a minute

BAD_KEY: Final = "Objects whose names are no valid keys are left out, with the folder they are in."

Meta = Mapping[str, Any]


class BucketWatcher:
    """A listing of an S3 bucket, page by page. Use it from one thread at a time; a look that begins while another is under way sees
    nothing.

    outage_seconds: for which a server that is away is asked again.
    """

    def __init__(
        self,
        url: str,
        settings: Settings,
        page: int = PAGE,
        look_seconds: float = LOOK_SECONDS,
        outage_seconds: float = PAGE_SECONDS,
    ) -> None:
        self.problems: tuple[str, ...] = ()
        self.every_seconds = 0.0
        self._url = url
        self._store = s3_store(url, settings, outage_seconds)
        self._page, self._look_seconds = page, look_seconds
        self._guard = Lock()
        self._pages: Iterator[list[Meta]] | None = None  # what is left of a listing that takes long
        self._began = 0.0
        self._seen = KeySet()
        self._spoiled = False  # a key that is no path was met: nothing counts as gone

    def listings(self, settle_seconds: float, clock: Callable[[], float] = time.time) -> Generator[Listing, None, None]:
        """Yield a listing for each page, then one of what is gone. Raises Misconfigured, StoreUnavailable."""
        if not self._guard.acquire(blocking=False):
            return  # ticks that wait would pile up behind a look that takes longer than a tick may
        try:
            yield from self._look(settle_seconds, clock)
        finally:
            self._guard.release()

    def look_again(self) -> None:
        """Nothing to do: each look lists everything."""

    def _look(self, settle_seconds: float, clock: Callable[[], float]) -> Generator[Listing, None, None]:
        started, pages = time.monotonic(), self._pages
        if pages is None:
            pages, self._began, self._seen, self._spoiled = self._listed(), started, KeySet(), False
        self._pages = None  # whatever stops us meanwhile, the next look begins anew
        for page in pages:
            if page:
                yield self._listing(page, settle_seconds, clock)
            if time.monotonic() - started > self._look_seconds:
                self._pages = pages
                return
        self.every_seconds = time.monotonic() - self._began
        self.problems = (BAD_KEY,) if self._spoiled else ()
        if self._spoiled:
            yield Listing(complete=False, problems=self.problems)
        else:
            yield Listing(complete=False, seen=self._seen) if self._seen else Listing()

    def _listing(self, page: list[Meta], settle_seconds: float, clock: Callable[[], float]) -> Listing:
        found = Found(settle_seconds, clock)
        for meta in page:
            key, size = meta["path"], meta["size"]
            name = key.rsplit("/", 1)[-1]
            if any(unfinished(part) for part in key.split("/")) or (size == 0 and "." not in name):  # a folder's marker
                continue
            if not self._spoiled:
                self._seen.add(key)
            etag = (meta["e_tag"] or hashlib.sha256(f"{size}-{meta['last_modified']}".encode()).hexdigest()).strip('"')
            found.add(key, etag, size, meta["last_modified"].timestamp())
        return found.listing(whole=False)

    def _listed(self) -> Iterator[list[Meta]]:
        """Yield pages, empty ones too: the caller looks at its time after each.

        One key that is no path spoils the flat listing of every folder above it. Those are listed level by level, and their other
        folders flat, so that it hides only the objects beside it. Pages that came before it come again, which is no news then.
        Trade-off: the client reads a level at once, so one that holds a spoiled folder and very many objects takes their memory.
        """
        folders: list[str] = [""]
        while folders:
            folder = folders.pop()
            try:
                yield from self._flat(folder)
            except _BadKey:
                self._spoiled, self.problems = True, (BAD_KEY,)
                objects, below = self._level(folder)
                folders += below
                for start in range(0, max(1, len(objects)), self._page):
                    yield objects[start : start + self._page]

    def _flat(self, folder: str) -> Iterator[list[Meta]]:
        try:
            yield from obstore.list(self._store, folder or None, chunk_size=self._page)
        except InvalidPathError as error:
            raise _BadKey from error
        except (BaseError, OSError, ValueError) as error:
            raise translated(error, f"watched bucket {self._url}") from error

    def _level(self, folder: str) -> tuple[list[Meta], list[str]]:
        """Return the objects and the folders in a folder, none if a key among them is no path."""
        try:
            level = obstore.list_with_delimiter(self._store, folder or None)
        except (InvalidPathError, ValueError):
            return [], []
        except (BaseError, OSError) as error:
            raise translated(error, f"watched bucket {self._url}") from error
        return list(level["objects"]), list(level["common_prefixes"])


class _BadKey(Exception):
    pass
