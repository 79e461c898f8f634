"""The admin behind a real HTTP server on loopback, and viewers of its events."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from django.test import Client

from tests.in_thread import in_thread
from webadmin.asgi import get_asgi_application
from webadmin.bodies import identified, limited, most_bytes
from webadmin.connections import TimedProtocol


@contextmanager
def served() -> Iterator[str]:
    """In a thread of this process, on one event loop, as the stack runs it."""
    application = limited(identified(get_asgi_application()), most_bytes)
    with in_thread(application, http=TimedProtocol, timeout_graceful_shutdown=1, backlog=512) as port:
        yield f"http://localhost:{port}"


@dataclass
class Watched:
    """What one viewer was sent: (event, data), in order."""

    status: int
    headers: dict[str, str]
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    last_id: str = ""
    ended: bool = False

    def of(self, event: str) -> list[dict[str, Any]]:
        return [data for name, data in self.events if name == event]


def cookies(client: Client) -> dict[str, str]:
    return {name: morsel.value for name, morsel in client.cookies.items()}


@asynccontextmanager
async def connected() -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(30), trust_env=False) as http:
        yield http


async def watch(http: httpx.AsyncClient, url: str, seconds: float, seen: list[Watched], **request: Any) -> Watched:
    """For so long, or until the server ends it. seen: gets what is watched at once, for who wants to look meanwhile."""
    watched = Watched(0, {})
    seen.append(watched)
    try:
        async with asyncio.timeout(seconds), http.stream("GET", url, **request) as answer:
            watched.status, watched.headers = answer.status_code, dict(answer.headers)
            event = ""
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    watched.events.append((event, json.loads(value)))
                elif name == "id":
                    watched.last_id = value
            watched.ended = True
    except TimeoutError:
        pass
    return watched


async def until(found: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.02)
