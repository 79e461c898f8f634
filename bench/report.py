"""`python -m bench.report`: bench/results/*.json -> the tables in docs/performance.md, between `<!-- NAME -->` and `<!-- end -->`.

The words of that page are written by hand; its figures are not. `--check` writes nothing and exits with 1 where they differ.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from aegis_assets.settings import ROOT
from bench.results import RESULTS, text

PAGE: Final = ROOT / "docs" / "performance.md"
BLOCK: Final = re.compile(r"(<!-- (?P<name>[a-z0-9-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
Figures = Mapping[str, Any]
Rows = list[dict[str, Any]]


# Tables that a result holds as they are: the key of its rows, and of each column the key and the title.
COLUMNS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "origin": (
        "cases",
        {
            "parsers": "parsers",
            "slots": "LLM slots",
            "sequential_s": "one after the other, s",
            "bound_s": "bound, s",
            "measured_s": "measured, s",
            "speedup": "speed-up",
            "over_bound": "measured / bound",
            "slot_idle_share": "idle while work waits",
            "slot_idle_share_of_waiting": "the same, of the time in which work waits",
            "event_rows": "event rows",
        },
    ),
    "extraction": (
        "cases",
        {
            "slots": "LLM slots",
            "chunks": "chunks",
            "ideal_s": "sum of latencies / slots, s",
            "measured_s": "measured, s",
            "over_ideal": "measured / ideal",
            "whole_s": "with start and publishing, s",
            "slot_idle_share": "idle while work waits",
            "slot_idle_share_of_waiting": "the same, of the time in which work waits",
        },
    ),
    "overhead": (
        "cases",
        {"chunks": "chunks", "wall_ms": "wall, ms a chunk", "cpu_ms": "CPU, ms a chunk", "event_rows": "event rows"},
    ),
    "documents": (
        "cases",
        {
            "parallel_documents": "runs at once",
            "total_s": "total, s",
            "bound_s": "bound, s",
            "over_bound": "total / bound",
            "smallest_wait_s": "wait of the smallest, s",
            "slots_busy_share": "slots busy",
        },
    ),
    "workers": (
        "cases",
        {"workers": "workers", "ideal_s": "ideal, s", "whole_s": "measured, s", "speedup": "speed-up", "event_rows": "event rows"},
    ),
    "diff": (
        "cases",
        {
            "case": "case",
            "seconds": "seconds",
            "share_of_time": "of the first's time",
            "llm_calls": "LLM calls",
            "needed": "needed",
            "parse_calls": "parse calls",
            "embedded_texts": "texts embedded",
        },
    ),
    "steady": ("shares", {"share": "share", "documents": "documents", "documents_per_s": "documents per s"}),
    "walk": (
        "cases",
        {
            "entities": "entities",
            "questions": "questions",
            "median_ms": "median, ms",
            "p95_ms": "95th percentile, ms",
            "most_ms": "longest, ms",
            "chunks_reached": "chunks reached",
        },
    ),
    "kills": (
        "cases",
        {
            "moment": "killed while",
            "target": "what was killed",
            "kills": "kills",
            "as_without": "as without a kill",
            "longest_s": "longest until the end, s",
        },
    ),
    "outages": (
        "cases",
        {
            "server": "server",
            "how": "how",
            "away_s": "away, s",
            "documents": "documents",
            "succeeded_meanwhile": "succeeded meanwhile",
            "seen_wrong": "seen failed",
            "succeeded": "succeeded in the end",
            "after_return_s": "after its return, s",
        },
    ),
    "embedder": (
        "cases",
        {
            "where": "where",
            "tokens": "tokens of a piece",
            "seconds": "wall, s",
            "cpu_s": "CPU, s",
            "of_whole": "of a whole batch's time",
        },
    ),
    "limits": (
        "cases",
        {
            "slots": "LLM slots",
            "limit": "limit",
            "rate": "answers per s",
            "of_best": "of the best fixed",
            "last_limit": "limit at the end",
            "most_waiting": "most in the server's queue",
            "cancelled": "aborted",
        },
    ),
    "console": ("pages", {"page": "page", "ms": "ms"}),
}


def cpu(found: Figures) -> Rows:
    cases = [(f"platform, {case['pages']} pages", case) for case in found["platform"]]
    return [
        {
            "what": what,
            "wall, s": case["seconds"],
            "CPU, s": case["cpu_total_s"],
            "chunks": case["chunks"],
            "largest process, MB": max(case["peak_mb"].values()) if isinstance(case["peak_mb"], dict) else case["peak_mb"],
        }
        for what, case in [
            *cases,
            ("bare loop, the last of these", found["bare"]),
            ("the same, FlagEmbedding as it comes", found["bare_as_it_comes"]),
        ]
    ]


def bulk(found: Figures) -> Rows:
    parts = {"platform": found["platform"], "bare loop": found["bare"]}
    return [
        {
            "what": what,
            "seconds": part["seconds"],
            "documents per s": found["documents"] / part["seconds"],
            "CPU, ms a document": 1000 * part["cpu_total_s"] / found["documents"],
        }
        for what, part in parts.items()
    ]


def peers(found: Figures) -> Rows:
    return [
        {
            "LLM slots": case["slots"],
            "embedder, s": case["embedder_s"],
            "who": row["who"],
            "seconds": row["seconds"],
            "measured / ideal": row["over_ideal"],
            "ours / it": row["ours_over_it"],
            "requests": row["requests"],
            "CPU, s": row["cpu_s"],
        }
        for case in found["cases"]
        for row in case["rows"]
    ]


def growth(found: Figures) -> Rows:
    """Return what a bar stands for."""
    sizes = [load["entities"] for load in found["loads"]]
    return [
        {
            "act": row["act"],
            "figure": FIGURES[row["figure"]],
            **{f"{size:,} entities": row[str(size)] for size in sizes},
            "last / first": row["ratio"],
        }
        for row in found["cases"]
        if row["figure"] in FIGURES
    ]


FIGURES: Final = {
    "resolve_s": "resolve, s",
    "publish_s": "publish, s",
    "total_s": "all steps, s",
    "ledger_rows": "rows of the ledger",
    "ledger_index_entries": "entries of its indexes",
    "graph_rows": "rows to and from the graph",
    "peak_mb": "peak memory, MB",
}
COMPUTED: Final[Mapping[str, Callable[[Figures], Rows]]] = {
    "cpu": cpu,
    "bulk": bulk,
    "peers": peers,
    "growth": growth,
    "growth-neo4j": growth,
}


def table(name: str, found: Figures) -> Rows:
    """Return a result's table. Raise KeyError for a name without one."""
    if name in COMPUTED:
        return COMPUTED[name](found)
    rows, titles = COLUMNS[name]
    return [{title: row[key] for key, title in titles.items()} for row in found[rows]]


def markdown(rows: Rows) -> str:
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else text(value)


def filled(page: str, folder: Path = RESULTS) -> str:
    """Return the page with the tables of the results as they are now. A block without a result stays. Raise KeyError for a name
    without a table."""

    def block(found: re.Match[str]) -> str:
        path = folder / f"{found['name']}.json"
        if not path.exists():
            return found[0]
        figures = json.loads(path.read_text())
        machine, command = figures["machine"], figures.get("command", f"make bench-{found['name']}")
        said = f"`{command}`, {figures['date'][:10]}, {machine['cores']} cores, Python {machine['python']}.\n\n"
        return f"{found[1]}{said}{markdown(table(found['name'], figures))}{found[3]}"

    return BLOCK.sub(block, page)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    page = PAGE.read_text()
    fresh = filled(page)
    if options.check:
        return int(fresh != page)
    PAGE.write_text(fresh)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
