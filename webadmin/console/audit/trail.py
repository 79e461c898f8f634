"""An action of a person -> a row of the audit trail, in the transaction of whoever calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Model
from django.http import HttpRequest

from webadmin.console.models import AuditEntry

COMMAND: Final = {"by": "command"}  # details of what was typed, where the actor is the operating system's account


@dataclass(frozen=True)
class Actor:
    """id: of the user, None for who has none. token: the name of the API token that was used."""

    id: int | None
    name: str
    token: str = ""
    address: str = ""


def record(who: HttpRequest | Actor, action: str, target: Model | None = None, **details: Any) -> None:
    """action: "kind.verb", such as "document.retry". details: what a reader of the trail needs, as JSON; never a secret."""
    record_each(who, action, [target], **details)


def record_each(who: HttpRequest | Actor, action: str, targets: Iterable[Model | None], **details: Any) -> None:
    """One row for each target, in one statement."""
    actor = who if isinstance(who, Actor) else actor_of(who)
    AuditEntry.objects.bulk_create([_entry(actor, action, target, details) for target in targets], batch_size=1000)


def actor_of(request: HttpRequest) -> Actor:
    token = getattr(request, "api_token", None)
    return Actor(request.user.pk, request.user.get_username(), token=token.name if token else "")


def _entry(actor: Actor, action: str, target: Model | None, details: Mapping[str, Any]) -> AuditEntry:
    return AuditEntry(
        actor_id=actor.id,
        actor=actor.name[:255],
        token=actor.token,
        action=action,
        target_kind=target._meta.model_name if target is not None else "",
        target_id=str(target.pk) if target is not None else "",
        target=str(target)[:512] if target is not None else "",
        details=dict(details),
        address=actor.address,
    )
