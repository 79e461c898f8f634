"""What `make eval` writes, and what it says where it has nothing to score."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from aegis_assets.settings import ROOT
from bench.quality import page
from bench.quality.__main__ import found_sets
from bench.results import write

MODE = {
    "mode": "graph",
    "questions": 101,
    "recall@2": 0.5,
    "recall@5": 0.7,
    "recall@8": 0.8,
    "all": 0.95,
    "ndcg@10": 0.9,
    "ms": 12.0,
}
SETS = Path(__file__).parent / "small"


def test_the_committed_page_has_the_tables_of_the_committed_results() -> None:
    assert page.filled(page.PAGE.read_text()) == page.PAGE.read_text()


def test_a_result_stands_beside_published_figures_in_their_order(tmp_path: Path) -> None:
    scored = {"set": "2wiki", "documents": 780, "ingest_s": 99.0, "modes": [{**MODE, "all_multi_hop": 0.93}]}
    write(
        page.NAME, {"retrieval": [scored], "entities": [{"set": "dev", "ingest_s": 5.0, "found": 0.88}], "extraction": []}, tmp_path
    )
    told = page.filled("".join(f"<!-- {name} -->\nold\n<!-- end -->\n" for name in page.TABLES), tmp_path)
    assert "| fast-graphrag | yes | 0.930 | 0.900 |\n| this platform, search with the graph | no | 0.950 | 0.930 |\n" in told
    assert "| set | found |\n| --- | --- |\n| dev | 0.880 |\n" in told
    assert told.count("old") == 2, "extraction had no set, and no language model was asked"


def test_sets_are_known_by_their_form() -> None:
    sets = found_sets(SETS)
    assert [path.name for path in (*sets.retrieval, *sets.entities, *sets.extraction)] == [
        "hops",
        "en.json",
        "small.json",
        "small.json",
    ]


def test_without_data_one_sentence_says_where_it_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.quality", str(tmp_path / "nothing")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "XQuAD at github.com/google-deepmind/xquad" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_the_small_sets_are_whole() -> None:
    for path in SETS.rglob("*.json"):
        json.loads(path.read_text())
    titles = {passage["title"] for passage in json.loads((SETS / "hops" / "passages.json").read_text())}
    questions = json.loads((SETS / "hops" / "questions.json").read_text())
    assert all(set(question["gold"]) <= titles for question in questions)
