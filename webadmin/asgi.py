"""The admin as an ASGI application, with a limit on the size of a request, and on the number of those that are worked on.

Django under ASGI spools a request's whole body to disk before any view sees it; the limit therefore stands in front of Django.
"""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webadmin.settings")

import django
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.translation import gettext as _

from aegis_assets.logs import configure
from aegis_assets.settings import settings
from webadmin.console.api import errors
from webadmin.documents.aside import aside

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

FILES_AT_THE_LIMIT: Final = 10  # an upload may hold this many of the largest files
SEATS: Final = 16  # Python works on one request at a time; the others wait for PostgreSQL or for an engine


class Seated(ASGIHandler):
    """Each request takes a thread and a connection to the database, and two hundred viewers who all come again after a restart
    would take every connection that PostgreSQL has. The others wait, their bodies read. A stream that has begun gives its seat up.

    No middleware: Django makes one synchronous, if it can be, that stands before a synchronous one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seats = asyncio.Semaphore(SEATS)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        async with self._seats:
            return await super().get_response_async(request)


def get_asgi_application() -> App:
    """As Django's own."""
    django.setup(set_prefix=False)
    return Seated()


def limited(app: App, most: int) -> App:
    """Answer 413 to a request whose body is announced larger than `most` bytes, and to one that grows larger unannounced: for the
    application that one has hung up."""

    async def call(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or len(announced) > 15 or int(announced) > most:
            await _refuse(scope, send)
            return
        seen, answering = 0, False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            return {"type": "http.disconnect"} if seen > most else message

        async def answered(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        await app(scope, counted, answered)
        if seen > most and not answering:
            await _refuse(scope, send)

    return call


async def _refuse(scope: Message, send: Send) -> None:
    request = ASGIRequest({**scope, "query_string": b""}, io.BytesIO())
    with translation.override(translation.get_language_from_request(request)):
        sentence = _("This upload is too large; send fewer files at once.")
    if request.path.startswith(errors.UNDER):
        answer: HttpResponse = errors.refused(sentence, 413)
    else:
        answer = HttpResponse(f"{sentence}\n", "text/plain; charset=utf-8", 413)
    headers = [(b"content-type", answer.headers["Content-Type"].encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})


configure(settings().log_level)
os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # for the child: its threads hold a third of its memory apart otherwise
aside.on = True
application = limited(get_asgi_application(), settings().max_file_bytes * FILES_AT_THE_LIMIT)
