"""What a person decides about names -> the graph put right in the same moment, by the code that publish corrects it with.

Three decisions: two entities are one, some names of an entity are another, and one of these undone. The ledger changes and the
graph is rewritten inside its open transaction, so that both say the same of the names whatever breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.publish import Dropped, Facts, KnowledgeGraph, rewrite, scope_after

BY_PERSON = "person"  # the reason of a merge that a person made; resolve's own reasons are others
Correct = Callable[[Facts, Dropped], None]


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


def corrector(graph: KnowledgeGraph, collection: UUID) -> Correct:
    """Rewrites the nodes of the names that moved, and their relations."""

    def correct(facts: Facts, dropped: Dropped) -> None:
        rewrite(facts, graph, collection, scope_after(facts, graph, collection, dropped))

    return correct


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
