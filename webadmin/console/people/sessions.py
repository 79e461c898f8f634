"""When a session ends: a while after its person last did something, and a longer while after the log-in whatever they do."""

from __future__ import annotations

import time
from typing import Any, Final

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

from aegis_assets.settings import settings

BEGAN: Final = "aegis_began"
USED: Final = "aegis_used"
POLL: Final = "Aegis-Poll"  # a header of what a page asks by itself (console.js): nobody needs to sit in front of it
WRITTEN_SECONDS: Final = 60  # a session's last use is written at most once a minute


def connect() -> None:
    user_logged_in.connect(_logged_in, dispatch_uid="console.session_began")


class LimitedSessions(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> None:
        """End a session that is over, and write down that one is used."""
        session, now = request.session, int(time.time())
        if SESSION_KEY not in session:
            return
        began = session.setdefault(BEGAN, now)  # missing in one of an earlier release
        if now >= began + _longest() or now >= session.get(USED, now) + _idle():
            session.flush()
        elif now - session.get(USED, 0) >= min(WRITTEN_SECONDS, _idle() // 2) and POLL not in request.headers:
            _use(session, now)


def _logged_in(sender: object, request: HttpRequest | None, **_: Any) -> None:
    if request is not None:
        now = int(time.time())
        request.session[BEGAN] = now
        _use(request.session, now)


def _use(session: SessionBase, now: int) -> None:
    session[USED] = now
    session.set_expiry(max(1, min(_idle(), session[BEGAN] + _longest() - now)))


def _idle() -> int:
    return settings().session_idle_minutes * 60


def _longest() -> int:
    return settings().session_hours * 3600
