"""Whatever goes wrong under /api/ -> a status and one sentence in JSON, `{"error": ...}`, as a script can read it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views import csrf, defaults

from aegis_assets.errors import AegisError, BadInput, EngineFailed, EngineUnavailable, NotAllowed, NotFound, StoreUnavailable
from webadmin.console import sentences

UNDER: Final = "/api/"
STATUS: Final[dict[type[AegisError], int]] = {
    BadInput: 400,
    NotFound: 404,
    NotAllowed: 409,
    EngineFailed: 502,
    EngineUnavailable: 503,
    StoreUnavailable: 503,
}


def refused(sentence: str, status: int, **more: Any) -> JsonResponse:
    return JsonResponse({"error": sentences.said(sentence), **more}, status=status)


def said(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """An error with a public sentence is answered; any other is a defect, which `server_error` answers."""

    @wraps(view)
    def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except AegisError as error:
            return refused(error.message, next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500))

    return answer


def unknown(request: HttpRequest, rest: str = "") -> HttpResponse:
    return refused(_("There is nothing at this address."), 404)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(UNDER):
        answer: HttpResponse = defaults.bad_request(request, exception)
        return answer
    return refused(_("The request could not be read."), 400)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if not request.path.startswith(UNDER):
        answer: HttpResponse = csrf.csrf_failure(request, reason)
        return answer
    return refused(_("A request of a session needs its CSRF token; a script uses an API token instead."), 403)


def server_error(request: HttpRequest) -> HttpResponse:
    if not request.path.startswith(UNDER):
        answer: HttpResponse = defaults.server_error(request)
        return answer
    return refused(_("An unexpected error; the log of the admin has the details."), 500)
