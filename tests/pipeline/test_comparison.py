"""Pairs of names that are compared: each once, and no more than the names' blocks allow."""

from __future__ import annotations

from aegis_assets.pipeline.blocking import MAX_BLOCK
from aegis_assets.pipeline.comparison import Block, pairs_of
from tests.pipeline.named_entities import blocks_of, entity, merges


def test_comparisons_grow_with_the_names_and_not_with_their_square() -> None:
    crowd = [entity(f"common system {first}q{second}") for first in "abcdefghij" for second in "klmnopqrstuvwxyzabcdefghijklmn"]
    assert len({name.id for name in crowd}) > MAX_BLOCK
    counted: list[tuple[str, str]] = []

    def similarity(pairs: list[tuple[str, str]]) -> list[float]:
        counted.extend(pairs)
        return [0.0] * len(pairs)

    assert merges(crowd, [], similarity) == []
    assert counted == []
    assert len(list(pairs_of(blocks_of(crowd)))) == 10 * 26 * 25 // 2, "by their initials, of which 26 names have the same"


def test_names_are_compared_once_whatever_their_types() -> None:
    names = [entity(f"{letter} graph store") for letter in ("big", "new", "old")] + [entity("graph store", "PRODUCT")]
    every = [tuple(sorted((a.id, b.id))) for n, a in enumerate(names) for b in names[:n]]
    found = [(a.id, b.id) for a, b in pairs_of(blocks_of(names))]
    assert sorted(found) == sorted(every)
    with_the_first = [pair for pair in every if names[0].id in pair]
    assert sorted((a.id, b.id) for a, b in pairs_of(blocks_of(names[:1], names[1:]))) == sorted(with_the_first)


def test_names_compared_before_are_passed_over_save_in_a_block_that_is_used_again() -> None:
    names = [entity("big graph store"), entity("new graph store")]
    fresh = frozenset({names[0].id})
    assert list(pairs_of([Block("k", tuple(names), fresh)], compared={names[1].id})) == []
    again = Block("k", tuple(names), frozenset(name.id for name in names), reopened=True)
    assert len(list(pairs_of([again], compared={names[1].id}))) == 1
