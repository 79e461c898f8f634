"""`make bench-documents`: 40 documents of mixed size at once, over the doubles, with 1, 2 and 4 runs side by side.

total_s: from the first registration to the last `succeeded`. bound_s: all windows as if they were one document's, which no order
of documents can beat. in_turn_s: the bounds of the documents added up, what one run after the other cannot beat. Small documents
stand between large ones, and the smallest, of one page, comes last of all: wait_s is its time from registration to `succeeded`
less what its own work takes.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Final

from bench import replay, results
from bench.doubles import Doubles, doubles
from bench.harness import Row, Stack, running
from bench.simulation import Lanes, Window, bound

SIZES: Final = (*[1] * 8, *[2] * 6, *[3] * 4, *[6] * 6, *[10] * 5, *[16] * 4, *[24] * 3, *[40] * 2, *[70] * 2)  # pages
PAGE_BYTES: Final = 15_000  # of a PDF's page: what decides whether a document is small enough to share a run
PARALLEL: Final = (1, 2, 4)
SLOTS: Final = 4
PARSE: Final = 0.15  # seconds a page
EXTRACT: Final = 0.8  # seconds a chunk, of which a page has one
WINDOWS: Final = "SELECT document_id::text AS document, first, last FROM aegis_window ORDER BY document_id, ordinal"
WAY: Final = """
SELECT d.id::text AS document, d.name, d.state, d.run_id, extract(epoch FROM d.created_at)::float AS created,
    extract(epoch FROM r.started_at)::float AS started, extract(epoch FROM r.finished_at)::float AS finished
FROM aegis_document d JOIN aegis_run_document r ON r.document_id = d.id AND r.run_id = d.run_id"""


@dataclass(frozen=True)
class Corpus:
    """All documents' pages as one replay, and where each document begins and ends in it. The last one is the smallest."""

    whole: replay.Replay
    sizes: tuple[int, ...]

    @classmethod
    def drawn(cls, sizes: Sequence[int], seed: int) -> Corpus:
        order = list(sizes)
        order.remove(min(order))
        random.Random(seed).shuffle(order)
        order.append(min(sizes))
        count = sum(order)
        seconds = replay.Seconds(parse=PARSE * count, pictures=0, chunk=0.01 * count, embed=0.03 * count, extract=EXTRACT * count)
        return cls(replay.Replay(replay.pages(count, seed=seed), seconds, seed), tuple(order))

    def write(self, folder: Path) -> list[Path]:
        paths, first = [], 0
        for number, size in enumerate(self.sizes):
            pages = self.whole.pages[first : first + size]
            path = folder / f"document-{number:02d}.pdf"
            path.write_text("\f".join(page.ljust(PAGE_BYTES, "\n") for page in pages))
            paths.append(path)
            first += size
        return paths

    def windows(self, number: int, cut: Sequence[tuple[int, int]]) -> list[Window]:
        before = sum(self.sizes[:number])
        return self.whole.windows([(first + before, last + before) for first, last in cut])


def bounds(corpus: Corpus, cuts: Sequence[Sequence[tuple[int, int]]], lanes: Lanes) -> tuple[float, float]:
    """Of all windows as one document's, and of the documents one after the other."""
    windows = [corpus.windows(number, cut) for number, cut in enumerate(cuts)]
    return bound([window for each in windows for window in each], lanes), sum(bound(each, lanes) for each in windows)


def case(stack: Stack, engines: Doubles, corpus: Corpus, parallel: int) -> dict[str, Any]:
    engines.set(corpus.whole.costs(), corpus.whole.behaviour(SLOTS))
    replay.limit(stack, ollama_max_concurrent=SLOTS)
    watch = stack.watch(engines.pids())
    with tempfile.TemporaryDirectory() as folder:
        reports = stack.ingest(*corpus.write(Path(folder)), collection="documents")
    usage = watch.stop()
    way = {row["document"]: row for row in stack.rows(WAY)}
    rows = [way[report["document"]] for report in reports]
    cut: dict[str, list[tuple[int, int]]] = {}
    for row in stack.rows(WINDOWS):
        cut.setdefault(row["document"], []).append((row["first"], row["last"]))
    cuts = [cut[report["document"]] for report in reports]
    least, in_turn = bounds(corpus, cuts, Lanes(slots=SLOTS))
    total = max(row["finished"] for row in rows) - min(row["created"] for row in rows)
    account = engines.ollama.get("/control/stats")
    own = bound(corpus.windows(len(rows) - 1, cuts[-1]), Lanes(slots=SLOTS))
    return {
        "parallel_documents": parallel,
        "total_s": total,
        "bound_s": least,
        "over_bound": total / least,
        "in_turn_s": in_turn,
        "over_in_turn": total / in_turn,
        "smallest_wait_s": _taken(rows[-1]) - own,
        "one_page_mean_s": mean(_taken(row) for row, size in zip(rows, corpus.sizes, strict=True) if size == min(corpus.sizes)),
        "largest_s": mean(_taken(row) for row, size in zip(rows, corpus.sizes, strict=True) if size == max(corpus.sizes)),
        "slots_busy_share": account["busy_slot_seconds"] / (account["span_seconds"] * account["slots"]),
        "runs": len({row["run_id"] for row in rows}),
        "event_rows": sum(stack.event_rows(run) for run in {row["run_id"] for row in rows}),
        "states": sorted({row["state"] for row in rows}),
        "ways": [{**row, "pages": size} for row, size in zip(rows, corpus.sizes, strict=True)],
        "usage": usage.as_json(),
    }


def _taken(row: Row) -> float:
    return float(row["finished"] - row["created"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parallel", type=int, action="append", default=[])
    parser.add_argument("--sizes", type=int, nargs="+", default=[], help="pages of each document")
    options = parser.parse_args()
    corpus = Corpus.drawn(options.sizes or SIZES, seed=5)
    cases = []
    for parallel in options.parallel or PARALLEL:
        with doubles() as engines, running({**engines.environment(), "AEGIS_PARALLEL_DOCUMENTS": str(parallel)}) as stack:
            cases.append(case(stack, engines, corpus, parallel))
    work = f"one parser at {PARSE:g} s a page, {SLOTS} slots at {EXTRACT:g} s a chunk"
    print(f"{len(corpus.sizes)} documents, {sum(corpus.sizes)} pages, {work}")
    print(results.table(cases, [name for name in cases[0] if name not in ("usage", "ways", "states")]))
    if not (options.parallel or options.sizes):
        print(results.write("documents", {"cases": cases}))


if __name__ == "__main__":
    main()
