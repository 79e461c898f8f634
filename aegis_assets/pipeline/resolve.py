"""Names of entities -> which of them are the same entity, and which name represents each group.

Three steps, within one type only: equal but for spelling, alike by tokens, alike by embedding. Two names are compared only where
they share a blocking key. A key that more than MAX_BLOCK names share is crowded and compares nothing, so a new name costs a bounded
number of comparisons however many names there are. Each decision depends on its two names, and whether they are compared on the
names that there are in the end, so neither depends on the order in which documents came (`stores/ledger/crowding.py` undoes what
was decided before a key became crowded).

Design note: chains. "J. Smith" fits both "John Smith" and "Jane Smith"; joined blindly, the three would be one. A homonym merged
costs more than an alias missed, so `components` drops the decisions of a name whose partners exclude each other, joins the rest
best first, never puts two names that exclude each other into one group, and lets an embedding join groups only once.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal
from uuid import UUID

from rapidfuzz import fuzz

from aegis_assets.model.ids import fingerprint, normalised
from aegis_assets.pipeline.names import Form, alike, form, is_acronym_of, is_person, opposed, persons_compatible, turned

Reason = Literal["exact", "fuzzy", "embedding"]
Similarity = Callable[[list[tuple[str, str]]], list[float]]

RULES: Final = 1  # raise it when a decision changes; a change of `blocks` also needs a migration that fills aegis_entity_block anew
EMBEDDING: Final = 0.93  # cosine
# Names that are worth an embedding: how much of one's words stands in the other, and how much of both is alike. Of the 12,933 pairs
# of a manual of 390 pages that were looked at with less, 52 were near each other, and all of those pass.
OVERLAP: Final = 70.0  # token_set_ratio
ALIKE: Final = 60.0  # token_sort_ratio
MAX_BLOCKS: Final = 12  # keys of one name
MAX_KEY: Final = 120
MAX_BLOCK: Final = 200  # names of one key; a key that more names share tells nothing and is crowded
SPELLING: Final = "="  # begins the key of the whole name but for spelling, whose names are one: it is used however many share it
_RANK: Final[dict[str, int]] = {"exact": 0, "fuzzy": 1, "embedding": 2}


@dataclass(frozen=True)
class EntityName:
    """normalised: model.ids.normalised(name). Only it and the type decide; the name is for people."""

    id: UUID
    type: str
    name: str
    normalised: str


@dataclass(frozen=True)
class MergeDecision:
    """left < right. score: 1.0 for exact, else the similarity, 0 to 1."""

    left: UUID
    right: UUID
    reason: Reason
    score: float


def rules_fingerprint(embedder: str) -> str:
    """Return what decides whether two names that were compared are compared again. embedder: its fingerprint."""
    return fingerprint(rules=RULES, embedder=embedder)


def blocks(name: str, type: str) -> tuple[str, ...]:
    """Return the keys, at most MAX_BLOCKS of at most MAX_KEY characters, of which two names must share one to be compared.

    Order: the whole name but for spelling, acronym and initials, both ends of a lone word, then tokens, longest first (the longer,
    the rarer). Synonyms without a common word share no key and are never compared. Every key carries the name's signs, which must
    agree for any decision: "table 1" to "table 999" do not crowd the key of "table of contents".
    """
    plain = normalised(name)
    shape = form(plain, type)
    keys = [f"{SPELLING}:{shape.key}"]
    keys += [f"a:{initials}" for initials in sorted(shape.initials)]
    if " " not in plain and 3 <= len(plain) <= 8 and plain.isalpha():
        keys.append(f"a:{plain}")
    if len(shape.tokens) == 1 and len(shape.key) >= 6:
        keys += [f"p:{shape.key[:3]}", f"s:{shape.key[-3:]}"]
    if len(shape.tokens) > 1 or is_person(type):
        keys += [f"t:{token}" for token in sorted(set(shape.tokens), key=lambda token: (-len(token), token)) if len(token) >= 3]
    scope = "|".join((type.casefold(), *shape.signs))
    return tuple(_bounded(f"{key}|{scope}") for key in dict.fromkeys(keys))[:MAX_BLOCKS]


def _bounded(key: str) -> str:
    """Keep the first character, which tells the kind."""
    return key if len(key) <= MAX_KEY else key[0] + hashlib.sha256(key.encode()).hexdigest()


def matches(a: EntityName, b: EntityName) -> MergeDecision | None:
    """Decide by their letters alone. Return None for two types, for one id, and wherever a guard forbids it."""
    if a.type != b.type or a.id == b.id:
        return None
    left, right = form(a.normalised, a.type), form(b.normalised, b.type)
    if left.signs != right.signs:
        return None
    if is_person(a.type):
        return _persons(a, b, left, right)
    if left.key == right.key:
        return _decision(a, b, "exact", 1.0)
    if alike(left, right) and _spelling_may_vary(a.type):
        return _decision(a, b, "fuzzy", fuzz.token_sort_ratio(" ".join(left.tokens), " ".join(right.tokens)) / 100)
    if turned(left, right, a.normalised, b.normalised):
        return _decision(a, b, "fuzzy", 0.95)
    if is_acronym_of(left, right, a.normalised) or is_acronym_of(right, left, b.normalised):
        return _decision(a, b, "fuzzy", 0.9)
    return None


def _spelling_may_vary(entity_type: str) -> bool:
    return entity_type.casefold() not in {"location", "place", "city", "country", "region", "gpe"}


def _persons(a: EntityName, b: EntityName, left: Form, right: Form) -> MergeDecision | None:
    if left.key == right.key:
        return _decision(a, b, "exact", 1.0)
    if not persons_compatible(a.normalised, b.normalised):
        return None
    return _decision(a, b, "fuzzy", fuzz.token_set_ratio(" ".join(left.tokens), " ".join(right.tokens)) / 100)


def _decision(a: EntityName, b: EntityName, reason: Reason, score: float) -> MergeDecision:
    left, right = sorted((a.id, b.id))
    return MergeDecision(left, right, reason, round(min(1.0, score), 4))


def find_merges(pairs: Iterable[tuple[EntityName, EntityName]], similarity: Similarity | None = None) -> list[MergeDecision]:
    """Return the decisions on these pairs of names, smaller id first; sorted.

    similarity: cosines of pairs of normalised names, called once, for the pairs that letters can neither join nor tell apart.
    """
    decided: dict[tuple[UUID, UUID], MergeDecision] = {}
    undecided: list[tuple[EntityName, EntityName]] = []
    for a, b in pairs:
        decision = matches(a, b)
        if decision:
            decided[decision.left, decision.right] = decision
        elif similarity is not None and _worth_embedding(a, b):
            undecided.append((a, b))
    if similarity is not None and undecided:
        undecided.sort(key=lambda pair: (pair[0].id, pair[1].id))
        scores = similarity([(a.normalised, b.normalised) for a, b in undecided])
        for (a, b), score in zip(undecided, scores, strict=True):
            if score >= EMBEDDING:
                decision = _decision(a, b, "embedding", score)
                decided[decision.left, decision.right] = decision
    return [decided[pair] for pair in sorted(decided)]


def _worth_embedding(a: EntityName, b: EntityName) -> bool:
    """Tell whether an embedding may decide: it puts Iran near Iraq and input near output, so only on names of several words that no
    guard tells apart."""
    if a.type != b.type or is_person(a.type) or not _spelling_may_vary(a.type):
        return False
    left, right = form(a.normalised, a.type), form(b.normalised, b.type)
    if min(len(left.tokens), len(right.tokens)) < 2 or fuzz.token_set_ratio(a.normalised, b.normalised) < OVERLAP:
        return False
    return fuzz.token_sort_ratio(a.normalised, b.normalised) >= ALIKE and not exclude_each_other(a, b)  # last: costs most


def exclude_each_other(a: EntityName, b: EntityName) -> bool:
    """Tell whether they can never be one entity: another type, number or given name, or two readings of one acronym."""
    if a.type != b.type:
        return True
    left, right = form(a.normalised, a.type), form(b.normalised, b.type)
    if left.signs != right.signs:
        return True
    if is_person(a.type):
        return left.key != right.key and not persons_compatible(a.normalised, b.normalised)
    if opposed(left, right):
        return True
    return bool(left.initials & right.initials) and matches(a, b) is None


def components(
    ids: Iterable[UUID],
    edges: Iterable[MergeDecision | tuple[UUID, UUID]],
    names: Mapping[UUID, EntityName] | None = None,
    apart: Iterable[tuple[UUID, UUID]] = (),
) -> dict[UUID, UUID]:
    """Return the canonical id of each id: connected components, the representative the same whatever the order of ids and edges.

    With `names`, chains are guarded as the module says, and the representative is the longest name (an expansion says more than its
    acronym), then the first by letters. Without, plain components with the smallest id. Edges to ids not given are ignored.
    A pair of ids is a person's word: it joins whatever the guards say. apart: pairs that a person took from each other; no decision
    joins them, however long the chain, so that a name that arrives later and fits both does not bring them together again.
    """
    groups = _Groups(ids, names or {}, apart)
    given = list(edges)
    for left, right in sorted(edge for edge in given if isinstance(edge, tuple)):
        if left in groups.parent and right in groups.parent:
            groups.join(MergeDecision(left, right, "exact", 1.0), certain=True)
    decisions = {edge for edge in given if isinstance(edge, MergeDecision)}
    usable = sorted(
        (edge for edge in decisions if edge.left in groups.parent and edge.right in groups.parent),
        key=lambda edge: (_RANK[edge.reason], -edge.score, edge.left, edge.right),
    )
    for edge in usable:
        if edge.reason == "exact":
            groups.join(edge)
    ambiguous = groups.ambiguous([edge for edge in usable if edge.reason != "exact"])
    for edge in usable:
        if edge.reason != "exact" and edge not in ambiguous:
            groups.join(edge)
    return groups.canonical()


class _Groups:
    """Union-find over ids that keeps each group's members, so that two groups can be compared."""

    def __init__(self, ids: Iterable[UUID], names: Mapping[UUID, EntityName], apart: Iterable[tuple[UUID, UUID]] = ()) -> None:
        self.parent = {id: id for id in ids}
        self.members = {id: [id] for id in self.parent}
        self.names = names
        self.embedded: set[UUID] = set()
        self.apart: dict[UUID, set[UUID]] = defaultdict(set)
        for left, right in apart:
            self.apart[left].add(right)
            self.apart[right].add(left)

    def root(self, id: UUID) -> UUID:
        while self.parent[id] != id:
            self.parent[id] = self.parent[self.parent[id]]
            id = self.parent[id]
        return id

    def exclude(self, left: UUID, right: UUID) -> bool:
        """Tell whether a pair across two groups excludes each other. Names that are equal when normalised are looked at once."""
        others = self.members[right]
        if any(not self.apart[member].isdisjoint(others) for member in self.members[left] if member in self.apart):
            return True
        ours, theirs = self._distinct(left), self._distinct(right)
        return any(exclude_each_other(a, b) for a in ours for b in theirs)

    def _distinct(self, root: UUID) -> list[EntityName]:
        distinct: dict[str, EntityName] = {}
        for member in self.members[root]:
            if member in self.names:
                distinct.setdefault(self.names[member].normalised, self.names[member])
        return list(distinct.values())

    def join(self, edge: MergeDecision, *, certain: bool = False) -> None:
        left, right = sorted((self.root(edge.left), self.root(edge.right)))
        by_embedding = edge.reason == "embedding"
        if left == right or (by_embedding and self.embedded & {left, right}):
            return
        if not certain and self.exclude(left, right):
            return
        self.parent[right] = left
        self.members[left] += self.members.pop(right)
        if by_embedding or right in self.embedded:
            self.embedded.add(left)

    def ambiguous(self, edges: Sequence[MergeDecision]) -> set[MergeDecision]:
        """Return the edges from a group to two groups that exclude each other: it may be either, so it is neither."""
        partners: dict[UUID, dict[UUID, list[MergeDecision]]] = defaultdict(lambda: defaultdict(list))
        for edge in edges:
            left, right = self.root(edge.left), self.root(edge.right)
            if left != right:
                partners[left][right].append(edge)
                partners[right][left].append(edge)
        dropped: set[MergeDecision] = set()
        for others in partners.values():
            for first, second in combinations(sorted(others), 2):
                if self.exclude(first, second):
                    dropped.update(others[first], others[second])
        return dropped

    def canonical(self) -> dict[UUID, UUID]:
        result: dict[UUID, UUID] = {}
        for group in self.members.values():
            best = min(group, key=self._precedence)
            result.update(dict.fromkeys(group, best))
        return result

    def _precedence(self, id: UUID) -> tuple[int, str, UUID]:
        name = self.names[id].normalised if id in self.names else ""
        return -len(name), name, id
