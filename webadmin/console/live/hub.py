"""One reading of what changed -> everybody who watches it.

All viewers of a process share one connection that listens, and at most one reading a second of the documents that were said to have
changed and that somebody watches. So two hundred viewers cost what one does, and a document that nobody watches costs nothing.
A viewer keeps only the newest of each document: one that reads slowly misses what is in between, and delays nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import lru_cache
from typing import Final

from aegis_assets.errors import AegisError
from aegis_assets.logs import logger
from aegis_assets.settings import settings
from aegis_assets.stores.changes import changes
from webadmin.console.live import admission
from webadmin.console.live.topics import Frame, Key, Topic, Viewer, read

log = logger(__name__)

TICK_SECONDS: Final = 1.0  # between two readings
RECHECK_SECONDS: Final = 5.0  # a moving document is read again after this long without a word: what is left of its time changes too
AGAIN_SECONDS: Final = 2.0  # after a reading that failed
ADMISSION_SECONDS: Final = 20.0  # between two looks at who may still watch
TRUSTED_SECONDS: Final = 50.0  # without such a look, a database that does not answer say, nobody may
LINGER_SECONDS: Final = 10.0  # the connection stays for a viewer who only turns a page
MOST_VIEWERS: Final = 1000


class Hub:
    """Of one event loop. url: PostgreSQL's; read, admitted: block, and are called in threads."""

    def __init__(
        self,
        url: str,
        read: Callable[[Iterable[Key]], Mapping[Key, Frame]] = read,
        admitted: Callable[[Iterable[admission.Pass]], set[admission.Pass]] = admission.admitted,
    ) -> None:
        self._url, self._read, self._admitted = url, read, admitted
        self._topics: dict[Key, Topic] = {}
        self._viewers: set[Viewer] = set()
        self._stale: set[Key] = set()
        self._look = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        return len(self._viewers) >= MOST_VIEWERS

    def exhausted(self, by: admission.Pass) -> bool:
        """Return whether the user, or the token, has as many streams open as it may."""
        same = [viewer.admission for viewer in self._viewers if viewer.admission.user == by.user]
        of_token = sum(one.token == by.token for one in same) if by.token else 0
        return len(same) >= settings().streams_per_user or of_token >= settings().streams_per_token

    @asynccontextmanager
    async def watch(self, viewer: Viewer) -> AsyncIterator[Viewer]:
        """The viewer gets everything as it is read from here on, at first how each document stands."""
        self._enter(viewer)
        try:
            yield viewer
        finally:
            self._leave(viewer)

    def _enter(self, viewer: Viewer) -> None:
        self._viewers.add(viewer)
        for key in viewer.keys:
            topic = self._topics.setdefault(key, Topic())
            topic.viewers.add(viewer)
            self._mark(key)  # what was read before may be older than the page that the viewer has
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._working())

    def _leave(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)
        for key in viewer.keys:
            topic = self._topics.get(key)
            if topic is not None:
                topic.viewers.discard(viewer)
                if not topic.viewers:
                    del self._topics[key]
        if not self._viewers:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._rest)

    def _rest(self) -> None:
        if not self._viewers and self._work is not None:
            self._work.cancel()

    def _mark(self, *keys: Key) -> None:
        self._stale.update(keys)
        self._look.set()

    async def _working(self) -> None:
        """Ends when nobody watches, or with an error of ours; then every viewer is sent away, to come again."""
        try:
            async with asyncio.TaskGroup() as group:
                for work in (self._listening, self._reading, self._admitting):
                    group.create_task(work())
        except* Exception as errors:
            log.exception("live_hub_failed", errors=[type(error).__name__ for error in errors.exceptions])
        finally:
            for viewer in list(self._viewers):
                viewer.end()

    async def _listening(self) -> None:
        async with aclosing(changes(self._url)) as said:
            async for document in said:
                if document is None:
                    self._mark(*self._topics)
                else:
                    self._mark(*(key for key in (Key(document, False), Key(document, True)) if key in self._topics))

    async def _reading(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._look.wait(), RECHECK_SECONDS)
            except TimeoutError:
                self._mark(*(key for key, topic in self._topics.items() if topic.moves))
            began = time.monotonic()
            keys = {key for key in self._stale if key in self._topics}
            self._stale.clear()
            self._look.clear()
            if keys:
                await self._tell(keys)
            await asyncio.sleep(max(0.0, began + TICK_SECONDS - time.monotonic()))

    async def _tell(self, keys: set[Key]) -> None:
        try:
            frames = await asyncio.to_thread(self._read, keys)
        except AegisError as error:
            log.warning("live_reading_failed", kind=error.kind, message=error.message)
            await asyncio.sleep(AGAIN_SECONDS)
            self._mark(*keys)
            return
        for key, frame in frames.items():
            topic = self._topics.get(key)
            if topic is not None:
                topic.tell(frame)

    async def _admitting(self) -> None:
        while True:
            await asyncio.sleep(ADMISSION_SECONDS)
            asked, began = list(self._viewers), time.monotonic()
            still: set[admission.Pass] | None = None
            try:
                still = await asyncio.to_thread(self._admitted, {viewer.admission for viewer in asked})
            except AegisError as error:
                log.warning("live_admission_failed", message=error.message)
            for viewer in asked:
                if still is not None and viewer.admission in still:
                    viewer.trusted = began
                elif still is not None or began - viewer.trusted > TRUSTED_SECONDS:
                    viewer.end()


@lru_cache(maxsize=1)
def _of(loop: asyncio.AbstractEventLoop) -> Hub:
    return Hub(settings().postgres_url.get_secret_value())


def hub() -> Hub:
    """The running event loop's, which is the process's."""
    return _of(asyncio.get_running_loop())
