"""`make bench-limits`: a language model with 1, 4 and 8 slots, and the limit of requests in flight fixed or found out.

The same text each time, through the platform; only the language model costs time. rate: answers per second, from the 20th
answer to the last after which the server still had enough to do. of_best: that, to the rate of the best fixed limit. Nothing is
remembered from the case before. Few slots get few chunks and short answers: a case takes about half a minute, whatever it has.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any, Final

from bench import replay, results
from bench.doubles import Doubles, doubles
from bench.harness import Stack, running

CEILING: Final = 8
FIXED: Final = (1, 2, 4, 8)
SLOTS: Final = (1, 4, 8)
SKIPPED: Final = 20  # answers in which the limit is found out
PER_PAGE: Final = 4
LEAST_CHUNKS: Final = 60
CHUNKS: Final = {1: 80, 4: 160, 8: 240}
SECONDS: Final = {1: 0.4, 4: 0.8, 8: 1.0}  # of an answer, on average
FORGET: Final = ("DELETE FROM aegis_concurrency", "DELETE FROM aegis_answer", "DELETE FROM aegis_extraction")
FOUND: Final = "SELECT value FROM aegis_concurrency WHERE version > 0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, action="append", default=[], choices=SLOTS)
    options = parser.parse_args()
    environment = {"AEGIS_PARALLEL_CHUNKS_PER_DOC": str(2 * CEILING), "AEGIS_OLLAMA_MAX_CONCURRENT": str(CEILING)}
    with doubles() as engines, running({**engines.environment(), **environment}) as stack:
        case(stack, engines, 8, 8, chunks=40)  # cold caches are nobody's limit
        cases = [row for slots in options.slots or SLOTS for row in side_by_side(stack, engines, slots)]
    print(f"limits: ceiling {CEILING}, from the answer number {SKIPPED} on")
    print(results.table(cases))
    if not options.slots:
        print(results.write("limits", {"cases": cases}))


def side_by_side(stack: Stack, engines: Doubles, slots: int) -> list[dict[str, Any]]:
    """Every fixed limit, then the limit found out, on a server with these slots."""
    rows = [case(stack, engines, slots, limit, chunks=chunks(slots, limit or CEILING)) for limit in (*FIXED, None)]
    best = max(row["rate"] for row in rows[:-1])
    return [{**row, "of_best": round(row["rate"] / best, 3)} for row in rows]


def chunks(slots: int, limit: int) -> int:
    """Enough for a rate: a limit below the slots takes as long with fewer."""
    return max(LEAST_CHUNKS, CHUNKS[slots] * min(limit, slots) // slots)


def case(stack: Stack, engines: Doubles, slots: int, limit: int | None, *, chunks: int) -> dict[str, Any]:
    """limit: fixed, or None for found out."""
    pages = replay.pages(chunks // PER_PAGE, seed=slots, chunks=PER_PAGE)
    document = replay.Replay(pages, replay.Seconds(0, 0, 0, 0, chunks * SECONDS[slots]), slots)
    engines.set(document.costs(), document.behaviour(slots))
    for statement in FORGET:
        stack.execute(statement)
    replay.limit(stack, ollama_max_concurrent=limit or CEILING, ollama_limit=int(limit is None))
    name = f"limits-{slots}-{limit or 'auto'}-{chunks}"
    with tempfile.TemporaryDirectory() as folder:
        stack.ingest(document.write(Path(folder) / f"{name}.pdf"), collection=name)
    found, account = stack.rows(FOUND), engines.ollama.get("/control/stats")
    return {
        "slots": slots,
        "limit": "found out" if limit is None else str(limit),
        "chunks": chunks,
        "rate": round(rate([call["finished"] for call in engines.llm_calls()]), 3),
        "last_limit": found[0]["value"] if found and limit is None else limit or CEILING,
        "most_waiting": account["max_waiting"],
        "cancelled": account["cancelled"],
    }


def rate(ended: list[float]) -> float:
    """Answers per second, after the first ones and before the last, which leave slots empty."""
    counted = sorted(ended)[SKIPPED - 1 : -CEILING]
    return (len(counted) - 1) / (counted[-1] - counted[0])


if __name__ == "__main__":
    main()
