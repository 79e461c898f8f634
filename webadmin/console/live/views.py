"""Server-sent events of documents. They say what the ledger says at that moment; a viewer that was cut off asks again and resumes.

A stream holds no connection to the database: Django keeps one for each request, and two hundred viewers would take all there are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Final
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from aegis_assets.errors import BadInput
from webadmin.console.api.errors import refused
from webadmin.console.api.parameters import ids_of
from webadmin.console.live import admission
from webadmin.console.live.hub import hub
from webadmin.console.live.topics import Key, Viewer
from webadmin.console.page import api
from webadmin.documents.models import Document

BEAT_SECONDS: Final = 15.0  # proxies cut what is silent for 30 or 60 s; the page's script takes a stream for dead after two
MOST_IDS: Final = 500
AGAIN_SECONDS: Final = 30
# Some proxies and virus scanners hand nothing on before they have a few kilobytes.
PREAMBLE: Final = b":" + b" " * 2048 + b"\nretry: 3000\nevent: beat\ndata: {}\n\n"
BEAT: Final = b"event: beat\ndata: {}\n\n"
HEADERS: Final = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}


@api(admission.PERMISSION, methods=("GET",))
async def of_document(request: HttpRequest, document: UUID) -> HttpResponse:
    """Events `progress`: one document in detail."""
    if not await Document.objects.filter(pk=document).aexists():
        return refused(_("There is no such document."), 404)
    return await _stream(request, [Key(document, True)])


@api(admission.PERMISSION, methods=("GET",))
async def of_documents(request: HttpRequest) -> HttpResponse:
    """Events `standing`: the documents that are asked for by `id`, as lists show them."""
    try:
        asked = ids_of(request, MOST_IDS)
    except BadInput as error:
        return refused(error.message, 400)
    return await _stream(request, [Key(document, False) for document in asked])


async def _stream(request: HttpRequest, keys: Iterable[Key]) -> HttpResponse:
    admitted = admission.granted(request)
    if hub().full:
        return _later(_("Too many viewers: ask for progress instead."), 503)
    if hub().exhausted(admitted):
        return _later(_("You watch too much at once: close some pages, or ask for progress instead."), 429)
    last = request.headers.get("Last-Event-ID", "")
    since = int(last) if last.isascii() and last.isdigit() and len(last) < 16 else 0
    viewer = Viewer(keys, admitted, since, get_language() or "")
    await sync_to_async(connections.close_all)()
    return StreamingHttpResponse(_events(viewer), content_type="text/event-stream", headers=HEADERS)


def _later(sentence: str, status: int) -> HttpResponse:
    answer = refused(sentence, status)
    answer.headers["Retry-After"] = str(AGAIN_SECONDS)
    return answer


async def _events(viewer: Viewer) -> AsyncIterator[bytes]:
    if hub().exhausted(viewer.admission):  # others of the same moment were quicker: it ends here, and asking again is refused
        return
    async with hub().watch(viewer):
        yield PREAMBLE
        while (events := await viewer.events(BEAT_SECONDS)) is not None:
            yield events or BEAT
