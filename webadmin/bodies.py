"""Bodies of requests: how large they may be, and whose are read at all.

In front of Django, which under ASGI spools a request's whole body to disk before any view, middleware or log-in check sees it.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError, connection
from django.http import HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from aegis_assets.settings import settings
from webadmin.console.api import errors
from webadmin.console.people import bearer, tokens

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_BYTES: Final = 3_000_000  # of a body that is no upload: Django takes forms of 2.5 MB
FILES_AT_THE_LIMIT: Final = 10  # an upload may hold this many of the largest files
UPLOADS: Final = ("admin:documents_document_add", "console:upload-one", "console:documents")
OPEN: Final = ("admin:login", "set_language")  # whose forms somebody without a session sends
ASKED_AT_ONCE: Final = 4  # each takes a connection to the database


def most_bytes(path: str) -> int:
    """Return how large a body may be that is sent to this address."""
    return settings().max_file_bytes * FILES_AT_THE_LIMIT if path in map(reverse, UPLOADS) else MOST_BYTES


def limited(app: App, most_of: Callable[[str], int]) -> App:
    """Answer 413 to a request whose body is announced larger than its address takes, and to one that grows larger unannounced: for
    the application that one has hung up."""

    async def call(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        announced, most = dict(scope["headers"]).get(b"content-length", b"0"), most_of(scope["path"])
        if not announced.isdigit() or len(announced) > 15 or int(announced) > most:
            await _refuse_size(scope, send)
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
            await _refuse_size(scope, send)

    return call


def identified(app: App) -> App:
    """Answer 401 to a request with a body that comes with neither a session nor a token, before any of its body is read."""
    turns = asyncio.Semaphore(ASKED_AT_ONCE)

    async def call(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope) or scope["path"] in map(reverse, OPEN):
            await app(scope, receive, send)
            return
        request = _without_body(scope)
        async with turns, ThreadSensitiveContext():
            refusal = await sync_to_async(_refusal)(request)
        if refusal is None:
            await app(scope, receive, send)
        else:
            await _answer(refusal, send)

    return call


def _has_body(scope: Message) -> bool:
    headers = dict(scope["headers"])
    return headers.get(b"content-length", b"0").strip(b"0") != b"" or b"transfer-encoding" in headers


def _refusal(request: ASGIRequest) -> HttpResponse | None:
    """Return None for somebody who is known; what they may do is asked later."""
    try:
        secret = bearer.secret_of(request)
        if secret is not None:
            known, refusal = tokens.usable(secret).exists(), bearer.refusal
        else:
            key = request.COOKIES.get(django_settings.SESSION_COOKIE_NAME, "")
            request.session = SessionStore(key if key.isalnum() else None)
            known, refusal = get_user(request).is_authenticated, lambda: _said(request, _("Log in first."), 401)
        if known:
            return None
        with translation.override(translation.get_language_from_request(request)):
            return refusal()
    except DatabaseError:
        with translation.override(translation.get_language_from_request(request)):
            return _said(request, _("The ledger does not answer."), 503)
    finally:
        connection.close()


async def _refuse_size(scope: Message, send: Send) -> None:
    request = _without_body(scope)
    with translation.override(translation.get_language_from_request(request)):
        answer = _said(request, _("This upload is too large; send fewer files at once."), 413)
    await _answer(answer, send)


def _without_body(scope: Message) -> ASGIRequest:
    return ASGIRequest({**scope, "query_string": b""}, io.BytesIO())


def _said(request: ASGIRequest, sentence: str, status: int) -> HttpResponse:
    if request.path.startswith(errors.UNDER):
        return errors.refused(sentence, status)
    return HttpResponse(f"{sentence}\n", "text/plain; charset=utf-8", status)


async def _answer(answer: HttpResponse, send: Send) -> None:
    """The connection ends with it: the rest of the body is not waited for."""
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})
