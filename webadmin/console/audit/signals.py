"""Log-ins, log-outs and failed log-ins, in which the throttle counts, and what commands do -> the audit trail."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Model
from django.http import HttpRequest

from webadmin.console.audit import trail
from webadmin.console.audit.trail import COMMAND, Actor
from webadmin.documents.signals import commanded

LOG_IN: Final = "session.log in"
LOG_OUT: Final = "session.log out"
FAILED: Final = "session.log in failed"


def connect() -> None:
    user_logged_in.connect(_logged_in, dispatch_uid="console.logged_in")
    user_logged_out.connect(_logged_out, dispatch_uid="console.logged_out")
    user_login_failed.connect(_failed, dispatch_uid="console.failed")
    commanded.connect(_commanded, dispatch_uid="console.commanded")


def address_of(request: HttpRequest | None) -> str:
    """The peer's; behind a proxy the server has put the client's there (uvicorn, from those that AEGIS_TRUSTED_PROXIES names)."""
    return str(request.META.get("REMOTE_ADDR", "")) if request is not None else ""


def _logged_in(sender: object, request: HttpRequest | None, user: Any, **_: object) -> None:
    trail.record(Actor(user.pk, user.get_username(), address=address_of(request)), LOG_IN)


def _logged_out(sender: object, request: HttpRequest | None, user: Any, **_: object) -> None:
    if user is not None:
        trail.record(Actor(user.pk, user.get_username(), address=address_of(request)), LOG_OUT)


def _failed(sender: object, credentials: Mapping[str, Any], request: HttpRequest | None = None, **_: object) -> None:
    name = str(credentials.get("username", ""))
    trail.record(Actor(None, name, address=address_of(request)), FAILED)


def _commanded(sender: object, action: str, targets: Iterable[Model], **_: object) -> None:
    trail.record_each(Actor(None, _account()), action, targets, **COMMAND)


def _account() -> str:
    """Of the operating system: not what the environment says, which anybody may set."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's number without a name
        return str(os.getuid())
