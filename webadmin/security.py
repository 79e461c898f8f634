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
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext

from webadmin.console.api import errors

NUL: Final = "\0"
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
def requests_are_text(get_response: Answer) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
    """Refuse a NUL in an address or in a cookie: PostgreSQL takes none, and both are asked for there as they come."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            return _refusal(request) or await get_response(request)

        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        return _refusal(request) or get_response(request)

    return answer


class FormsAreText(MiddlewareMixin):
    """Refuse a NUL in a field of a form, whoever reads it. Fields of Django's forms refuse it too; `request.POST` gives it out."""

    def process_view(self, request: HttpRequest, *_view: object) -> HttpResponse | None:
        if request.method != "POST" or not any(NUL in text for name, texts in request.POST.lists() for text in (name, *texts)):
            return None
        return _refuse(request, gettext("This form holds a character that is no text."))


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if NUL.encode() in unquote_to_bytes(request.META.get("QUERY_STRING", "")) or NUL in request.path:
        return _refuse(request, gettext("This address holds a character that is no text."))
    if any(NUL in value for value in request.COOKIES.values()):  # one in quotes can bear it as \000
        return _refuse(request, gettext("A cookie holds a character that is no text."))
    return None


def _refuse(request: HttpRequest, sentence: str) -> HttpResponse:
    if request.path.startswith(errors.UNDER):
        return errors.refused(sentence, 400)
    return HttpResponseBadRequest(sentence)
