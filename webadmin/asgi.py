"""The admin as an ASGI application: what stands in front of Django, and how many requests are worked on at once."""

from __future__ import annotations

import asyncio
import os
import resource
from typing import Final
from weakref import WeakValueDictionary

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webadmin.settings")

import django
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from aegis_assets.errors import Misconfigured
from aegis_assets.logs import configure
from aegis_assets.perimeter import require_protected_admin
from aegis_assets.settings import settings
from webadmin.documents.aside import aside

SEATS: Final = 16  # Python works on one request at a time; the others wait for PostgreSQL or for an engine
HEALTH_SEATS: Final = 2
LOG_INS: Final = 2  # a password's hash takes a third of a second of a core
FILES: Final = 4096  # open ones: a connection is one, and the usual limit is 1,024


class Seated(ASGIHandler):
    """Each request takes a thread and a connection to the database, and two hundred viewers who all come again after a restart
    would take every connection that PostgreSQL has. The others wait, their bodies read. A stream that has begun gives its seat up.

    Log-ins of one address wait for each other (throttle.take_turn), and wait here, so that no seat is theirs meanwhile. The
    question whether this process works has seats of its own: whoever keeps it busy must not have it restarted.

    No middleware: Django makes one synchronous, if it can be, that stands before a synchronous one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seats, self._health_seats = asyncio.Semaphore(SEATS), asyncio.Semaphore(HEALTH_SEATS)
        self._log_ins = asyncio.Semaphore(LOG_INS)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        if request.path == reverse("healthz"):
            async with self._health_seats:
                return await super().get_response_async(request)
        if request.method == "POST" and request.path == reverse("admin:login"):
            async with self._turn_of(str(request.META.get("REMOTE_ADDR", ""))), self._log_ins, self._seats:
                return await super().get_response_async(request)
        async with self._seats:
            return await super().get_response_async(request)

    def _turn_of(self, address: str) -> asyncio.Lock:
        return self._turns.setdefault(address, asyncio.Lock())


def get_asgi_application() -> Seated:
    """As Django's own."""
    django.setup(set_prefix=False)
    return Seated()


configure(settings().log_level)
try:
    require_protected_admin(settings())
except Misconfigured as error:
    raise SystemExit(error.message) from None
os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # for the child: its threads hold a third of its memory apart otherwise
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if soft < FILES:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if hard == resource.RLIM_INFINITY else min(FILES, hard), hard))
aside.on = True
handler = get_asgi_application()

from webadmin.bodies import identified, limited, most_bytes  # noqa: E402  after django.setup(): it knows of tokens

application = limited(identified(handler), most_bytes)
