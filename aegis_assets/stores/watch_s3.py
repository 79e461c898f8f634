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
from aegis_assets.stores.bucket import s3_store, translated
from aegis_assets.stores.watch_listing import Found, KeySet, Listing, unfinished

PAGE: Final = 1000  # keys, as S3 has it
LOOK_SECONDS: Final = 20.0  # the sensor that looks has a minute

BAD_KEY: Final = "Objects whose names are no valid keys are left out, with the folder they are in."

Meta = Mapping[str, Any]


class BucketWatcher:
    """Use from one thread at a time; another waits."""

    def __init__(self, url: str, settings: Settings, page: int = PAGE, look_seconds: float = LOOK_SECONDS) -> None:
        self.problems: tuple[str, ...] = ()  # each listing says them
        self._url = url
        self._store = s3_store(url, settings)
        self._page, self._look_seconds = page, look_seconds
        self._guard = Lock()
        self._pages: Iterator[list[Meta]] | None = None  # what is left of a listing that takes long
        self._seen = KeySet()
        self._blind = False

    def listings(self, settle_seconds: float, clock: Callable[[], float] = time.time) -> Generator[Listing, None, None]:
        """Yield a listing for each page, then one of what is gone. Raises Misconfigured, StoreUnavailable."""
        with self._guard:
            started, pages = time.monotonic(), self._pages
            if pages is None:
                pages, self._seen, self._blind = self._listed(), KeySet(), False
            self._pages = None  # whatever stops us meanwhile, the next look begins anew
            try:
                for page in pages:
                    yield self._listing(page, settle_seconds, clock)
                    if time.monotonic() - started > self._look_seconds:
                        self._pages = pages
                        return
            except _BadKey:
                yield from self._by_level(settle_seconds, clock)
                return
            yield Listing(complete=False, seen=None if self._blind else self._seen) if self._seen else Listing()

    def look_again(self) -> None:
        """Nothing to do: each look lists everything."""

    def _listing(self, page: list[Meta], settle_seconds: float, clock: Callable[[], float]) -> Listing:
        found = Found(settle_seconds, clock)
        for meta in page:
            key, size = meta["path"], meta["size"]
            name = key.rsplit("/", 1)[-1]
            if any(unfinished(part) for part in key.split("/")) or (size == 0 and "." not in name):  # a folder's marker
                continue
            self._seen.add(key)
            etag = (meta["e_tag"] or hashlib.sha256(f"{size}-{meta['last_modified']}".encode()).hexdigest()).strip('"')
            found.add(key, etag, size, meta["last_modified"].timestamp())
        self._blind = self._blind or found.blind
        return found.listing(whole=False)

    def _listed(self) -> Iterator[list[Meta]]:
        try:
            yield from obstore.list(self._store, chunk_size=self._page)
        except InvalidPathError as error:
            raise _BadKey from error
        except (BaseError, OSError, ValueError) as error:
            raise translated(error, f"watched bucket {self._url}") from error

    def _by_level(self, settle_seconds: float, clock: Callable[[], float]) -> Generator[Listing, None, None]:
        """One key that is no path spoils a flat listing; level by level it spoils only its own folder. Nothing counts as gone."""
        for level in self._levels():
            listing = self._listing(level, settle_seconds, clock)
            yield listing.model_copy(update={"problems": (*listing.problems, BAD_KEY)})

    def _levels(self) -> Iterator[list[Meta]]:
        stack: list[str] = [""]
        while stack:
            place = stack.pop()
            try:
                level = obstore.list_with_delimiter(self._store, place or None)
            except (InvalidPathError, ValueError):
                continue
            except (BaseError, OSError) as error:
                raise translated(error, f"watched bucket {self._url}") from error
            stack.extend(level["common_prefixes"])
            yield list(level["objects"])


class _BadKey(Exception):
    pass
