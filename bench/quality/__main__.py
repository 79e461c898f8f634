"""`make eval`: every set of a directory is scored, and docs/quality.md gets the figures beside those of others.

The sets are found by their form: directories with passages.json and questions.json, and the files of xquad/, redocred/ and
extraction/. With AEGIS_OLLAMA_URL or AEGIS_LLM_URL in the environment the language model behind it is scored too, on extraction/.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import results
from bench.quality import entities, extraction, page, platform, retrieval
from bench.quality.api import Api
from bench.quality.llm_counts import chosen_server

NO_DATA = (
    "There is no evaluation data in {}: 2WikiMultihopQA is at github.com/circlemind-ai/fast-graphrag (benchmarks), "
    "XQuAD at github.com/google-deepmind/xquad and Re-DocRED at github.com/tonytan48/Re-DocRED; docs/quality.md has the forms of "
    "the files, and EVAL=DIR names the directory."
)


@dataclass(frozen=True)
class Sets:
    """Paths, by what scores them."""

    retrieval: list[Path]
    entities: list[Path]
    extraction: list[Path]


def found_sets(folder: Path) -> Sets:
    """Return the sets of a directory. Raise SystemExit, with where to get them, if there are none."""
    passages = [path.parent for path in sorted(folder.glob("*/passages.json")) if (path.parent / "questions.json").exists()]
    sets = Sets([*passages, *_files(folder, "xquad")], _files(folder, "redocred"), _files(folder, "extraction"))
    if sets == Sets([], [], []):
        raise SystemExit(NO_DATA.format(folder))
    return sets


def _files(folder: Path, name: str) -> list[Path]:
    return sorted((folder / name).glob("*.json"))


def score(api: Api, sets: Sets, *, keep: bool = False) -> dict[str, Any]:
    """Score all sets on one platform, and show each as soon as it is there."""
    scored: dict[str, Any] = {"entities": [], "extraction": [], "retrieval": []}
    for path in sets.entities:
        scored["entities"].append(shown(entities.score(api, path, keep=keep)))
    for path in sets.extraction:
        scored["extraction"].append(shown(extraction.score(api, path, keep=keep)[0]))
    for path in sets.retrieval:
        rows = retrieval.score(api, retrieval.read(path), keep=keep)
        scored["retrieval"].append(rows)
        print(
            f"\n{rows['set']}: {rows['documents']} documents in {rows['ingest_s']:.0f} s\n{results.table(rows['modes'])}",
            flush=True,
        )
    return scored


def shown(row: dict[str, Any]) -> dict[str, Any]:
    print(f"\n{results.table([row])}", flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    platform.add_arguments(parser)
    options = parser.parse_args()
    sets, began = found_sets(options.path), time.monotonic()
    with platform.opened(options) as api:
        scored = score(api, sets, keep=options.keep)
    seconds = round(time.monotonic() - began)
    print(f"\nscored in {seconds} s\n{results.write(page.NAME, {'command': 'make eval', 'seconds': seconds, **scored})}")
    if chosen_server(os.environ) and sets.extraction:
        scored["llm"] = [shown(extraction.score_llm(path, os.environ, keep=options.keep)) for path in sets.extraction]
        print(results.write(page.LLM_NAME, {"command": "make eval", "llm": scored["llm"]}))
    print(page.write())
    if options.json:
        print(json.dumps(scored))


if __name__ == "__main__":
    main()
