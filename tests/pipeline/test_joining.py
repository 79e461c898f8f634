from __future__ import annotations

import random
from itertools import pairwise
from uuid import UUID

import pytest

from aegis_assets.model.ids import entity_id, normalised
from aegis_assets.pipeline.joining import MAX_FITS, LocalName, join_short_forms

COLLECTION = UUID(int=1)


def local(name: str, kind: str = "TERM", *, sure: bool = True) -> LocalName:
    return LocalName(entity_id(COLLECTION, name), normalised(name), kind, frozenset({name}), sure)


def joined(*names: LocalName) -> dict[str, str]:
    """Join, in several orders, and return the names that were joined."""
    texts = {name.id: min(name.spellings) for name in names}
    first = join_short_forms(names)
    for seed in range(5):
        assert join_short_forms(random.Random(seed).sample(names, len(names))) == first
    return {texts[short]: texts[full] for short, full in first.items()}


CHARLES, ADA = local("Charles Babbage", "PERSON"), local("Ada Lovelace", "PERSON")


@pytest.mark.parametrize(
    ("short", "full"),
    [
        (local("Babbage"), CHARLES),
        (local("Babbage", "PERSON"), CHARLES),
        (local("Mr. Babbage", "PERSON"), CHARLES),
        (local("Babbage", "ORGANIZATION", sure=False), CHARLES),
        (local("Ada", "PERSON"), ADA),
        (local("Lady Lovelace", "PERSON"), ADA),
        (local("van Gogh", "PERSON"), local("Vincent van Gogh", "PERSON")),
        (local("Siemens", "ORGANIZATION"), local("Siemens AG", "ORGANIZATION")),
        (local("WHO"), local("World Health Organization", "ORGANIZATION")),
        (local("W.H.O.", "PERSON"), local("World Health Organization", "ORGANIZATION")),
        (local("PRC", "LOCATION"), local("People's Republic of China", "LOCATION")),
        (local("UN"), local("United Nations", "ORGANIZATION")),
        (local("US", "LOCATION"), local("United States", "LOCATION")),
        (local("Johns Hopkins", "ORGANIZATION"), local("Johns Hopkins University", "ORGANIZATION")),
        (local("Commission"), local("Philippine Commission", "ORGANIZATION")),
        (local("The Bee"), local("Sacramento Bee", "ORGANIZATION")),
        (local("Newcastle", "LOCATION"), local("Newcastle upon Tyne", "LOCATION")),
        (local("ENASA", "ORGANIZATION"), local("Empresa Nacional de Autocamiones S.A.", "ORGANIZATION")),
        (local("Polish", "LOCATION"), local("Poland", "LOCATION")),
        (local("Americans", "GROUP"), local("United States", "LOCATION")),
        (local("Republic of Latvia", "LOCATION"), local("Latvia", "LOCATION")),
    ],
)
def test_a_short_form_takes_the_full_name_that_the_document_has(short: LocalName, full: LocalName) -> None:
    assert joined(short, full, local("London", "LOCATION")) == {min(short.spellings): min(full.spellings)}


@pytest.mark.parametrize(
    "names",
    [
        (local("Babbage"), CHARLES, local("Henry Babbage", "PERSON")),
        (local("Charles", "PERSON"), CHARLES, local("Charles Darwin", "PERSON")),
        (local("PCA"), local("principal component analysis"), local("patient controlled analgesia")),
        (local("Ford", "ORGANIZATION"), local("Henry Ford", "PERSON")),
        (
            local("Cray", "ORGANIZATION", sure=False),
            local("Seymour Cray", "PERSON"),
            local("Cray Research", "ORGANIZATION"),
        ),
        (local("Charles", "ORGANIZATION", sure=False), CHARLES),
        (local("Washington", "LOCATION"), local("George Washington", "PERSON")),
        (local("York", "LOCATION"), local("New York", "LOCATION")),
        (local("Apple", "ORGANIZATION"), local("Apple Records", "ORGANIZATION")),
        (local("Paris", "LOCATION"), local("Paris University", "ORGANIZATION")),
        (local("Charles", "PERSON"), local("Charles II", "PERSON")),
        (local("Henry VIII", "PERSON"), local("Henry VII", "PERSON")),
        (local("who"), local("World Health Organization", "ORGANIZATION")),
        (local("commission"), local("Philippine Commission", "ORGANIZATION")),
        (local("Engine"), local("Analytical Engine", "PRODUCT")),
        (local("GPT"), local("GPT 4", "PRODUCT")),
        (local("C"), local("C Sharp", "ORGANIZATION")),
        (local("English", "LANGUAGE"), local("England", "LOCATION")),
        (local("Austrian", "LOCATION"), local("Australia", "LOCATION")),
        (local("Philippines", "LOCATION"), local("Manila", "LOCATION")),
        (local("Republic of China", "LOCATION"), local("China", "LOCATION")),
        (local("Kingdom of Naples", "LOCATION"), local("Naples", "LOCATION")),
        (local("Isle", "LOCATION"), local("Isle of Man", "LOCATION")),
    ],
)
def test_what_fits_two_or_may_be_another_thing_stays_as_it_is(names: tuple[LocalName, ...]) -> None:
    assert joined(*names) == {}


def test_of_several_full_names_the_one_of_the_title_counts() -> None:
    names = (local("Babbage"), CHARLES, local("Henry Babbage", "PERSON"))
    babbage, charles, _ = names
    assert join_short_forms(names, ["charles babbage"]) == {babbage.id: charles.id}
    assert join_short_forms(names, ["the babbages", "engines"]) == {}
    alger = (local("Alger"), local("Ross Patterson Alger", "PERSON"), local("Harry Alger", "PERSON"))
    assert join_short_forms(alger, ["ross alger"]) == {alger[0].id: alger[1].id}


def test_a_people_takes_the_country_that_an_abbreviation_stands_for() -> None:
    names = (local("American", "LOCATION"), local("US", "LOCATION"), local("United States", "LOCATION"))
    assert joined(*names) == {"American": "United States", "US": "United States"}


def test_full_names_that_are_one_count_once_and_the_longest_stands_for_them() -> None:
    names = (local("Lovelace"), ADA, local("Ada King Lovelace", "PERSON"), local("King Lovelace", "PERSON"))
    assert joined(*names) == {"Lovelace": "Ada King Lovelace", "King Lovelace": "Ada King Lovelace"}


def test_a_short_form_of_very_many_spellings_of_one_name_joins_none_of_them() -> None:
    letters = "bcdfghjklmnpqrtvwxzbcdfghjk"
    cuts = [range(3, 3 + 2 * number, 2) for number in range(1, 6)] + [range(4, 4 + 2 * number, 2) for number in range(1, 6)]
    cuts += [range(2, 2 + 3 * number, 3) for number in range(1, 6)] + [range(5, 5 + 3 * number, 3) for number in range(1, 6)]
    spellings = {" ".join(letters[a:b] for a, b in pairwise((0, *cut, len(letters)))) for cut in cuts}
    councils = [local(f"{spelling} Council", "ORGANIZATION") for spelling in sorted(spellings)]
    assert len(councils) > MAX_FITS
    few = joined(local("Council"), *councils[:MAX_FITS])
    assert set(few) == {"Council"}
    assert joined(local("Council"), *councils) == {}


def test_hostile_names_join_nothing_and_end() -> None:
    names = [local("x" * 500, "PERSON"), local("word " * 100, "PERSON"), local("a b c d e f g h", "PERSON"), local("…")]
    assert joined(*names) == {}
