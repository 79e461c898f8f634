"""Results of `make eval` -> the tables of docs/quality.md, in blocks as bench.report has them. Its words are written by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from aegis_assets.settings import ROOT
from bench.report import BLOCK, markdown
from bench.results import RESULTS

PAGE: Final = ROOT / "docs" / "quality.md"
NAME: Final = "quality"
LLM_NAME: Final = "quality-llm"
Row = dict[str, Any]
HOPS: Final = "2wiki"  # the set that peers have published figures on
# Published on the same 101 questions in the benchmarks of fast-graphrag, all by a language model: all evidence, multi-hop alone.
PEERS: Final[Mapping[str, tuple[float, float]]] = {
    "vector search": (0.42, 0.23),
    "LightRAG": (0.45, 0.28),
    "nano-GraphRAG": (0.73, 0.64),
    "fast-graphrag": (0.93, 0.90),
}
OURS: Final[Mapping[str, str]] = {"hybrid": "this platform, hybrid search", "graph": "this platform, search with the graph"}
RETRIEVAL: Final = ("recall@2", "recall@5", "recall@8", "all", "all_multi_hop", "ndcg@10", "ms")


def peers(result: Mapping[str, Any]) -> list[Row]:
    rows = [
        {"system": OURS[mode["mode"]], "language model": "no", "all": mode["all"], "multi-hop": mode["all_multi_hop"]}
        for scored in result["retrieval"]
        if scored["set"] == HOPS
        for mode in scored["modes"]
    ]
    published = [
        {"system": name, "language model": "yes", "all": first, "multi-hop": hops} for name, (first, hops) in PEERS.items()
    ]
    return sorted([*rows, *published], key=lambda row: row["all"])


def retrieval(result: Mapping[str, Any]) -> list[Row]:
    return [
        {
            "set": scored["set"],
            "search": mode["mode"],
            "questions": mode["questions"],
            **{name: mode.get(name, "") for name in RETRIEVAL},
        }
        for scored in result["retrieval"]
        for mode in scored["modes"]
    ]


def scores(kind: str) -> Callable[[Mapping[str, Any]], list[Row]]:
    """Return what makes the table of a kind of scores, in which the seconds of an ingestion have no place."""
    return lambda result: [{name: value for name, value in row.items() if name != "ingest_s"} for row in result[kind]]


TABLES: Final[Mapping[str, tuple[str, Callable[[Mapping[str, Any]], list[Row]]]]] = {
    "peers": (NAME, peers),
    "retrieval": (NAME, retrieval),
    "entities": (NAME, scores("entities")),
    "extraction": (NAME, scores("extraction")),
    "llm": (LLM_NAME, lambda result: [{"figure": name, "value": value} for name, value in result["llm"][0].items()]),
}


def filled(page: str, folder: Path = RESULTS) -> str:
    """Return the page with the tables of the results as they are now. A block without a result stays as it is."""

    def block(found: re.Match[str]) -> str:
        name, table = TABLES[found["name"]]
        path = folder / f"{name}.json"
        result = json.loads(path.read_text()) if path.exists() else {}
        rows = table(result) if result else []
        if not rows:
            return found[0]
        machine = result["machine"]
        said = f"`make eval`, {result['date'][:10]}, {machine['cores']} cores, Python {machine['python']}.\n\n"
        return f"{found[1]}{said}{markdown(rows)}{found[3]}"

    return BLOCK.sub(block, page)


def write(folder: Path = RESULTS, page: Path = PAGE) -> Path:
    page.write_text(filled(page.read_text(), folder))
    return page
