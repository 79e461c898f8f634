"""Scores on cases that were counted by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bench.quality import annotated, ranking, retrieval, stated
from bench.quality.predicates import groups

GOLD = frozenset({"a", "b"})


def entity(name: str, kind: str, *aliases: str) -> dict[str, Any]:
    return {"id": name, "name": name, "type": kind, "aliases": list(aliases)}


def relation(source: str, kind: str, target: str) -> dict[str, Any]:
    return {"source": {"id": source, "name": source}, "type": kind, "target": {"id": target, "name": target}}


def test_a_ranking_counts_each_document_once_where_it_first_stands() -> None:
    assert ranking.distinct(["x", "a", "x", "b", "a"]) == ["x", "a", "b"]


@pytest.mark.parametrize(
    ("found", "recall_2", "all_3", "gain"),
    [
        (["a", "b", "x"], 1.0, 1.0, 1.0),
        (["x", "a", "b"], 0.5, 1.0, (1 / math.log2(3) + 1 / 2) / (1 + 1 / math.log2(3))),
        (["x", "y", "z", "a"], 0.0, 0.0, (1 / math.log2(5)) / (1 + 1 / math.log2(3))),
        ([], 0.0, 0.0, 0.0),
    ],
)
def test_recall_all_evidence_and_gain(found: list[str], recall_2: float, all_3: float, gain: float) -> None:
    assert ranking.recall(found, GOLD, 2) == recall_2
    assert ranking.has_all(found, GOLD, 3) == all_3
    assert ranking.ndcg(found, GOLD, 10) == pytest.approx(gain)


def test_the_gain_of_many_gold_documents_is_measured_against_as_many_as_fit() -> None:
    gold = frozenset(map(str, range(20)))
    assert ranking.ndcg([str(number) for number in range(10)], gold, 10) == pytest.approx(1.0)


def test_figures_of_a_question_set_are_means_and_multi_hop_is_told_apart() -> None:
    one = retrieval.Question("?", frozenset({"a"}))
    two = retrieval.Question("?", GOLD, multi_hop=True)
    answers = [retrieval.Answer(one, ["a"], 10.0), retrieval.Answer(two, ["a", *"cdefghi", "b"], 30.0)]
    figures = retrieval.figures(answers)
    assert (figures["recall@2"], figures["recall@8"], figures["all"], figures["all_multi_hop"]) == (0.75, 0.75, 0.5, 0.0)
    assert figures["ms"] == 20.0
    assert "all_multi_hop" not in retrieval.figures(answers[:1])


def test_both_forms_of_a_question_set_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "hops"
    folder.mkdir()
    (folder / "passages.json").write_text(json.dumps([{"title": "Ada", "text": "A."}, {"title": "Bob", "text": "B."}]))
    question = {"question": "Who?", "gold": ["Bob", "Ada"], "multi_hop": True}
    (folder / "questions.json").write_text(json.dumps([question]))
    asked = retrieval.read(folder)
    assert asked.documents == {"0000.md": "# Ada\n\nA.\n", "0001.md": "# Bob\n\nB.\n"}
    assert list(asked.questions) == [retrieval.Question("Who?", frozenset(asked.documents), multi_hop=True)]
    file = tmp_path / "en.json"
    paragraphs = {"paragraphs": ["A.", "B."], "questions": [{"question": str(number), "gold": number % 2} for number in range(7)]}
    file.write_text(json.dumps(paragraphs))
    asked = retrieval.read(file)
    assert [(question.text, question.gold) for question in asked.questions] == [
        ("0", frozenset({"0000.md"})),
        ("3", frozenset({"0001.md"})),
        ("6", frozenset({"0000.md"})),
    ]


def test_tokens_are_joined_as_a_text_has_them() -> None:
    tokens = ['"', "Mess", "of", "Blues", '"', "(", "2008", ")", "is", "Healey", "'s", "two", "-", "part", "album", ",", "OK", "."]
    assert annotated._sentence(tokens) == '"Mess of Blues" (2008) is Healey\'s two-part album, OK.'


def test_entities_are_found_typed_precise_and_whole() -> None:
    gold = [
        annotated.Gold(frozenset({"ada lovelace", "lovelace"}), "PER"),
        annotated.Gold(frozenset({"london"}), "LOC"),
        annotated.Gold(frozenset({"analytical engine"}), "MISC"),
        annotated.Gold(frozenset({"royal society"}), "ORG"),
        annotated.Gold(frozenset({"1843"}), "TIME"),
    ]
    ours = [
        entity("Ada Lovelace", "PERSON"),
        entity("Lovelace", "TERM"),
        entity("London", "PERSON", "the City"),
        entity("The Analytical Engine!", "PRODUCT"),
        entity("steam", "TERM"),
        entity("1843", "TERM"),
        entity("two years", "DATE"),
    ]
    figures = annotated.figures(annotated.count(gold, ours))
    assert (figures["gold"], figures["ours"]) == (4, 5), "neither TIME of theirs nor dates of ours"
    assert figures["found"] == 0.75
    assert figures["type"] == 0.5, "Lovelace is right, London is wrong, and MISC is not judged"
    assert figures["precision"] == 0.8
    assert figures["fragmentation"] == pytest.approx(4 / 3, abs=1e-4)


def test_entities_of_an_article_with_nothing_have_no_figures_instead_of_a_division_by_zero() -> None:
    figures = annotated.figures(annotated.count([], []))
    assert figures["found"] is figures["precision"] is figures["f1"] is None


PASSAGE = {
    "entities": [
        {"names": ["Tidewell Robotics", "Tidewell"], "types": ["ORGANIZATION"]},
        {"names": ["Mirjam de Wit", "De Wit"], "types": ["PERSON"]},
        {"names": ["Rotterdam"], "types": ["LOCATION"]},
        {"names": ["Seaglider 7"], "types": ["PRODUCT", "CONCEPT"]},
    ],
    "also": ["drones"],
    "relations": [
        {"source": "Mirjam de Wit", "predicates": ["found", "lead"], "target": "Tidewell Robotics"},
        {"source": "Tidewell", "predicates": ["locate"], "target": "Rotterdam"},
        {"source": "Tidewell", "predicates": ["make"], "target": "Seaglider 7"},
    ],
    "also_pairs": [["Tidewell", "drones"]],
}


def test_extracted_passages_are_compared_by_names_ends_and_types() -> None:
    ours = [
        entity("Tidewell", "ORGANIZATION", "Tidewell Robotics"),
        entity("de Wit", "LOCATION"),
        entity("Seaglider 7", "TERM"),
        entity("drones", "TERM"),
        entity("company", "TERM"),
        entity("2014", "DATE"),
    ]
    said = [
        relation("Tidewell", "FOUNDED_BY", "de Wit"),
        relation("Tidewell", "located near", "Seaglider 7"),
        relation("Tidewell", "USES", "drones"),
        relation("company", "USES", "drones"),
    ]
    figures = stated.figures(stated.count(PASSAGE, ours, said))
    assert (figures["entities_precision"], figures["entities_recall"]) == (0.75, 0.75), "drones count neither way"
    assert figures["entities_type"] == pytest.approx(2 / 3, abs=1e-4)
    assert figures["relations_precision"] == figures["relations_recall"] == pytest.approx(2 / 3, abs=1e-4)
    assert figures["relations_type"] == 0.5, "a founder is one from either side; near is no maker"


def test_statements_that_repeat_a_pair_count_once() -> None:
    ours = [entity("Tidewell", "ORGANIZATION"), entity("Rotterdam", "LOCATION")]
    said = [
        relation("Tidewell", "IN", "Rotterdam"),
        relation("Rotterdam", "HAS", "Tidewell"),
        relation("Tidewell", "MOVED", "Rotterdam"),
    ]
    counts = stated.count(PASSAGE, ours, said)
    assert (counts.our_relations, counts.right_relations, counts.typed_relations) == (1, 1, 1)
    assert (counts.gold_relations, counts.found_relations) == (3, 1)


@pytest.mark.parametrize(
    ("relation_type", "group"),
    [("BUILT_BY", "make"), ("gebaut von", "make"), ("is headquartered in", "locate"), ("ACQUIRED", "own"), ("übernommen", "own")],
)
def test_words_of_a_relation_belong_to_groups(relation_type: str, group: str) -> None:
    assert group in groups(relation_type)


def test_a_short_beginning_is_a_whole_word() -> None:
    assert "locate" in groups("IN")
    assert "locate" not in groups("INSULTED")
    assert groups("FROBNICATED") == frozenset()
