"""What several threads of the web process ask for at the same moment, read or made once for all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeVar

from django.core.cache import cache

T = TypeVar("T")

MISSING: Final = object()
MOST_SECONDS: Final = 60.0  # that a viewer waits for another's reading before making one


class SharedReadings:
    """Readings that are kept for some seconds. Of viewers who come when nothing is kept one reads, and the others get its result.

    Django's `cache.get_or_set` keeps, but lets everybody read who comes before the first has ended.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._under_way: dict[str, Future[Any]] = {}

    def get(self, key: str, read: Callable[[], T], seconds: float) -> T:
        """Return what `read` returned at most `seconds` ago. Raise what it raises, for all who waited for it."""
        with self._guard:
            kept: Any = cache.get(key, MISSING)
            if kept is not MISSING:
                return kept
            other = self._under_way.get(key)
            if other is None:
                ours = self._under_way[key] = Future()
        if other is None:
            return self._read(key, read, seconds, ours)
        try:
            return other.result(MOST_SECONDS)
        except TimeoutError:
            return read()

    def _read(self, key: str, read: Callable[[], T], seconds: float, told: Future[Any]) -> T:
        try:
            value = read()
        except BaseException as error:
            self._end(key)
            told.set_exception(error)
            raise
        cache.set(key, value, seconds)
        self._end(key)
        told.set_result(value)
        return value

    def _end(self, key: str) -> None:
        with self._guard:
            del self._under_way[key]


class Once(Generic[T]):
    """A function without arguments that is called once, by whichever thread asks first; `lru_cache` calls it for each that asks
    before the first call has ended."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._guard = make, threading.RLock()
        self._made: list[T] = []
        self.__doc__ = make.__doc__

    def __call__(self) -> T:
        with self._guard:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]

    def cache_clear(self) -> None:
        """Forget it, as `lru_cache` does."""
        with self._guard:
            self._made.clear()


shared_readings: Final = SharedReadings()
