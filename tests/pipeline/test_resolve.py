"""Which names become one, which never do, and that no order of arrival changes it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID, uuid5

import pytest

from aegis_assets.model.ids import entity_id, normalised
from aegis_assets.pipeline.blocking import MAX_BLOCK, MAX_BLOCKS, MAX_KEY, SPELLING, blocks
from aegis_assets.pipeline.comparison import Block, pairs_of
from aegis_assets.pipeline.matching import EntityName, MergeDecision, matches
from aegis_assets.pipeline.resolve import Similarity, components, find_merges

COLLECTION = UUID(int=1)


def entity(name: str, type: str = "TERM") -> EntityName:
    return EntityName(entity_id(COLLECTION, name), type, name, normalised(name))


def blocks_of(new: Sequence[EntityName], known: Sequence[EntityName] = ()) -> list[Block]:
    """What a ledger with these names gives."""
    members: dict[str, dict[UUID, EntityName]] = {}
    for name in (*known, *new):
        for key in blocks(name.normalised):
            members.setdefault(key, {})[name.id] = name
    fresh = {name.id for name in new}
    return [
        Block(key, tuple(names.values()), frozenset(names.keys() & fresh))
        for key, names in members.items()
        if len(names) <= MAX_BLOCK or key.startswith(SPELLING)
    ]


def merges(
    new: Sequence[EntityName], known: Sequence[EntityName] = (), similarity: Similarity | None = None
) -> list[MergeDecision]:
    return find_merges(pairs_of(blocks_of(new, known)), similarity)


def reason(left: str, right: str, type: str = "TERM") -> str | None:
    one = matches(entity(left, type), entity(right, type))
    other = matches(entity(right, type), entity(left, type))
    assert one == other
    return one.reason if one else None


@pytest.mark.parametrize(
    ("left", "right", "type", "expected"),
    [
        ("query plan", "query plans", "TERM", "exact"),
        ("data base", "database", "TERM", "exact"),
        ("know-how", "knowhow", "TERM", "exact"),
        ("café", "cafe", "TERM", "exact"),
        ("colour organisation", "color organization", "TERM", "exact"),
        ("Neo4j, Inc.", "Neo4j", "ORGANIZATION", "exact"),
        ("World War II", "World War 2", "EVENT", "exact"),
        ("knowledge graph extractoin", "knowledge graph extractin", "TERM", "fuzzy"),
        ("University of Paris", "Paris University", "ORGANIZATION", "fuzzy"),
        ("NASA", "National Aeronautics and Space Administration", "ORGANIZATION", "fuzzy"),
        ("J. Smith", "John Smith", "PERSON", "fuzzy"),
        ("John Smith", "John A. Smith", "PERSON", "fuzzy"),
        ("Dr. Ada Lovelace", "Ada Lovelace", "PERSON", "fuzzy"),
    ],
)
def test_spellings_of_one_name_are_joined(left: str, right: str, type: str, expected: str) -> None:
    assert reason(left, right, type) == expected
    assert set(blocks(left)) & set(blocks(right)), "they must share a block, or they are never compared"


@pytest.mark.parametrize(
    ("left", "right", "type"),
    [
        ("GPT-3", "GPT-4", "TERM"),
        ("GPT-3", "GPT-3.5", "TERM"),
        ("Python 2", "Python 3", "TERM"),
        ("version 1.2", "version 1.21", "TERM"),
        ("World War I", "World War II", "EVENT"),
        ("Louis XIV", "Louis XVI", "PERSON"),
        ("Vitamin C", "Vitamin D", "TERM"),
        ("Vitamin A", "Vitamin", "TERM"),
        ("NASA", "NATO", "ORGANIZATION"),
        ("IBM", "ICM", "ORGANIZATION"),
        ("Java", "JavaScript", "TERM"),
        ("Iran", "Iraq", "LOCATION"),
        ("Austria", "Australia", "LOCATION"),
        ("Syria", "Styria", "LOCATION"),
        ("Guatemala City", "Guatemalan City", "LOCATION"),
        ("cluster leader", "cluster loader", "TERM"),
        ("hypertension", "hypotension", "TERM"),
        ("supervised learning", "unsupervised learning", "TERM"),
        ("sign in", "sign on", "TERM"),
        ("John Smith", "Jane Smith", "PERSON"),
        ("John Smith", "Smith", "PERSON"),
        ("J. Smith", "J. Smyth", "PERSON"),
        ("J. A. Smith", "John B. Smith", "PERSON"),
        ("John Smith", "John Smith Jr.", "PERSON"),
        ("query plan", "query planner", "TERM"),
        ("contract", "contrast", "TERM"),
        ("filling", "filing", "TERM"),
        ("IT", "information technology", "TERM"),
    ],
)
def test_different_things_with_similar_names_stay_apart(left: str, right: str, type: str) -> None:
    assert reason(left, right, type) is None
    names = [entity(left, type), entity(right, type)]
    assert len(_groups(names, merges(names))) == 2


@pytest.mark.parametrize(
    ("left", "right", "joined"),
    [
        (("Analytical Engine", "ORGANIZATION"), ("the analytical engines", "PRODUCT"), True),  # but for spelling: one thing
        (("Analytical Engines", "TERM"), ("analytical engine", "PRODUCT"), True),
        (("A. Lovelace", "TERM"), ("Ada Lovelace", "PERSON"), True),  # a type that says little is none
        (("A. Lovelace", "ORGANIZATION"), ("Ada Lovelace", "PERSON"), False),
        (("Paris University", "LOCATION"), ("University of Paris", "ORGANIZATION"), False),
        (("Siemens", "PERSON"), ("Siemens AG", "ORGANIZATION"), False),
    ],
)
def test_types_that_contradict_each_other_keep_apart_what_differs_by_more_than_spelling(
    left: tuple[str, str], right: tuple[str, str], joined: bool
) -> None:
    names = [entity(*left), entity(*right)]
    found = merges(names)
    assert len(found) == 1, "types may change, so they are compared"
    assert len(_groups(names, found)) == (1 if joined else 2)


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
    """The names come in random batches, each resolved against all before it."""
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


def _groups(names: list[EntityName], edges: list[MergeDecision]) -> list[set[str]]:
    canonical = components([n.id for n in names], edges, {n.id: n for n in names})
    groups: dict[UUID, set[str]] = {}
    for name in names:
        groups.setdefault(canonical[name.id], set()).add(name.name)
    return sorted(groups.values(), key=sorted)


def test_a_name_that_fits_two_people_joins_neither() -> None:
    names = [entity(name, "PERSON") for name in ("J. Smith", "John Smith", "Jane Smith")]
    edges = merges(names)
    assert len(edges) == 2
    assert _groups(names, edges) == [{"J. Smith"}, {"Jane Smith"}, {"John Smith"}]


def test_an_acronym_with_two_readings_joins_neither() -> None:
    names = [entity(name) for name in ("PCA", "principal component analysis", "patient controlled analgesia")]
    assert _groups(names, merges(names)) == [{"PCA"}, {"patient controlled analgesia"}, {"principal component analysis"}]


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
    assert {"GPT-3", "GPT-4"} not in [group & {"GPT-3", "GPT-4"} for group in _groups(names, forged)]


def test_embeddings_do_not_make_chains() -> None:
    names = [entity(name) for name in ("alpha store", "beta store", "gamma store", "delta store")]
    chain = [MergeDecision(*sorted((a.id, b.id)), "embedding", 0.95) for a, b in pairwise(names)]
    assert max(len(group) for group in _groups(names, chain)) == 2


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


def test_hostile_names_have_bounded_keys() -> None:
    for name in ("x" * 10_000, "word " * 5_000, "\x00\u202e", "", "…", "漢字かな交じり文", "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p"):
        keys = blocks(name)
        assert len(keys) <= MAX_BLOCKS
        assert all(len(key) <= MAX_KEY for key in keys)


def test_comparisons_grow_with_the_names_and_not_with_their_square() -> None:
    crowd = [entity(f"common system {first}q{second}") for first in "abcdefghij" for second in "klmnopqrstuvwxyzabcdefghijklmn"]
    assert len({name.id for name in crowd}) > MAX_BLOCK
    counted: list[tuple[str, str]] = []

    def similarity(pairs: list[tuple[str, str]]) -> list[float]:
        counted.extend(pairs)
        return [0.0] * len(pairs)

    assert merges(crowd, [], similarity) == []
    assert counted == []


def test_numbered_names_do_not_crowd_the_keys_of_others() -> None:
    crowd = [entity(f"table {number}") for number in range(2 * MAX_BLOCK)]
    names = [entity("table of extensions"), entity("table of extension")]
    assert [merge.reason for merge in merges([*crowd, *names])] == ["exact"]
    shared = set(blocks("table of extensions"))
    assert not any(shared & set(blocks(name.name)) for name in crowd)


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
