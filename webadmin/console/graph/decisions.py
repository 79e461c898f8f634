"""A person's decision about names -> ledger and graph changed at once, and a line in the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from django.http import HttpRequest

from aegis_assets.pipeline.decide import Correct, corrector
from webadmin.console.audit import trail
from webadmin.documents import platform
from webadmin.documents.models import Decision, Entity

T = TypeVar("T")


def merge(request: HttpRequest, entity: Entity, other: Entity) -> None:
    """Raises AegisError, and then nothing has changed."""
    pair = (entity.pk, other.pk)

    def act(by: str, correct: Correct) -> int:
        return platform.ledger().merge_entities(entity.collection_id, pair, by, correct)

    decision = _decide(request, entity.collection_id, act)
    trail.record(request, "entity.merge", entity, decision=decision, other=str(other.pk), other_name=other.name)


def split(request: HttpRequest, entity: Entity, names: Sequence[UUID]) -> None:
    """Raises AegisError, and then nothing has changed."""

    def act(by: str, correct: Correct) -> int:
        return platform.ledger().split_entity(entity.collection_id, entity.pk, names, by, correct)

    decision = _decide(request, entity.collection_id, act)
    taken = list(Entity.objects.filter(pk__in=names).order_by("name").values_list("name", flat=True))
    trail.record(request, "entity.split", entity, decision=decision, taken=taken)


def undo(request: HttpRequest, decision: Decision) -> None:
    """Raises AegisError, and then nothing has changed."""

    def act(by: str, correct: Correct) -> UUID:
        return platform.ledger().undo_decision(decision.pk, by, correct)

    _decide(request, decision.collection_id, act)
    entity = Entity.objects.filter(pk__in=decision.names).order_by("name").first()
    trail.record(request, f"entity.undo {decision.kind}", entity, decision=decision.pk)


def _decide(request: HttpRequest, collection: UUID, act: Callable[[str, Correct], T]) -> T:
    return act(request.user.get_username(), corrector(platform.graph(), collection))
