"""A person's decision about names -> ledger and graph changed at once, and a line in the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.http import HttpRequest

from webadmin.console.audit import trail
from webadmin.documents import platform
from webadmin.documents.aside import aside
from webadmin.documents.models import Decision, Entity


def merge(request: HttpRequest, entity: Entity, other: Entity) -> None:
    """Raises AegisError, and then nothing has changed."""
    pair = (entity.pk, other.pk)
    decision = aside.call(platform.merge_entities, entity.collection_id, pair, request.user.get_username())
    trail.record(request, "entity.merge", entity, decision=decision, other=str(other.pk), other_name=other.name)


def split(request: HttpRequest, entity: Entity, names: Sequence[UUID]) -> None:
    """Raises AegisError, and then nothing has changed."""
    decision = aside.call(platform.split_entity, entity.collection_id, entity.pk, list(names), request.user.get_username())
    taken = list(Entity.objects.filter(pk__in=names).order_by("name").values_list("name", flat=True))
    trail.record(request, "entity.split", entity, decision=decision, taken=taken)


def undo(request: HttpRequest, decision: Decision) -> None:
    """Raises AegisError, and then nothing has changed."""
    aside.call(platform.undo_decision, decision.pk, request.user.get_username())
    entity = Entity.objects.filter(pk__in=decision.names).order_by("name").first()
    trail.record(request, f"entity.undo {decision.kind}", entity, decision=decision.pk)
