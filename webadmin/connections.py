"""uvicorn's protocol, with an end to the time that a client may take for its request, and to how many have sent none yet.

uvicorn bounds how long a connection rests between two requests, and has no bound for one that never begins or never ends: a few
hundred of them, which cost their sender nothing, would keep the others out.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_WITHOUT_HEAD: Final = 500  # of all connections; the one that has waited longest then makes room for a new one
TIME_OUT: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class TimedProtocol(HttpToolsProtocol):
    """head_seconds: for the request line and the headers. body_seconds: for the body, and a second more for each `body_rate` bytes
    of it: what a slow line carries is read to its end."""

    head_seconds, body_seconds, body_rate = 10.0, 20.0, 1000

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._since, self._received, self.awaits_head, self._awaits_body = 0.0, 0, False, False
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > MOST_WITHOUT_HEAD:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._be_content()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not (self.awaits_head or self._awaits_body) and (self.cycle is None or self.cycle.response_complete):
            self._await_head()
        self._received += len(data)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._await_body()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._be_content()

    def handle_websocket_upgrade(self) -> None:
        self._be_content()
        super().handle_websocket_upgrade()

    def end(self) -> None:
        """Hang up, with a word to a client that has had no answer yet."""
        self._be_content()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(TIME_OUT)
        self.transport.close()

    def _await_head(self) -> None:
        self.awaits_head, self._awaits_body = True, False
        self._watch(self.head_seconds)

    def _await_body(self) -> None:
        self.awaits_head, self._awaits_body = False, True
        self._watch(self.body_seconds)

    def _be_content(self) -> None:
        self.awaits_head = self._awaits_body = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._since, self._received = self.loop.time(), 0
        self._timer = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        allowed = self.body_seconds + self._received / self.body_rate if self._awaits_body else self.head_seconds
        left = self._since + allowed - self.loop.time()
        if left > 0.01:
            self._timer = self.loop.call_later(left, self._look)
        else:
            self.end()

    def _make_room(self) -> None:
        """Its cost grows with the connections, and it is asked only where there are many."""
        waiting: list[Any] = [one for one in self.connections if getattr(one, "awaits_head", False)]
        if len(waiting) > MOST_WITHOUT_HEAD:
            min(waiting, key=lambda one: one._since).end()
