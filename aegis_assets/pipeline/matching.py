"""Two names of entities -> whether they are one, by their letters, and whether they can never be.

What may be one is found whatever the types of the two are (`possible`), and recorded. Whether it is one follows from the types as
they are now (`confirmed`): a vote that changes a type changes the groups, and no two names have to be compared again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from rapidfuzz import fuzz

from aegis_assets.pipeline.entity_types import ORGANIZATION, OTHER, PERSON, PLACE, READINGS, shared_reading
from aegis_assets.pipeline.names import Form, alike, form, is_acronym_of, opposed, persons_compatible, turned

Reason = Literal["exact", "fuzzy", "embedding"]

# Names that are worth an embedding: how much of one's words stands in the other, and how much of both is alike. Of the 12,933 pairs
# of a manual of 390 pages that were looked at with less, 52 were near each other, and all of those pass.
OVERLAP: Final = 70.0  # token_set_ratio
ALIKE: Final = 60.0  # token_sort_ratio


@dataclass(frozen=True)
class EntityName:
    """A name as it is compared. type: as voted by now. normalised: model.ids.normalised(name).

    Only the type and the normalised form decide; the name is for people.
    """

    id: UUID
    type: str
    name: str
    normalised: str


@dataclass(frozen=True)
class MergeDecision:
    """Two names that may be one, and why. left < right. score: 1.0 for exact, else the similarity, 0 to 1."""

    left: UUID
    right: UUID
    reason: Reason
    score: float


def possible(a: EntityName, b: EntityName) -> MergeDecision | None:
    """Return the first decision by letters that any types would allow. Return None for one id."""
    found = (decide_as(a, b, reading) for reading in READINGS)
    return next((decision for decision in found if decision is not None), None)


def matches(a: EntityName, b: EntityName) -> MergeDecision | None:
    """Decide by letters and types. Names whose types contradict each other are one where they are equal but for spelling."""
    reading = shared_reading(a.type, b.type)
    if reading is not None:
        return decide_as(a, b, reading)
    return decision(a, b, "exact", 1.0) if a.id != b.id and _spelled_alike(a, b) else None


def confirmed(edge: MergeDecision, a: EntityName, b: EntityName) -> MergeDecision | None:
    """Return what a recorded decision on these names is worth by their present types, None for nothing.

    One by letters that no present rule would make is of an earlier release, and counts until the names are compared again.
    """
    reading, by_letters = shared_reading(a.type, b.type), matches(a, b)
    if by_letters is not None or reading is None:
        return by_letters
    if edge.reason == "embedding":
        return edge if reading in (OTHER, ORGANIZATION) and not _exclude_as(a, b, reading) else None
    return edge if possible(a, b) is None else None


def decide_as(a: EntityName, b: EntityName, reading: str) -> MergeDecision | None:
    """Decide by letters, reading both names in one way. Return None for one id, and wherever a guard forbids it."""
    if a.id == b.id:
        return None
    left, right = form(a.normalised, reading), form(b.normalised, reading)
    if left.signs != right.signs:
        return None
    if left.key == right.key:
        return decision(a, b, "exact", 1.0)
    if reading == PERSON:
        if not persons_compatible(a.normalised, b.normalised):
            return None
        return decision(a, b, "fuzzy", fuzz.token_set_ratio(" ".join(left.tokens), " ".join(right.tokens)) / 100)
    if reading != PLACE and alike(left, right):
        return decision(a, b, "fuzzy", fuzz.token_sort_ratio(" ".join(left.tokens), " ".join(right.tokens)) / 100)
    if turned(left, right, a.normalised, b.normalised):
        return decision(a, b, "fuzzy", 0.95)
    if is_acronym_of(left, right, a.normalised) or is_acronym_of(right, left, b.normalised):
        return decision(a, b, "fuzzy", 0.9)
    return None


def decision(a: EntityName, b: EntityName, reason: Reason, score: float) -> MergeDecision:
    """Return a decision on these names, the smaller id first."""
    left, right = sorted((a.id, b.id))
    return MergeDecision(left, right, reason, round(min(1.0, score), 4))


def worth_embedding(a: EntityName, b: EntityName, reading: str) -> bool:
    """Tell whether an embedding may decide: it puts Iran near Iraq and input near output, so only on names of several words that no
    guard tells apart."""
    if reading not in (OTHER, ORGANIZATION):
        return False
    left, right = form(a.normalised, reading), form(b.normalised, reading)
    if min(len(left.tokens), len(right.tokens)) < 2 or fuzz.token_set_ratio(a.normalised, b.normalised) < OVERLAP:
        return False
    return fuzz.token_sort_ratio(a.normalised, b.normalised) >= ALIKE and not _exclude_as(a, b, reading)  # last: costs most


def exclude_each_other(a: EntityName, b: EntityName) -> bool:
    """Tell whether they can never be one entity: another number or given name, two readings of one acronym, or, where more than the
    spelling differs, types that contradict each other."""
    reading = shared_reading(a.type, b.type)
    return not _spelled_alike(a, b) if reading is None else _exclude_as(a, b, reading)


def _exclude_as(a: EntityName, b: EntityName, reading: str) -> bool:
    left, right = form(a.normalised, reading), form(b.normalised, reading)
    if left.signs != right.signs:
        return True
    if reading == PERSON:
        return left.key != right.key and not persons_compatible(a.normalised, b.normalised)
    if opposed(left, right):
        return True
    return bool(left.initials & right.initials) and decide_as(a, b, reading) is None


def _spelled_alike(a: EntityName, b: EntityName) -> bool:
    left, right = _spelling(a), _spelling(b)
    return (left.key, left.signs) == (right.key, right.signs)


def _spelling(name: EntityName) -> Form:
    return form(name.normalised, OTHER)
