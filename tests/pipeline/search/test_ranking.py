"""Hybrid hits and the walk's chunks in one order, in which one passage that answers alone stays in front."""

from __future__ import annotations

from uuid import UUID

from aegis_assets.model.embedding import VectorHit
from aegis_assets.pipeline.search.ranking import covers, ranked

HITS = [VectorHit(id=UUID(int=n), score=3.0 - n / 10, dense=0.5, sparse=None) for n in range(1, 9)]
FAR = UUID(int=100)


def test_the_first_hybrid_hits_stay_in_front_and_what_the_walk_found_follows() -> None:
    order = ranked(HITS, {FAR: 0.3, HITS[4].id: 0.1}, covered=False)
    assert order[:4] == [HITS[0].id, HITS[1].id, FAR, HITS[4].id]
    assert len(order) == len(set(order)) == 9


def test_a_hit_that_the_walk_does_not_come_by_is_not_behind_all_that_it_hardly_comes_by() -> None:
    assert ranked(HITS, {FAR: 1e-5}, covered=False)[-1] == FAR


def test_five_stay_where_one_has_the_questions_words() -> None:
    assert ranked(HITS, {FAR: 0.2}, covered=True)[:6] == [hit.id for hit in HITS[:5]] + [FAR]


def test_without_a_walk_the_order_is_the_hybrid_one() -> None:
    assert ranked(HITS, {}, covered=False) == [hit.id for hit in HITS]
    assert ranked([], {}, covered=False) == []


def test_a_text_covers_a_question_by_its_rare_words() -> None:
    sample = ["the ship of the line", "the quota of the pool", "the line of the ship", "the engine was built in Rotterdam"]
    question = "Where was the engine built?"
    assert covers(question, sample[3:], sample)
    assert not covers("Who built the quota of the engine?", sample[3:], sample)
    assert not covers(question, sample[:3], sample)
    assert not covers(question, [], [])
