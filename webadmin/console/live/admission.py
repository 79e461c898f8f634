"""Who may still watch: asked again while a stream is open, for all viewers in three statements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from aegis_assets.errors import StoreUnavailable
from webadmin.console.models import ApiToken

PERMISSION: Final = "documents.view_document"
BACKEND: Final = "django.contrib.auth.backends.ModelBackend"


class Pass(NamedTuple):
    """By what a viewer was let in: a session, with the hash that goes with the password, or a token."""

    user: int
    session: str = ""
    session_hash: str = ""
    token: int = 0


def granted(request: HttpRequest) -> Pass:
    """Of a request that was let in."""
    token = getattr(request, "api_token", None)
    if token is not None:
        return Pass(token.user_id, token=token.pk)
    session = request.session
    return Pass(int(session["_auth_user_id"]), session.session_key, session[HASH_SESSION_KEY])


def admitted(passes: Iterable[Pass]) -> set[Pass]:
    """Those that would be let in again. Raises StoreUnavailable. The thread's connection is closed: it is asked thrice a minute."""
    passes = list(passes)
    try:
        return _admitted(passes)
    except DatabaseError as error:
        raise StoreUnavailable("The ledger (PostgreSQL) does not answer.") from error
    finally:
        connection.close()


def _admitted(passes: list[Pass]) -> set[Pass]:
    now = timezone.now()
    may = User.objects.with_perm(PERMISSION, backend=BACKEND).filter(pk__in={one.user for one in passes}, is_staff=True)
    users = {user.pk: user.get_session_auth_hash() for user in may}
    sessions = Session.objects.filter(session_key__in={one.session for one in passes if one.session}, expire_date__gt=now)
    tokens = ApiToken.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now), pk__in={one.token for one in passes if one.token}, revoked_at=None
    )
    open_sessions, open_tokens = set(sessions.values_list("pk", flat=True)), set(tokens.values_list("pk", flat=True))

    def holds(one: Pass) -> bool:
        if one.user not in users:
            return False
        if one.token:
            return one.token in open_tokens
        return one.session in open_sessions and constant_time_compare(one.session_hash, users[one.user])

    return {one for one in passes if holds(one)}
