"""The HTTP below Ollama's official client: two fields more in a chat request, an answer with a cap, and when to come back.

`truncate: false` and `shift: false` go into the body of a chat request here: the client's chat() has no parameters for them, and
without them an over-long prompt is cut in silence. The client takes a transport and event hooks among its public arguments.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Final

import httpx

from aegis_assets.engines.llm.faults import MAX_WIRE_BYTES, Server, too_large

UNSILENCED: Final = {"truncate": False, "shift": False}


class CappedStream(httpx.AsyncByteStream):
    """An answer's bytes; raises when there are too many, because a broken server may never stop sending."""

    def __init__(self, stream: httpx.AsyncByteStream, server: Server) -> None:
        self._stream = stream
        self._server = server

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for block in self._stream:
            size += len(block)
            if size > MAX_WIRE_BYTES:
                raise too_large(self._server)
            yield block

    async def aclose(self) -> None:
        await self._stream.aclose()


class ChatTransport(httpx.AsyncBaseTransport):
    """A transport that completes chat requests and caps answers. retry_after: the header of the last answer, '' without.

    Design note: it sends through a client of its own, because a client looks at the environment's proxies only where it makes its
    transports itself.
    """

    def __init__(self, client: httpx.AsyncClient, server: Server) -> None:
        self._client = client
        self._server = server
        self.retry_after = ""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/api/chat"):
            request = _completed(request, await request.aread())
        answer = await self._client.send(request, stream=True)
        self.retry_after = answer.headers.get("retry-after", "")
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        stream = CappedStream(answer.stream, self._server)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream, extensions=answer.extensions)

    async def aclose(self) -> None:
        await self._client.aclose()


def _completed(request: httpx.Request, content: bytes) -> httpx.Request:
    headers = [(name, value) for name, value in request.headers.items() if name.lower() != "content-length"]
    body = {**json.loads(content), **UNSILENCED}
    return httpx.Request(request.method, request.url, headers=headers, json=body, extensions=request.extensions)
