"""A page of a document -> its picture, drawn by the engine server in its sandbox.

Opening a PDF is what hostile ones are made for, and pdfium alone would double this process: it is asked of the engine server, whose
child is limited in time and memory and sees nothing but the file. Nothing is kept in the bucket; a browser keeps the picture, whose
address carries the hash of the document's bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from aegis_assets.errors import AegisError, BadInput, EngineUnavailable, LimitExceeded, NotFound, StoreUnavailable
from webadmin.console import sentences
from webadmin.console.page import api
from webadmin.documents import platform
from webadmin.documents.models import Document, Generation

KEPT: Final = "private, max-age=604800, immutable"
HASH: Final = 16  # letters of the document's hash in the address
STATUS: Final[dict[type[AegisError], int]] = {
    BadInput: 422,
    LimitExceeded: 422,
    NotFound: 404,
    EngineUnavailable: 503,
    StoreUnavailable: 503,
}
View = Callable[..., Awaitable[HttpResponse]]


def kept(view: View) -> View:
    """Around a view that is never cached: what it found may be, by the browser that was allowed to see it."""

    @wraps(view)
    async def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        response = await view(request, *args, **kwargs)
        if response.status_code == 200:
            response.headers["Cache-Control"] = KEPT
            del response.headers["Expires"]
        return response

    return answer


@kept
@api("documents.view_document")
async def page_picture(request: HttpRequest, document: UUID, content: str, number: int) -> HttpResponse:
    """content: the first letters of the hash of the bytes. The header Aegis-Page gives the page's size in points."""
    from aegis_assets.engines.service.wire import PageBody

    found = await _source(document, content)
    if found is None or not 1 <= number <= (found[2] or 0):
        return JsonResponse({"error": _("There is no such page.")}, status=404)
    kind, blob, _pages = found
    try:
        drawn = await platform.engine().page(PageBody(blob=blob, format=kind, page=number))
    except AegisError as error:
        status = next((status for kind_of, status in STATUS.items() if isinstance(error, kind_of)), 502)
        return JsonResponse({"error": sentences.said(error.message)}, status=status)
    size = f"{drawn.width:.2f} {drawn.height:.2f}"
    return HttpResponse(drawn.image, content_type="image/webp", headers={"Aegis-Page": size})


async def _source(document: UUID, content: str) -> tuple[Literal["pdf", "image"], str, int | None] | None:
    """Format, bucket key and number of pages, None for what has no pages to draw or no longer these bytes."""
    one = await Document.objects.filter(pk=document, format__in=("pdf", "image")).values("format").afirst()
    if one is None:
        return None
    generations = Generation.objects.filter(document=document, sha256__startswith=content).exclude(state="superseded")
    found = await generations.order_by("-number").values_list("blob", "pages").afirst()
    return ("image" if one["format"] == "image" else "pdf", *found) if found else None
