"""A streamed response whose parts come at the pace of a model: the first when the prompt is read, the others evenly after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

DRIBBLE_SECONDS = 0.02


class Paced(Response):
    """first, last: monotonic times of the first and the last part. then: sent for ever after them, b'' for silence; None ends.
    torn: the connection goes in the middle."""

    def __init__(
        self,
        parts: Sequence[bytes],
        first: float,
        last: float,
        *,
        then: bytes | None = None,
        torn: bool = False,
        media_type: str = "application/x-ndjson",
    ) -> None:
        super().__init__(media_type=media_type)
        self.parts, self.first, self.last, self.then, self.torn = parts, first, last, then, torn

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(max(0.0, self.first - time.monotonic()))
        length = [(b"content-length", b"4096")] if self.torn else []
        headers = [(b"content-type", (self.media_type or "").encode()), *length]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in self._batches():
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(0)
        await self._paced(send)
        if self.torn:
            raise ConnectionAbortedError
        if self.then == b"":
            await asyncio.Event().wait()
        while self.then is not None:
            await send({"type": "http.response.body", "body": self.then, "more_body": True})
            await asyncio.sleep(DRIBBLE_SECONDS)
        await send({"type": "http.response.body", "body": b""})

    def _batches(self) -> Sequence[bytes]:
        """What is due at once: all of it where the model takes no time, which benchmarks of what is around it rely on."""
        return [b"".join(self.parts)] if self.last <= self.first and self.parts else []

    async def _paced(self, send: Send) -> None:
        if self.last <= self.first:
            return
        for number, part in enumerate(self.parts):
            due = self.first + (self.last - self.first) * number / max(1, len(self.parts) - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await send({"type": "http.response.body", "body": part, "more_body": True})
