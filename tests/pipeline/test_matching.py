"""Two names: when they are one, when they never are, and what their types have to say to it."""

from __future__ import annotations

import pytest

from aegis_assets.pipeline.blocking import blocks
from aegis_assets.pipeline.matching import matches
from tests.pipeline.named_entities import entity, groups, merges


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
        ("U.S.", "US", "LOCATION", "exact"),
        ("Qurʾān", "Quran", "WORK", "exact"),
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
        ("U.S.", "U.K.", "LOCATION"),
        ("ビル", "ビール", "TERM"),
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
    assert len(groups(names, merges(names))) == 2


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
    assert len(groups(names, found)) == (1 if joined else 2)
