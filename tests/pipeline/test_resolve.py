"""Groups of names: what joins them, which chains are cut, and that no order of arrival changes them."""

from __future__ import annotations

import random
from itertools import pairwise
from uuid import UUID, uuid5

from aegis_assets.pipeline.matching import EntityName, MergeDecision
from aegis_assets.pipeline.resolve import components
from tests.pipeline.named_entities import COLLECTION, entity, groups, merges


def test_an_embedding_joins_names_that_letters_leave_open() -> None:
    names = [entity("graph data store"), entity("graph data storage system"), entity("input data file"), entity("output data file")]
    asked: list[tuple[str, str]] = []

    def similarity(pairs: list[tuple[str, str]]) -> list[float]:
        asked.extend(pairs)
        return [0.97 if "graph" in a and "graph" in b else 0.5 for a, b in pairs]

    (merge,) = merges(names, [], similarity)
    assert (merge.reason, merge.score) == ("embedding", 0.97)
    assert {merge.left, merge.right} == {names[0].id, names[1].id}
    assert not any({"input data file", "output data file"} == set(pair) for pair in asked), "a guard forbids it: not even asked"


def test_numbers_are_never_left_to_an_embedding() -> None:
    names = [entity("model GPT 3 turbo"), entity("model GPT 4 turbo")]
    assert merges(names, [], lambda pairs: [1.0] * len(pairs)) == []


def _village() -> list[EntityName]:
    terms = [
        "query plan", "query plans", "Query Plan", "query planner", "GPT-3", "GPT-4", "GPT 3", "knowledge graph",
        "knowledge graphs",
        "PCA", "principal component analysis", "patient controlled analgesia", "database", "data base", "databases", "API",
        "application programming interface", "application programming interfaces", "graph data store", "graph data storage",
    ]  # fmt: skip
    people = ["J. Smith", "John Smith", "Jane Smith", "Ada Lovelace", "A. Lovelace", "John A. Smith", "Ada King Lovelace"]
    names = {name.id: name for name in [*(entity(t) for t in terms), *(entity(p, "PERSON") for p in people)]}
    return list(names.values())


def _nearly(pairs: list[tuple[str, str]]) -> list[float]:
    return [0.95 if {a.split()[0], b.split()[0]} == {"graph"} else 0.1 for a, b in pairs]


def _arrive(names: list[EntityName], draw: random.Random) -> tuple[set[MergeDecision], dict[UUID, UUID]]:
    """Let the names come in random batches, each resolved against all before it. Return what is decided, and the groups."""
    shuffled = draw.sample(names, len(names))
    decided: set[MergeDecision] = set()
    known: list[EntityName] = []
    while shuffled:
        batch = [shuffled.pop() for _ in range(min(len(shuffled), draw.randint(1, 6)))]
        decided.update(merges(batch, known, _nearly))
        known += batch
    edges = draw.sample(sorted(decided, key=lambda edge: (edge.left, edge.right)), len(decided))
    return decided, components(draw.sample([name.id for name in names], len(names)), edges, {name.id: name for name in names})


def test_no_order_of_arrival_changes_a_decision_or_a_group() -> None:
    names = _village()
    first = _arrive(names, random.Random(0))
    assert len(first[0]) > 5
    for seed in range(1, 60):
        assert _arrive(names, random.Random(seed)) == first


def test_a_name_that_fits_two_people_joins_neither() -> None:
    names = [entity(name, "PERSON") for name in ("J. Smith", "John Smith", "Jane Smith")]
    edges = merges(names)
    assert len(edges) == 2
    assert groups(names, edges) == [{"J. Smith"}, {"Jane Smith"}, {"John Smith"}]


def test_an_acronym_with_two_readings_joins_neither() -> None:
    names = [entity(name) for name in ("PCA", "principal component analysis", "patient controlled analgesia")]
    assert groups(names, merges(names)) == [{"PCA"}, {"patient controlled analgesia"}, {"principal component analysis"}]


def test_an_acronym_with_one_reading_stands_under_its_full_name() -> None:
    names = [entity("API"), entity("application programming interface"), entity("application programming interfaces")]
    canonical = components([n.id for n in names], merges(names), {n.id: n for n in names})
    assert len(set(canonical.values())) == 1
    assert canonical[names[0].id] in {names[1].id, names[2].id}


def test_a_chain_never_joins_two_numbers() -> None:
    names = [entity("GPT-3"), entity("GPT"), entity("GPT-4")]
    forged = [
        MergeDecision(*sorted((names[0].id, names[1].id)), "embedding", 0.99),
        MergeDecision(*sorted((names[1].id, names[2].id)), "embedding", 0.98),
    ]
    assert {"GPT-3", "GPT-4"} not in [group & {"GPT-3", "GPT-4"} for group in groups(names, forged)]


def test_embeddings_do_not_make_chains() -> None:
    names = [entity(name) for name in ("alpha store", "beta store", "gamma store", "delta store")]
    chain = [MergeDecision(*sorted((a.id, b.id)), "embedding", 0.95) for a, b in pairwise(names)]
    assert max(len(group) for group in groups(names, chain)) == 2


def test_a_persons_word_joins_what_the_guards_keep_apart() -> None:
    names = [entity("GPT-3"), entity("GPT-4"), entity("GPT-5")]
    canonical = components([n.id for n in names], [(names[0].id, names[1].id)], {n.id: n for n in names})
    assert canonical[names[0].id] == canonical[names[1].id] != canonical[names[2].id]


def test_plain_components_need_no_names() -> None:
    ids = [uuid5(COLLECTION, str(number)) for number in range(6)]
    canonical = components(ids, [(ids[0], ids[1]), (ids[2], ids[1]), (ids[4], ids[5]), (ids[0], UUID(int=99))])
    assert canonical[ids[0]] == canonical[ids[1]] == canonical[ids[2]] == min(ids[:3])
    assert canonical[ids[4]] == canonical[ids[5]] == min(ids[4:])
    assert canonical[ids[3]] == ids[3]


def test_doing_it_twice_changes_nothing() -> None:
    names = _village()
    once = merges(names, [], _nearly)
    assert merges(names, names, _nearly) == once
    assert all(edge.left < edge.right for edge in once)


def test_names_that_a_person_took_apart_are_not_joined_by_one_that_fits_both() -> None:
    one, other, bridge, fourth = (UUID(int=n) for n in range(4))
    exact = [MergeDecision(one, bridge, "exact", 1.0), MergeDecision(other, bridge, "exact", 1.0)]
    assert len(set(components([one, other, bridge], exact).values())) == 1
    apart = components([one, other, bridge], exact, apart=[(other, one)])
    assert apart[one] != apart[other]
    assert len(set(apart.values())) == 2
    fuzzy = [MergeDecision(one, bridge, "fuzzy", 0.9), MergeDecision(other, bridge, "fuzzy", 0.99)]
    assert len(set(components([one, other, bridge], fuzzy, apart=[(one, other)]).values())) == 3, (
        "it may be either, so it is neither"
    )
    word = components([one, other, fourth], [(one, fourth), (fourth, other)], apart=[(one, other)])
    assert len(set(word.values())) == 1, "a person's later word joins"
