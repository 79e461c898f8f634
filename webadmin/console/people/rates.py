"""How often the API may be asked, by each token, user, or address of somebody unknown: over that, 429 with Retry-After.

Trade-off: counted in this process, since a count in the database would cost what it is to save; of several processes each allows as
much. A package (limits, django-ratelimit) would bring storages and window kinds for these few lines.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from math import ceil
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import gettext as _

from aegis_assets.settings import settings
from webadmin.console.audit.signals import address_of

UNDER: Final = ("/api/", "/metrics")
MOST_KEYS: Final = 10_000
Answer = Callable[[HttpRequest], HttpResponse] | Callable[[HttpRequest], Awaitable[HttpResponse]]


class Rates:
    """A bucket for each key, which holds the requests of a minute and is filled evenly."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait(self, key: str, per_minute: int) -> float:
        """Count a request. Return 0, or the seconds until one would be allowed."""
        now = time.monotonic()
        with self._guard:
            if len(self._buckets) > MOST_KEYS:
                self._buckets = {one: bucket for one, bucket in self._buckets.items() if now - bucket[1] < 60}
            left, at = self._buckets.get(key, (float(per_minute), now))
            left = min(per_minute, left + (now - at) * per_minute / 60)
            self._buckets[key] = (left - 1 if left >= 1 else left, now)
        return 0.0 if left >= 1 else (1 - left) * 60 / per_minute


rates: Final = Rates()


@sync_and_async_middleware
def limited_rate(get_response: Answer) -> Any:
    """Stands behind `bearer`, which knows the token."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            return refusal(request) or await get_response(request)

        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        return refusal(request) or get_response(request)

    return answer


def refusal(request: HttpRequest) -> HttpResponse | None:
    """Count the request; return an answer if it is one too many."""
    per_minute = settings().api_requests_per_minute
    if not per_minute or not request.path.startswith(UNDER):
        return None
    seconds = rates.wait(_key(request), per_minute)
    if not seconds:
        return None
    said = {"error": _("Too many requests: ask again later, and more slowly.")}
    return JsonResponse(said, status=429, headers={"Retry-After": str(ceil(seconds))})


def _key(request: HttpRequest) -> str:
    token = getattr(request, "api_token", None)
    if token is not None:
        return f"token {token.digest}"
    user = request.session.get(SESSION_KEY)  # read before, by LimitedSessions
    return f"user {user}" if user else f"address {address_of(request)}"
