"""Results as they arrive -> one write at a time, each with all that arrived during the one before.

So a result is written the moment it arrives when there is time for that, and many go into one transaction when there is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from aegis_assets.errors import AegisError

T = TypeVar("T")
MOST = 64  # per write


class Gathered(Generic[T]):
    """write: blocks; is called in a thread, never twice at once. Use within one event loop."""

    def __init__(self, write: Callable[[Sequence[T]], None]) -> None:
        self._write = write
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, item: T) -> None:
        """Until it is written. Raises what its write raised; an item that cannot be written does not take others with it."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        await written

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            await self._attempt(batch)
        self._writer = None

    async def _attempt(self, batch: Sequence[tuple[T, asyncio.Future[None]]]) -> None:
        try:
            await asyncio.to_thread(self._write, [item for item, _ in batch])
        except Exception as error:  # noqa: BLE001  it is the adders' to handle
            if len(batch) > 1 and not isinstance(error, AegisError):
                for one in batch:
                    await self._attempt([one])
                return
            for _, written in batch:
                if not written.done():
                    written.set_exception(error)
        else:
            for _, written in batch:
                if not written.done():  # its adder was cancelled
                    written.set_result(None)
