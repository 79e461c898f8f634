"""Stores that fail: at one call in turn, or always at one method."""

from __future__ import annotations

from typing import Any

from tests.pipeline.world import World


class Crash(Exception):
    pass


class Fuse:
    """Blows at the n-th call to any store that it is put before; `after`: the call is made first, only its answer is lost."""

    def __init__(self, at: int, after: bool = False) -> None:
        self.at, self.after, self.calls, self.log = at, after, 0, list[str]()


class Fused:
    def __init__(self, store: Any, fuse: Fuse) -> None:
        self._store, self._fuse = store, fuse

    def __getattr__(self, name: str) -> Any:
        method, fuse = getattr(self._store, name), self._fuse

        def call(*args: Any, **kwargs: Any) -> Any:
            fuse.calls += 1
            fuse.log.append(name)
            mine = fuse.calls == fuse.at  # a call may make others before it answers
            if mine and not fuse.after:
                raise Crash(name)
            answer = method(*args, **kwargs)
            if mine:
                raise Crash(name)
            return answer

        return call


class Broken:
    """One method of a store always fails."""

    def __init__(self, store: Any, method: str, error: Exception | None = None) -> None:
        self._store, self._method, self._error = store, method, error

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            raise self._error or Crash(name)
        return getattr(self._store, name)


def fused(world: World, fuse: Fuse) -> dict[str, Any]:
    return {name: Fused(store, fuse) for name, store in world.stores().items()}


def broken(world: World, method: str, error: Exception | None = None) -> dict[str, Any]:
    return {name: Broken(store, method, error) for name, store in world.stores().items()}
