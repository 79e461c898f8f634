"""`make bench-diff`: a run is a diff. The same 390 pages again, then one page changed, then a new prompt.

Engines take the origin's seconds per page, divided by `--factor`. seconds: of the whole `ingest` command, as a person waits for it,
since an unchanged document starts no run. calls: of the engines by kind, and of the language model. needed: the model calls that
the change makes necessary; a page's chunks, or all of them for a new prompt.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from bench import replay, results
from bench.doubles import Doubles, doubles
from bench.harness import Stack, running
from bench.origin import ORIGIN, PICTURE_EVERY
from bench.origin import PAGES as ORIGIN_PAGES
from tests.doubles.engine_work import Page

PAGES: Final = 390
PER_PAGE: Final = 4
CHANGED: Final = 201  # the page; it has no picture
SLOTS: Final = 4
COLLECTION: Final = "diff"
PROMPT: Final = "UPDATE aegis_collection SET prompt = 'Extract only what the text names.' WHERE name = %(name)s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--factor", type=float, default=6.0)
    factor = parser.parse_args().factor
    with doubles() as engines, running(engines.environment()) as stack, tempfile.TemporaryDirectory() as folder:
        cases = measured(stack, engines, Path(folder) / "manual.pdf", factor)
    print(f"diff: {PAGES} pages, the origin's seconds divided by {factor:g}")
    print(results.table(cases))
    print(results.write("diff", {"factor": factor, "cases": cases}))


def measured(stack: Stack, engines: Doubles, path: Path, factor: float) -> list[dict[str, Any]]:
    pages = replay.pages(PAGES, seed=1, chunks=PER_PAGE, picture_every=PICTURE_EVERY)
    seconds = ORIGIN.divided(factor * ORIGIN_PAGES / PAGES)
    document = replay.Replay(pages, seconds, seed=1)
    costs, behaviour = document.costs(), document.behaviour(SLOTS)
    replay.limit(stack, ollama_max_concurrent=SLOTS)
    fresh = replay.pages(CHANGED, seed=2, chunks=PER_PAGE)[-1]
    edited = replay.Replay((*pages[: CHANGED - 1], fresh, *pages[CHANGED:]), seconds, seed=1)
    chunks = sum(len(Page.of(page).chunks) for page in pages)
    pictures = sum(len(Page.of(page).captions) for page in pages)
    cases = []
    for name, version, needed in (
        ("first", document, chunks + pictures),
        ("unchanged", document, 0),
        ("one page changed", edited, len(Page.of(fresh).chunks)),
        ("new prompt", edited, chunks),
    ):
        if name == "new prompt":
            stack.execute(PROMPT, name=COLLECTION)
        engines.set(costs, behaviour)
        cases.append({"case": name, **_ingest(stack, engines, version.write(path)), "needed": needed})
    first = cases[0]
    return [
        {
            **one,
            "share_of_time": round(one["seconds"] / first["seconds"], 4),
            "share_of_calls": round(one["llm_calls"] / first["llm_calls"], 4),
        }
        for one in cases
    ]


def _ingest(stack: Stack, engines: Doubles, path: Path) -> dict[str, Any]:
    began = time.monotonic()
    [report] = stack.ingest(path, collection=COLLECTION)
    seconds = time.monotonic() - began
    made = engines.engine_calls()
    calls = Counter(one["call"] for one in made)
    asked = engines.llm_calls()
    return {
        "seconds": round(seconds, 2),
        "state": report["state"],
        "chunks": report["chunks"],
        **{f"{kind}_calls": calls[kind] for kind in ("parse", "chunk")},
        "embedded_texts": sum(int(one["what"].split()[0]) for one in made if one["call"] == "embed"),
        "picture_calls": sum(one["picture"] for one in asked),
        "llm_calls": len(asked),
    }


if __name__ == "__main__":
    main()
