"""What every answer carries: a content security policy without inline scripts or styles. And what no request may carry.

unfold as it comes would need 'unsafe-eval', because Alpine compiles the expressions in attributes, and 'unsafe-inline' for styles.
The console serves Alpine's CSP build instead, which interprets them, and replaces the few templates with a <style> or style="".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import unquote_to_bytes

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import gettext as _

from webadmin.console.api import errors

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)


Answer = Callable[[HttpRequest], HttpResponse] | Callable[[HttpRequest], Awaitable[HttpResponse]]


@sync_and_async_middleware
def content_security_policy(get_response: Answer) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            response: HttpResponse = await get_response(request)
            response.headers.setdefault("Content-Security-Policy", POLICY)
            return response

        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return answer


@sync_and_async_middleware
def addresses_are_text(get_response: Answer) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
    """A NUL in a query string is refused here: PostgreSQL takes none, and the admin's filters pass on what they get."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            return _refusal(request) or await get_response(request)

        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        return _refusal(request) or get_response(request)

    return answer


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if b"\x00" not in unquote_to_bytes(request.META.get("QUERY_STRING", "")):
        return None
    sentence = _("This address holds a character that is no text.")
    if request.path.startswith(errors.UNDER):
        return errors.refused(sentence, 400)
    return HttpResponseBadRequest(sentence)
