"""The page of figures holds what the results hold, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.report import COLUMNS, COMPUTED, PAGE, filled
from bench.results import write

RESULT = {
    "date": "2026-01-02T03:04:05+00:00",
    "machine": {"cores": 2, "python": "3.11.7"},
    "cases": [{"chunks": 1000, "wall_ms": 12.345, "cpu_ms": 8, "event_rows": 300}],
}


def test_the_committed_page_has_the_tables_of_the_committed_results() -> None:
    assert filled(PAGE.read_text()) == PAGE.read_text(), "run python -m bench.report"


def test_a_block_is_filled_and_the_words_around_it_stay(tmp_path: Path) -> None:
    (tmp_path / "overhead.json").write_text(json.dumps(RESULT))
    page = filled("Before.\n<!-- overhead -->\nold\n<!-- end -->\nAfter.\n", tmp_path)
    assert page.startswith("Before.\n<!-- overhead -->\n`make bench-overhead`, 2026-01-02, 2 cores, Python 3.11.7.\n")
    assert "| 1000 | 12.3 | 8 | 300 |\n<!-- end -->\nAfter.\n" in page
    assert filled(page, tmp_path) == page


def test_a_block_of_an_unknown_benchmark_is_an_error(tmp_path: Path) -> None:
    assert "luck" not in {*COLUMNS, *COMPUTED}
    (tmp_path / "luck.json").write_text(json.dumps(RESULT))
    with pytest.raises(KeyError):
        filled("<!-- luck -->\n<!-- end -->", tmp_path)


def test_a_block_without_a_result_stays_and_a_result_may_name_its_own_command(tmp_path: Path) -> None:
    page = "<!-- overhead -->\nNot measured yet.\n<!-- end -->\n"
    assert filled(page, tmp_path) == page
    (tmp_path / "overhead.json").write_text(json.dumps({**RESULT, "command": 'make bench-overhead ARGS="--fast"'}))
    assert '`make bench-overhead ARGS="--fast"`, 2026-01-02' in filled(page, tmp_path)


def test_growth_shows_what_a_bar_stands_for_by_size(tmp_path: Path) -> None:
    case = {"act": "retry", "figure": "publish_s", "10000": 0.1, "1000000": 0.2, "ratio": 2.0}
    result = {**RESULT, "loads": [{"entities": 10_000}, {"entities": 1_000_000}], "cases": [case, {**case, "figure": "plan_s"}]}
    (tmp_path / "growth-neo4j.json").write_text(json.dumps(result))
    page = filled("<!-- growth-neo4j -->\n<!-- end -->\n", tmp_path)
    assert "| act | figure | 10,000 entities | 1,000,000 entities | last / first |\n" in page
    assert page.count("| retry |") == 1
    assert "| retry | publish, s | 0.100 | 0.200 | 2.000 |" in page


def test_what_a_benchmark_writes_is_what_the_page_shows(tmp_path: Path) -> None:
    assert write("overhead", {"cases": RESULT["cases"]}, tmp_path) == tmp_path / "overhead.json"
    assert "| 1000 | 12.3 | 8 | 300 |" in filled("<!-- overhead -->\n<!-- end -->", tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["overhead.json"], "nothing half written is left"
