"""`Authorization: Bearer <token>` on an address of the API -> the token's user.

Nowhere else: a token opens no page. A request that carries one has no use for a session, and needs no CSRF token, since no other
site's page can make a browser send it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import gettext as _

from webadmin.console.models import ApiToken
from webadmin.console.people import rates, tokens

UNDER: Final = ("/api/", "/metrics")
Answer = Callable[[HttpRequest], HttpResponse] | Callable[[HttpRequest], Awaitable[HttpResponse]]


@sync_and_async_middleware
def bearer(get_response: Answer) -> Any:
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            secret = secret_of(request)
            if secret is not None:
                token = await tokens.usable(secret).afirst()
                if token is None:
                    return rates.refusal(request) or refusal()
                await tokens.stale(token).aupdate(used_at=timezone.now())
                _admit(request, token)
            return await get_response(request)

        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        secret = secret_of(request)
        if secret is not None:
            token = tokens.usable(secret).first()
            if token is None:
                return rates.refusal(request) or refusal()
            tokens.stale(token).update(used_at=timezone.now())
            _admit(request, token)
        return get_response(request)

    return answer


def secret_of(request: HttpRequest) -> str | None:
    scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not request.path.startswith(UNDER):
        return None
    return secret.strip()


def _admit(request: HttpRequest, token: ApiToken) -> None:
    user = token.user

    async def known() -> Any:
        return user

    request.user, request.auser, request.api_token = user, known, token
    request._dont_enforce_csrf_checks = True


def refusal() -> JsonResponse:
    said = {"error": _("This token is unknown, expired or revoked.")}
    return JsonResponse(said, status=401, headers={"WWW-Authenticate": "Bearer"})
