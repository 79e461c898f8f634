"""Names of entities -> which of them are the same entity, and which name represents each group.

Three steps: equal but for spelling, alike by tokens, alike by embedding. Two names are compared only where they share a key
(`pipeline/blocking.py`). Each decision depends on its two names, whether it counts on their types (`pipeline/matching.py`), and
whether they are compared on the names that there are in the end, so none depends on the order in which documents came
(`stores/ledger/crowding.py` undoes what was decided before a key became crowded).

Design note: chains. "J. Smith" fits both "John Smith" and "Jane Smith"; joined blindly, the three would be one. A homonym merged
costs more than an alias missed, so `components` drops the decisions of a name whose partners exclude each other, joins the rest
best first, never puts two names that exclude each other into one group, and lets an embedding join groups only once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final
from uuid import UUID

from aegis_assets.model.ids import fingerprint
from aegis_assets.pipeline.entity_types import OTHER
from aegis_assets.pipeline.matching import (
    EntityName,
    MergeDecision,
    confirmed,
    decide_as,
    decision,
    exclude_each_other,
    possible,
    worth_embedding,
)

Similarity = Callable[[list[tuple[str, str]]], list[float]]

RULES: Final = 2  # raise it when a decision changes; a change of `blocks` also needs a migration that fills aegis_entity_block anew
EMBEDDING: Final = 0.93  # cosine
_RANK: Final[dict[str, int]] = {"exact": 0, "fuzzy": 1, "embedding": 2}


def rules_fingerprint(embedder: str) -> str:
    """Return what decides whether two names that were compared are compared again. embedder: its fingerprint."""
    return fingerprint(rules=RULES, embedder=embedder)


def find_merges(pairs: Iterable[tuple[EntityName, EntityName]], similarity: Similarity | None = None) -> list[MergeDecision]:
    """Return what may be one of these pairs of names, whatever their types are, smaller id first; sorted.

    similarity: cosines of pairs of normalised names, called once, for the pairs that letters can neither join nor tell apart.
    """
    decided: dict[tuple[UUID, UUID], MergeDecision] = {}
    undecided: list[tuple[EntityName, EntityName]] = []
    for a, b in pairs:
        by_letters = possible(a, b)
        if by_letters:
            decided[by_letters.left, by_letters.right] = by_letters
        if similarity is not None and decide_as(a, b, OTHER) is None and worth_embedding(a, b, OTHER):
            undecided.append((a, b))
    if similarity is not None and undecided:
        undecided.sort(key=lambda pair: (pair[0].id, pair[1].id))
        scores = similarity([(a.normalised, b.normalised) for a, b in undecided])
        for (a, b), score in zip(undecided, scores, strict=True):
            if score >= EMBEDDING:
                near = decision(a, b, "embedding", score)
                decided[near.left, near.right] = near
    return [decided[pair] for pair in sorted(decided)]


def components(
    ids: Iterable[UUID],
    edges: Iterable[MergeDecision | tuple[UUID, UUID]],
    names: Mapping[UUID, EntityName] | None = None,
    apart: Iterable[tuple[UUID, UUID]] = (),
) -> dict[UUID, UUID]:
    """Return the canonical id of each id: connected components, the representative the same whatever the order of ids and edges.

    With `names`, chains are guarded as the module says, and the representative is the longest name (an expansion says more than its
    acronym), then the first by letters. Without, plain components with the smallest id. Edges to ids not given are ignored, and
    with `names` those that the present types do not allow.
    A pair of ids is a person's word: it joins whatever the guards say. apart: pairs that a person took from each other; no decision
    joins them, however long the chain, so that a name that arrives later and fits both does not bring them together again.
    """
    groups = _Groups(ids, names or {}, apart)
    given = list(edges)
    for left, right in sorted(edge for edge in given if isinstance(edge, tuple)):
        if left in groups.parent and right in groups.parent:
            groups.join(MergeDecision(left, right, "exact", 1.0), certain=True)
    decisions = {edge for edge in given if isinstance(edge, MergeDecision)}
    there = [edge for edge in decisions if edge.left in groups.parent and edge.right in groups.parent]
    usable = sorted(
        _confirmed(there, names) if names else there,
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


def _confirmed(edges: Iterable[MergeDecision], names: Mapping[UUID, EntityName]) -> Iterator[MergeDecision]:
    for edge in edges:
        if edge.left in names and edge.right in names and (still := confirmed(edge, names[edge.left], names[edge.right])):
            yield still


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
