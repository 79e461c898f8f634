"""Figures of a ranking: distinct documents in the order found, against those that answer the question."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet


def distinct(documents: Iterable[str]) -> list[str]:
    """Return the documents of a list of hits, each where it first stands."""
    return list(dict.fromkeys(documents))


def recall(ranking: Sequence[str], gold: AbstractSet[str], first: int) -> float:
    """Return the share of the gold documents among the first ones."""
    return len(gold & set(ranking[:first])) / len(gold)


def has_all(ranking: Sequence[str], gold: AbstractSet[str], first: int) -> float:
    """Return 1.0 if all gold documents are among the first ones, else 0.0."""
    return float(gold <= set(ranking[:first]))


def ndcg(ranking: Sequence[str], gold: AbstractSet[str], first: int) -> float:
    """Return the normalised discounted cumulative gain, where a gold document has gain 1 and any other 0."""
    gain = sum(1 / math.log2(rank + 1) for rank, document in enumerate(ranking[:first], 1) if document in gold)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(len(gold), first) + 1))
    return gain / ideal
