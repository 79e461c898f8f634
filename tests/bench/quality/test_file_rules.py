"""Rules about the chunks of files hold where a reader would say so."""

from __future__ import annotations

from typing import Any

import pytest

from bench.quality.file_rules import Chunk, Outcome, broken
from bench.quality.files import summed

CHUNKS = [Chunk("Title\n\nfirst  words\nDay | Level", (1,)), Chunk("Title\n\n    code:\n        second words", (2,))]


@pytest.mark.parametrize(
    ("rules", "count"),
    [
        ({"must_contain": ["first words"]}, 0),
        ({"must_contain": ["third"]}, 1),
        ({"must_not_contain": ["first words", "third"]}, 1),
        ({"once": ["second words", "Title"]}, 1),
        ({"order": ["first", "second"]}, 0),
        ({"order": ["second", "first", "third"]}, 2),
        ({"together": [["first", "Level"], ["first", "second"]]}, 1),
        ({"lines": [["Day", "Level"], ["first", "Day"]]}, 1),
        ({"raw": ["    code:\n        second"]}, 0),
        ({"raw": ["first words"]}, 1),
        ({"pages": {"second": 2, "first words": 2}}, 1),
        ({"documents": 2, "exit": 0}, 1),
    ],
)
def test_each_rule_that_does_not_hold_has_a_reason(rules: dict[str, Any], count: int) -> None:
    assert len(broken(rules, Outcome(CHUNKS, [], 1, 0))) == count


def test_a_message_may_stand_for_what_is_missing() -> None:
    rules = {"must_contain": ["third"], "fail_ok": "(?i)no text"}
    assert broken(rules, Outcome([], ["It has No Text."], 1, 1)) == []
    assert broken({"fail_ok": "no text"}, Outcome([], ["", "other"], 1, 0)) != []


def test_cases_are_counted_by_kind() -> None:
    assert summed({"a": [], "b": ["why"], "c": []}, {"a": "x", "b": "x", "c": "y"}) == {
        "right": 2,
        "wrong": 1,
        "by_kind": {"x": {"right": 1, "wrong": 1}, "y": {"right": 1, "wrong": 0}},
        "cases": {"a": [], "b": ["why"], "c": []},
    }
