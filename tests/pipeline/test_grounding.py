"""What a model says is kept only as far as the text says it too."""

from __future__ import annotations

import json
import unicodedata

import pytest

from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.pipeline.folded_text import MAX_PLACES, FoldedText
from aegis_assets.pipeline.grounding import (
    MAX_ENTITIES,
    MAX_NAME,
    MAX_TYPE,
    allowed_type,
    clean_name,
    type_name,
)
from aegis_assets.pipeline.merging import merged, shifted
from aegis_assets.pipeline.reply import Reply, ReplyEntity, ReplyRelation
from aegis_assets.pipeline.reply_grounding import ground

ANY = Schema()


def reply(names: list[str], relations: list[tuple[str, str, str]] | None = None, kind: str = "CONCEPT") -> Reply:
    return Reply(
        entities=tuple(ReplyEntity(name, kind) for name in names),
        relations=tuple(ReplyRelation(a, verb, b, 1) for a, verb, b in relations or []),
    )


def spans(extraction: Extraction, text: str) -> list[str]:
    assert all(0 <= mention.start < mention.end <= len(text) for mention in extraction.mentions)
    return [text[mention.start : mention.end] for mention in extraction.mentions]


@pytest.mark.parametrize(
    ("text", "asked", "written"),
    [
        ("He uses NEO4J daily.", "Neo4j", "NEO4J"),
        ("a knowledge\n  graph here", "knowledge graph", "knowledge\n  graph"),
        ("a knowledge-graph here", "knowledge graph", "knowledge-graph"),
        ("state of the art", "state-of-the-art", "state of the art"),
        ("the know-\nledge base", "knowledge base", "know-\nledge base"),
        ("a well-\nknown fact", "well-known", "well-\nknown"),
        ("a hyp\u00adhen\u00adated word", "hyphenated", "hyp\u00adhen\u00adated"),
        ("the cafe\u0301 closed", "café", "cafe\u0301"),
        ("the café closed", "cafe\u0301", "café"),
        ("die STRASSE hier", "Straße", "STRASSE"),
        ("Gmsh’s own language", "Gmsh", "Gmsh"),
        ("the hyphen-\nated word", "hyphenated", "hyphen-\nated"),
        ("東京都は日本の首都です。", "日本", "日本"),
        ("range 5–10 Hz", "5-10 Hz", "5–10 Hz"),
        ("use C++ here", "C++", "C++"),
        ("set x_size (now)", "x_size", "x_size"),
        ("a{b} and .*", ".* ", ""),
        ("catalogue", "cat", ""),
        ("GPT-4 is here", "GPT-3", ""),
        ("nothing", "", ""),
    ],
)
def test_a_name_is_found_as_people_would_find_it(text: str, asked: str, written: str) -> None:
    found = ground(reply([asked]), text, ANY)
    assert spans(found, text) == ([written] if written else [])
    assert found.dropped == (0 if written else 1)


@pytest.mark.parametrize(
    ("text", "asked", "written"),
    [
        ("a poem by Flann O’Brien.", "Flann O'Brien", "Flann O’Brien"),
        ("the law of H₂O here", "H2O", "H₂O"),
        ("the U.S. Army came", "US Army", "U.S. Army"),
        ("the US Army came", "U.S. Army", "US Army"),
        ("met at Café Müller.", "Cafe Muller", "Café Müller"),
        ("from Łódź to Århus", "Lodz", "Łódź"),
        ("the film «Solaris» ran", '"Solaris"', "Solaris"),
        ("the Turing Award went", "A Turing Award", "Turing Award"),
        ("all policies apply", "policy", "policies"),
        ("one policy applies", "policies", "policy"),
        ("many vector indexes", "vector index", "vector indexes"),
        ("many vector indices", "vector index", "vector indices"),
        ('given "Master Keys" for it', "Master Key", "Master Keys"),
        ("two GPUs and a map", "GPU", "GPUs"),
        ("the server's disks", "disk of the server", ""),
        ("der Sitz des Bundestages", "Bundestag", "Bundestages"),
        ("Vorstand der Deutschen Bank", "Deutsche Bank", "Deutschen Bank"),
        ("die Berliner Mauer", "Berlin", ""),
        ("Knud Hansen came", "Hans", ""),
        ("some vertexes", "vertex", "vertexes"),
    ],
)
def test_a_name_that_the_text_spells_otherwise_is_found_and_marked(text: str, asked: str, written: str) -> None:
    found = ground(reply([asked]), text, ANY)
    assert spans(found, text) == ([written] if written else [])
    assert all(mention.inexact for mention in found.mentions)


def test_a_name_spelled_as_in_the_text_is_exact() -> None:
    assert [m.inexact for m in ground(reply(["Café Müller"]), "Café Müller and Cafe Muller", ANY).mentions] == [False]


def test_every_occurrence_is_a_mention_up_to_the_cap() -> None:
    text = "Neo4j. " * 20
    assert len(ground(reply(["Neo4j"]), text, ANY).mentions) == MAX_PLACES
    assert len(ground(reply(["Neo4j"]), text[:21], ANY).mentions) == 3


def test_a_shorter_name_does_not_claim_what_belongs_to_a_longer_one() -> None:
    text = "The Paris Agreement was signed. Later, Paris celebrated."
    found = ground(reply(["Paris", "Paris Agreement"]), text, ANY)
    assert [(m.name, m.start) for m in found.mentions] == [("Paris Agreement", 4), ("Paris", 39)]
    only_inside = ground(reply(["Paris", "Paris Agreement"]), text[:31], ANY)
    assert {m.name for m in only_inside.mentions} == {"Paris Agreement", "Paris"}


def test_what_does_not_stand_in_the_text_is_dropped_and_counted() -> None:
    found = ground(reply(["Ada", "Invented Corp"], [("Ada", "RUNS", "Invented Corp"), ("Ada", "IS", "Ada")]), "Ada wrote.", ANY)
    assert [m.name for m in found.mentions] == ["Ada"]
    assert found.relations == ()
    assert found.dropped == 3


def test_types_are_the_schemas_or_are_dropped() -> None:
    schema = Schema(entity_types=("Software", "Person"), relation_types=("written in",))
    given = Reply(
        entities=(
            ReplyEntity(name="Neo4j", type="SOFTWARE"),
            ReplyEntity(name="Java", type="software "),
            ReplyEntity(name="Berlin", type="Place"),
        ),
        relations=(
            ReplyRelation("Neo4j", "Written-In", "Java", 1),
            ReplyRelation("Java", "HATES", "Neo4j", 1),
        ),
    )
    found = ground(given, "Neo4j is written in Java, in Berlin.", schema)
    assert {(m.name, m.type) for m in found.mentions} == {("Neo4j", "Software"), ("Java", "Software")}
    assert [r.type for r in found.relations] == ["WRITTEN_IN"]
    assert found.dropped == 2


def test_a_relation_keeps_direction_type_and_the_sentence_that_says_it() -> None:
    text = "Dr. Ada wrote the program. It ran on the Engine. The Engine was built by Babbage."
    found = ground(
        reply(["Ada", "program", "Engine", "Babbage"], [("Babbage", "built", "Engine"), ("Ada", "wrote", "program")]), text, ANY
    )
    said = {r.type: (found.mentions[r.source].name, found.mentions[r.target].name, text[r.start : r.end]) for r in found.relations}
    assert said["BUILT"] == ("Babbage", "Engine", "The Engine was built by Babbage.")
    assert said["WROTE"] == ("Ada", "program", "Dr. Ada wrote the program.")


def test_two_types_between_one_pair_are_two_relations() -> None:
    found = ground(reply(["A1", "B2"], [("A1", "USES", "B2"), ("A1", "EXTENDS", "B2"), ("A1", "uses", "B2")]), "A1 uses B2.", ANY)
    assert sorted(r.type for r in found.relations) == ["EXTENDS", "USES"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("written by", "WRITTEN_BY"),
        ("isPartOf", "IS_PART_OF"),
        ("  a--b ", "A_B"),
        ("Café", "CAFE"),
        ("x" * 99, "X" * MAX_TYPE),
        ("написал", ""),
        ("\x00`}) DETACH DELETE n //", "DETACH_DELETE_N"),
    ],
)
def test_a_type_is_upper_snake_of_plain_letters(word: str, expected: str) -> None:
    assert type_name(word) == expected


def test_a_relation_whose_type_has_no_plain_letters_is_still_a_relation() -> None:
    found = ground(reply(["Ада", "книгу"], [("Ада", "написала", "книгу")]), "Ада написала книгу.", ANY)
    assert [r.type for r in found.relations] == ["RELATED_TO"]


def test_a_schema_may_have_types_in_any_script() -> None:
    assert allowed_type("МЕСТО", ("Лицо", "Место")) == "Место"
    assert allowed_type("Organisation", ("Place",)) is None


def test_control_and_direction_characters_never_reach_a_name() -> None:
    name = clean_name("A\x00B\u202eC\n\tD\ufeff\ud800")
    assert name == "A B C D"
    assert len(clean_name("é" * 10_000)) == MAX_NAME
    found = ground(reply(["evil\x00name"]), "an evil\x00name here", ANY)
    assert all("\x00" not in mention.name for mention in found.mentions)


def test_a_reply_of_thousands_of_names_is_cut_and_counted() -> None:
    text = "alpha beta " * 2000
    names = ["alpha"] + [f"name {number}" for number in range(5000)]
    found = ground(reply(names), text, ANY)
    assert found.dropped >= 5000 - MAX_ENTITIES
    assert [mention.name for mention in found.mentions] == ["alpha"] * MAX_PLACES


def test_names_that_look_like_patterns_are_taken_literally() -> None:
    text = "(a+)+$ and [x] and aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"
    assert spans(ground(reply(["(a+)+$"]), text, ANY), text) == ["(a+)+$"]
    assert FoldedText(text).places("x|.*").spans == []


def test_the_same_reply_gives_the_same_extraction_whatever_the_order_of_its_names() -> None:
    text = "Ada met Babbage. Babbage built the Analytical Engine with Ada Lovelace."
    names = ["Ada", "Babbage", "Analytical Engine", "Ada Lovelace"]
    assert ground(reply(names), text, ANY).mentions == ground(reply(names[::-1]), text, ANY).mentions


def test_spans_hold_in_a_text_that_is_not_in_nfc() -> None:
    text = unicodedata.normalize("NFD", "Ünïcödé stört Zürich und Malmö.")
    found = ground(reply(["Zürich", "Malmö"]), text, ANY)
    assert [unicodedata.normalize("NFC", span) for span in spans(found, text)] == ["Zürich", "Malmö"]


def test_pieces_of_a_text_come_together_with_their_spans_moved() -> None:
    text = "Ada met Babbage. Neo4j uses Java."
    first = ground(reply(["Ada", "Babbage"], [("Ada", "MET", "Babbage")]), text[:16], ANY)
    second = ground(reply(["Neo4j", "Java", "ghost"], [("Neo4j", "USES", "Java")]), text[17:], ANY)
    whole = merged([first, shifted(second, 17)])
    assert spans(whole, text) == ["Ada", "Babbage", "Neo4j", "Java"]
    assert [(whole.mentions[r.source].name, whole.mentions[r.target].name) for r in whole.relations] == [
        ("Ada", "Babbage"),
        ("Neo4j", "Java"),
    ]
    assert text[whole.relations[1].start : whole.relations[1].end] == "Neo4j uses Java."
    assert whole.dropped == 1
    assert Extraction.model_validate(json.loads(whole.model_dump_json())) == whole
