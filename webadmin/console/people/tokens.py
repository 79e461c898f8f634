"""API tokens: made, shown once, looked up by their hash, revoked."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from webadmin.console.models import ApiToken

PREFIX: Final = "aegis_"  # so that scanners for leaked secrets know one
SHOWN: Final = len(PREFIX) + 6
USED_SECONDS: Final = 60  # a token's last use is written at most once a minute


def make(user: Any, name: str, days: int | None) -> tuple[ApiToken, str]:
    """The row, and the token itself, which nothing can bring back later. days: until it expires, None for never."""
    secret = PREFIX + secrets.token_urlsafe(32)
    expires = timezone.now() + timedelta(days=days) if days else None
    return ApiToken.objects.create(user=user, name=name, start=secret[:SHOWN], digest=digest(secret), expires_at=expires), secret


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def usable(secret: str) -> QuerySet[ApiToken]:
    """The token, with its user, if it is neither revoked nor expired and its user is active."""
    now = timezone.now()
    return ApiToken.objects.select_related("user").filter(
        Q(expires_at=None) | Q(expires_at__gt=now), digest=digest(secret), revoked_at=None, user__is_active=True
    )


def stale(token: ApiToken) -> QuerySet[ApiToken]:
    """The token, if its last use has to be written."""
    before = timezone.now() - timedelta(seconds=USED_SECONDS)
    return ApiToken.objects.filter(Q(used_at=None) | Q(used_at__lt=before), pk=token.pk)


def revoke(tokens: QuerySet[ApiToken]) -> list[ApiToken]:
    """Those that were not revoked before."""
    live = list(tokens.filter(revoked_at=None))
    ApiToken.objects.filter(pk__in=[token.pk for token in live], revoked_at=None).update(revoked_at=timezone.now())
    return live
