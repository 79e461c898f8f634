"""Decisions of a person about names: two entities are one, some names of an entity are another, and one of these undone.

The ledger changes at once, and what that changes in the graph stands in the outbox then; it is written while the person waits.
Trade-off: a graph server that is away does not refuse the decision, it gets it when it is back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from aegis_assets.errors import StoreUnavailable
from aegis_assets.logs import logger
from aegis_assets.model.outbox import Key
from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.drain import drain
from aegis_assets.pipeline.outbox import Stores

log = logger(__name__)

BY_PERSON = "person"  # the reason of a merge that a person made; resolve's own reasons are others
SECONDS: Final = 20.0  # a person waits; what is not written by then is swept


class Decided(Frozen):
    """A decision that the ledger has. keys: what was marked to be written."""

    decision: int
    collection: UUID
    keys: frozenset[Key]


class Pair(Frozen):
    """What is recorded of two names, left < right. reason None: nothing. undone: they are kept apart."""

    left: UUID
    right: UUID
    reason: str | None
    score: float = 1.0
    undone: bool = False

    @property
    def key(self) -> tuple[UUID, UUID]:
        return (self.left, self.right)


def write_decided(decided: Decided, stores: Stores) -> None:
    """Write to the graph what a decision changed. What cannot be written now is swept later."""
    try:
        drain(stores, decided.collection, decided.keys, SECONDS, SECONDS)
    except StoreUnavailable as error:
        log.warning("decision_not_written", decision=decided.decision, kind=error.kind)


def joined(left: UUID, right: UUID) -> Pair:
    first, second = sorted((left, right))
    return Pair(left=first, right=second, reason=BY_PERSON)


def together(pair: tuple[UUID, UUID], ours: Sequence[UUID], theirs: Sequence[UUID], known: Sequence[Pair]) -> list[Pair]:
    """The rows that make two groups of names one: this pair, and nothing left that keeps two of them apart."""
    groups = (set(ours), set(theirs))
    across = [one for one in known if one.undone and _spans(one, *groups)]
    freed = [one.model_copy(update={"undone": False, "reason": None if one.reason == BY_PERSON else one.reason}) for one in across]
    return [*(one for one in freed if one.key != joined(*pair).key), joined(*pair)]


def separated(taken: Sequence[UUID], left: Sequence[UUID], known: Sequence[Pair]) -> list[Pair]:
    """The rows that keep each taken name from each one left. All pairs: a name may lose its last mention and come back."""
    there = {one.key: one for one in known}
    pairs = [joined(one, other) for one in taken for other in left]
    return [there.get(pair.key, pair).model_copy(update={"undone": True}) for pair in pairs]


def _spans(pair: Pair, ours: set[UUID], theirs: set[UUID]) -> bool:
    return (pair.left in ours and pair.right in theirs) or (pair.left in theirs and pair.right in ours)
