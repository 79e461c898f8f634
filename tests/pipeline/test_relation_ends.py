"""What a relation's end means, where the model did not give a listed name."""

from __future__ import annotations

import pytest

from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.pipeline.extraction_prompt import REFUGE
from aegis_assets.pipeline.relation_ends import parts
from aegis_assets.pipeline.reply import Reply, ReplyEntity, ReplyRelation
from aegis_assets.pipeline.reply_grounding import BOTH, ELSEWHERE, NEAR, ONE, UNNAMED, ground

TEXT = (
    "Ana Duarte works at Medwave Systems in Cork, Ireland. Eckert and Mauchly founded Univac.\n"
    "Duarte met Bo Lind. She uses EDSAC with money of the Royal Society.\n"
    "A machine for the Census ran in March 1951."
)
ENTITIES = {"Ana Duarte": "PERSON", "Medwave Systems": "ORGANIZATION", "EDSAC": "PRODUCT", "Eckert": "PERSON", "Mauchly": "PERSON"}


def grounded(
    *relations: tuple[int, str, str],
    schema: Schema | None = None,
    entities: dict[str, str] = ENTITIES,
    verb: str = "founded",
    text: str = TEXT,
) -> Extraction:
    """Return what a reply is grounded to. relations: line, source, target."""
    reply = Reply(
        entities=tuple(ReplyEntity(*entity) for entity in entities.items()),
        relations=tuple(ReplyRelation(source, verb, target, line) for line, source, target in relations),
    )
    return ground(reply, text, schema or Schema())


def ends(found: Extraction) -> set[tuple[str, str]]:
    return {(found.mentions[each.source].name, found.mentions[each.target].name) for each in found.relations}


@pytest.mark.parametrize(
    ("end", "meant"),
    [
        ("Ana Duarte", {"Ana Duarte"}),
        ("Duarte", {"Ana Duarte"}),
        ("Medwave", {"Medwave Systems"}),
        ("the Medwave Systems", {"Medwave Systems"}),
        ("Medwave Systems in 1951", {"Medwave Systems"}),
        ("Eckert and Mauchly", {"Eckert", "Mauchly"}),
        ("EDSAC with money", {"EDSAC"}),
        ("Bo Lind", {"Bo Lind"}),
        ("Royal Society", {"Royal Society"}),
        ("The Royal Society", {"Royal Society"}),
        ("Cork, Ireland", {"Cork, Ireland"}),
        ("systems", set()),
        ("money", set()),
        ("March 1951", set()),
        ("machine for the EDSAC", set()),
        ("Nobody Else", set()),
    ],
)
def test_an_end_means_what_a_reader_would_take_it_for(end: str, meant: set[str]) -> None:
    found = grounded((2, end, "Univac"), entities={**ENTITIES, "Univac": "ORGANIZATION"})
    assert {source for source, _ in ends(found)} == meant
    assert (found.dropped == 0) == bool(meant)


def test_a_name_that_was_not_listed_is_a_concept_until_another_mention_says_more() -> None:
    found = grounded((3, "Ana Duarte", "Bo Lind"))
    assert {mention.type for mention in found.mentions if mention.name == "Bo Lind"} == {REFUGE}


def test_a_collection_with_types_of_its_own_gets_no_names_that_it_did_not_ask_for() -> None:
    found = grounded((3, "Ana Duarte", "Bo Lind"), schema=Schema(entity_types=("PERSON",)))
    assert (found.relations, found.dropped) == ((), 3)


def test_persons_listed_together_are_two() -> None:
    found = grounded((2, "Eckert", "Univac"), entities={"Eckert and Mauchly": "PERSON", "Univac": "ORGANIZATION"})
    assert {mention.name for mention in found.mentions} == {"Eckert", "Mauchly", "Univac"}


@pytest.mark.parametrize("name", ["Martin King, Jr.", "Ada Byron, Ph.D.", "Thurston Howell, III"])
def test_a_person_with_a_title_behind_the_name_is_one(name: str) -> None:
    assert parts(name) == [name]
    assert parts(f"{name}, and Bo Lind") == [name, "Bo Lind"]


def test_the_evidence_is_a_line_that_has_both_ends() -> None:
    def said(line: int) -> tuple[str, float]:
        (relation,) = grounded((line, "Ana Duarte", "Medwave Systems")).relations
        return TEXT[relation.start : relation.end], relation.confidence

    sentence = "Ana Duarte works at Medwave Systems in Cork, Ireland."
    assert [said(line) for line in (1, 3, 4, 99)] == [(sentence, BOTH), *[(sentence, ELSEWHERE)] * 3]


@pytest.mark.parametrize(
    ("row", "verb", "confidence"),
    [
        ((4, "Ana Duarte", "EDSAC"), "uses", NEAR),
        ((4, "Ana Duarte", "EDSAC"), "used by", NEAR),
        ((4, "Eckert", "EDSAC"), "uses", ONE),
        ((4, "Ana Duarte", "EDSAC"), "sold", None),
        ((4, "Ana Duarte", "EDSAC"), "of", None),
        ((2, "Ana Duarte", "EDSAC"), "founded", None),
        ((99, "Ana Duarte", "EDSAC"), "uses", None),
    ],
)
def test_where_no_line_has_both_ends_the_given_one_has_the_verb(
    row: tuple[int, str, str], verb: str, confidence: float | None
) -> None:
    found = grounded(row, verb=verb)
    assert [relation.confidence for relation in found.relations] == ([confidence] if confidence else [])
    assert all(TEXT[each.start : each.end].startswith("She uses EDSAC") for each in found.relations)


def test_relations_that_the_collection_names_are_in_its_words_not_the_passages() -> None:
    schema = Schema(relation_types=("OWNS",))
    assert [each.confidence for each in grounded((4, "Ana Duarte", "EDSAC"), verb="OWNS", schema=schema).relations] == [NEAR]


@pytest.mark.parametrize(("verb", "kind"), [("at", "AT"), ("from", UNNAMED), ("employed by", "EMPLOYED_BY")])
def test_a_bare_preposition_is_the_sentences_or_says_nothing(verb: str, kind: str) -> None:
    (relation,) = grounded((1, "Ana Duarte", "Medwave Systems"), verb=verb).relations
    assert relation.type == kind


def test_a_word_of_another_name_is_no_short_form() -> None:
    entities = {"Baby": "PRODUCT", "Manchester Baby": "PRODUCT", "Manchester Mark 1": "PRODUCT"}
    text = "It is the Manchester Baby. The Baby grew into the Manchester Mark 1."
    found = grounded((2, "Baby", "Manchester Baby"), (2, "Baby", "Manchester Mark 1"), entities=entities, verb="built", text=text)
    assert ends(found) == {("Baby", "Manchester Mark 1")}


def test_what_no_line_can_have_said_is_dropped() -> None:
    assert grounded((5, "EDSAC", "Mauchly")).relations == ()


def test_dates_and_numbers_are_no_entities_unless_the_collection_asks_for_them() -> None:
    assert grounded(entities={"March 1951": "EVENT"}).mentions == ()
    dated = grounded(entities={"March 1951": "DATE"}, schema=Schema(entity_types=("DATE",)))
    assert [mention.name for mention in dated.mentions] == ["March 1951"]


@pytest.mark.parametrize(
    ("row", "read"),
    [
        (("Eckert", "founded Univac", "in 1951"), ("Eckert", "FOUNDED", "Univac")),
        (("Eckert", "founded the Univac with", "money of theirs"), ("Eckert", "FOUNDED", "Univac")),
        (("Ana Duarte", "works at Medwave Systems", "in the city"), ("Ana Duarte", "WORKS_AT", "Medwave Systems")),
        (("Ana Duarte", "works at Medwave Systems", "Cork"), ("Ana Duarte", "WORKS_AT_MEDWAVE_SYSTEMS", "Cork")),
        (("Ana Duarte", "works with money", "in 1951"), None),
        (("ran", "Univac", "in 1951"), None),
    ],
)
def test_a_name_that_slipped_into_the_verb_phrase_is_the_end(row: tuple[str, str, str], read: tuple[str, str, str] | None) -> None:
    entities = {**ENTITIES, "Univac": "ORGANIZATION", "Cork": "LOCATION"}
    reply = Reply(entities=tuple(ReplyEntity(*entity) for entity in entities.items()), relations=(ReplyRelation(*row, 1),))
    found = ground(reply, TEXT, Schema())
    assert [(*ends(found), found.relations[0].type) for _ in found.relations] == ([((read[0], read[2]), read[1])] if read else [])
