"""The running stack is scored on small sets of the project's own, as `make eval` does it on public ones."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path

import httpx

from bench.login import logged_in
from bench.quality.__main__ import found_sets, score
from bench.quality.api import Api
from tests.conftest import Stack

SETS = Path(__file__).parents[1] / "bench" / "quality" / "small"


def collections(client: httpx.Client) -> list[str]:
    return [row["name"] for row in client.get("/api/collections").json()["collections"] if row["name"].startswith("eval-")]


def test_all_kinds_of_sets_are_scored_and_nothing_of_them_stays(stack: Stack) -> None:
    with closing(logged_in(stack.admin, stack.admin_password)) as client:
        scored = score(Api(client), found_sets(SETS))
        assert collections(client) == []
    hops, paragraphs = scored["retrieval"]
    assert (hops["set"], hops["documents"], paragraphs["set"], paragraphs["documents"]) == ("hops", 14, "xquad-en", 6)
    for mode in hops["modes"]:
        assert (mode["questions"], mode["ms"] > 0) == (6, True)
        assert mode["recall@8"] > 0.8, mode
        assert 0 < mode["recall@2"] <= mode["recall@5"] <= mode["recall@8"]
    assert paragraphs["modes"][0]["ndcg@10"] == 1.0, "one of six paragraphs for each question"
    [entities], [extraction] = scored["entities"], scored["extraction"]
    assert (entities["gold"], extraction["documents"]) == (8, 2)
    assert min(entities[name] for name in ("found", "type", "precision")) > 0.5, entities
    assert extraction["entities_f1"] > 0.5, extraction
    assert extraction["relations_recall"] > 0.2, extraction
    assert "spacy" in entities["extractor"].lower()


def test_a_command_meets_the_running_stack_and_ends_with_json(stack: Stack) -> None:
    path = SETS / "redocred" / "small.json"
    done = stack.run(sys.executable, "-m", "bench.quality.entities", str(path), "--json")
    assert done.returncode == 0, done.stderr
    scored = json.loads(done.stdout.splitlines()[-1])
    assert (scored["set"], scored["gold"]) == ("small", 8)
