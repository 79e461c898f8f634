"""The questions to the manuals have the form that scoring needs, and a hit counts only on the right page of the right manual."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.quality import manual_questions
from bench.quality.manual_questions import Manual, ManualQuestion, check_edition
from bench.quality.manuals import Answer, differences, figures, rank_of, ranks

QUESTION = ManualQuestion("How?", frozenset({7, 8}))
PARTS = 4  # of a book, each of which has a question


def hit(name: str, *pages: int) -> dict[str, Any]:
    return {"name": name, "pages": list(pages)}


def answers(*found: int | None, manual: str = "a") -> list[Answer]:
    return [Answer(manual, f"question {number}", rank, 10.0 * number) for number, rank in enumerate(found, 1)]


def manuals() -> Sequence[Manual]:
    return manual_questions.read()


def test_there_are_sixty_different_questions_in_three_manuals() -> None:
    assert [len(manual.questions) for manual in manuals()] == [20, 20, 20]
    texts = {question.text for manual in manuals() for question in manual.questions}
    assert len(texts) == 60
    assert all(text.endswith(("?", ".")) for text in texts)


@pytest.mark.parametrize("manual", manuals(), ids=lambda manual: manual.name)
def test_answers_stand_on_pages_of_the_manual_all_over_it(manual: Manual) -> None:
    for question in manual.questions:
        assert question.pages, question.text
        assert question.pages <= set(range(1, manual.pages + 1)), question.text
        assert len(question.pages) <= manual.pages / 40, f"anything answers: {question.text}"
    parts = {(page - 1) * PARTS // manual.pages for question in manual.questions for page in question.pages}
    assert parts == set(range(PARTS))


def test_another_edition_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "bacula.pdf"
    path.write_bytes(b"this edition")
    manual = dataclasses.replace(manuals()[0], sha256=hashlib.sha256(b"this edition").hexdigest())
    check_edition(manual, path)
    path.write_bytes(b"another edition")
    with pytest.raises(RuntimeError, match=r"put main\.pdf of bacula-doc 9\.6\.7-2 there\.$"):
        check_edition(manual, path)


def test_a_hit_counts_on_one_of_the_pages_of_the_manual_that_was_asked() -> None:
    other, beside, right = hit("b.pdf", 7), hit("a.pdf", 6), hit("a.pdf", 8, 9)
    assert rank_of(QUESTION, "a.pdf", [other, beside, right]) == 3
    assert rank_of(QUESTION, "a.pdf", [right, other]) == 1
    assert rank_of(QUESTION, "a.pdf", [other, beside]) is None
    assert rank_of(QUESTION, "a.pdf", []) is None


def test_shares_are_of_each_manual_and_of_all() -> None:
    rows = figures("hybrid", answers(1, 5, 6, None) + answers(8, 9, manual="b"))
    assert [(row["manual"], row["questions"]) for row in rows] == [("a", 4), ("b", 2), ("all", 6)]
    shares = [(row["found@1"], row["found@5"], row["found@8"]) for row in rows]
    assert shares == [(0.25, 0.5, 0.75), (0.0, 0.0, 0.5), (0.1667, 0.3333, 0.6667)]


def test_questions_found_in_one_mode_only_are_named() -> None:
    hybrid, graph = answers(1, 5, 6, None), answers(6, 1, 5, None)
    assert differences(hybrid, graph) == {"lost": ["question 1"], "gained": ["question 3"]}
    assert ranks({"hybrid": hybrid, "graph": graph})[0] == {"question": "question 1", "hybrid": 1, "graph": 6}
