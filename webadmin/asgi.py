"""The admin as an ASGI application, with a limit on the size of a request.

Django under ASGI spools a request's whole body to disk before any view sees it; the limit therefore stands in front of Django.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webadmin.settings")

from django.core.asgi import get_asgi_application

from aegis_assets.logs import configure
from aegis_assets.settings import settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

FILES_AT_THE_LIMIT: Final = 10  # an upload may hold this many of the largest files


def limited(app: App, most: int) -> App:
    """Answer 413 to a request whose body is announced larger than `most` bytes, and cut one that grows larger unannounced."""

    async def call(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > most:
            await _refuse(send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            return {"type": "http.disconnect"} if seen > most else message

        await app(scope, counted, send)

    return call


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": b"This upload is too large; send fewer files at once.\n"})


configure(settings().log_level)
application = limited(get_asgi_application(), settings().max_file_mb * 1_000_000 * FILES_AT_THE_LIMIT)
