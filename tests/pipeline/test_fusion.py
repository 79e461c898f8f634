"""Scores of two searches become one that hits of several collections can be ordered by."""

from __future__ import annotations

from uuid import UUID

import pytest

from aegis_assets.model.embedding import VectorHit
from aegis_assets.pipeline.fusion import KNOWN, UNKNOWN, cosine_weight, fused, seed_strengths


def hit(number: int, dense: float | None, sparse: float | None) -> VectorHit:
    return VectorHit(id=UUID(int=number), score=0.0, dense=dense, sparse=sparse)


def test_a_lexical_score_counts_by_its_share_of_the_best_and_a_cosine_by_its_weight() -> None:
    hits = fused([hit(1, 0.5, None), hit(2, 0.2, 8.0), hit(3, None, 2.0)])
    assert [each.id.int for each in hits] == [2, 1, 3]
    assert [each.score for each in hits] == pytest.approx([1 + KNOWN * 0.2, KNOWN * 0.5, 0.25])


def test_equals_are_ordered_by_id_and_nothing_is_better_than_a_negative_cosine() -> None:
    assert [each.id.int for each in fused([hit(2, 0.0, None), hit(3, -0.5, None), hit(1, -0.1, None)])] == [1, 2, 3]
    assert fused([]) == []


def test_a_walk_begins_by_the_cosines_or_where_these_say_little_by_the_scores() -> None:
    hits = fused([hit(1, 0.6, 2.0), hit(2, None, 8.0)], lambda each: UNKNOWN)
    assert seed_strengths(hits, cosines=True) == {UUID(int=1): 0.6, UUID(int=2): 0.0}
    assert seed_strengths(hits, cosines=False) == pytest.approx({UUID(int=2): 1.0, UUID(int=1): 0.25 + UNKNOWN * 0.6})
    assert seed_strengths([], cosines=True) == {}


def test_hits_of_two_collections_are_measured_by_one_best() -> None:
    rich, poor = [hit(1, 0.1, 40.0), hit(2, 0.1, 30.0)], [hit(3, 0.1, 4.0)]
    assert [each.id.int for each in fused([*poor, *rich])] == [1, 2, 3]


@pytest.mark.parametrize(
    ("known", "question", "chunk", "weight"),
    [
        ((), "de", "de", KNOWN),
        (("en",), "en", "en", KNOWN),
        (("en",), "", "", KNOWN),
        (("en",), "de", "de", UNKNOWN),
        (("en",), "de", "", UNKNOWN),
        (("en",), "en", "de", UNKNOWN),
    ],
)
def test_a_cosine_counts_little_where_the_embedder_does_not_know_a_language(
    known: tuple[str, ...], question: str, chunk: str, weight: float
) -> None:
    assert cosine_weight(known, question, chunk) == weight


def test_an_unknown_language_leaves_the_order_to_the_words() -> None:
    hits = [hit(1, 0.6, 2.0), hit(2, 0.2, 8.0)]
    assert [each.id.int for each in fused(hits)] == [1, 2]
    assert [each.id.int for each in fused(hits, lambda each: UNKNOWN)] == [2, 1]
