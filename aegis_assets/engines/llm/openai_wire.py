"""The HTTP below OpenAI's official client: certificates, proxies, and an answer with a cap."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import Final

import httpx2

from aegis_assets.engines.llm.faults import MAX_WIRE_BYTES, Server, too_large
from aegis_assets.network import may_use_proxy

CONNECT_SECONDS: Final = 10.0
SEND_SECONDS: Final = 60.0


class CappedStream(httpx2.AsyncByteStream):
    """An answer's bytes; raises when there are too many, because a broken server may never stop sending."""

    def __init__(self, stream: httpx2.AsyncByteStream, server: Server) -> None:
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


def http_client(server: Server, tls: ssl.SSLContext) -> httpx2.AsyncClient:
    """Return a client without a limit on reading: an answer's limits are a conversation's."""

    async def cap(response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = CappedStream(response.stream, server)

    return httpx2.AsyncClient(
        verify=tls,
        trust_env=may_use_proxy(server.url),
        follow_redirects=False,
        timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS, write=SEND_SECONDS),
        event_hooks={"response": [cap]},
    )
