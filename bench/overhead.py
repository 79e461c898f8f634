"""`make bench-overhead`: what the platform itself takes, with engines that cost nothing, for 1,000 and for 4,000 chunks.

wall_ms: from the document's registration to `succeeded`, per chunk, the start of the run included. wall_ms_more: of each chunk
more, from the larger case. cpu_ms: of the whole stack without the doubles, whose share stands beside it. Two cores are shared by
the stack, the doubles and the benchmark.
"""

from __future__ import annotations

import argparse
from typing import Any, Final

from bench import replay, results
from bench.doubles import Doubles, doubles
from bench.harness import Stack, running

CHUNKS: Final = (1000, 4000)
PER_PAGE: Final = 4
SLOTS: Final = 8
NOTHING: Final = replay.Seconds(0, 0, 0, 0, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, action="append", default=[])
    options = parser.parse_args()
    with doubles() as engines, running({**engines.environment(), "AEGIS_PARALLEL_CHUNKS_PER_DOC": str(SLOTS)}) as stack:
        case(stack, engines, 40, 99)  # cold caches are nobody's overhead
        cases = [case(stack, engines, chunks, seed) for seed, chunks in enumerate(options.chunks or CHUNKS)]
    first, last = cases[0], cases[-1]
    more = last["chunks"] - first["chunks"]
    growth = {
        name: round(1000 * (last[name.replace("_ms_more", "_s")] - first[name.replace("_ms_more", "_s")]) / more, 2)
        if more
        else None
        for name in ("wall_ms_more", "cpu_ms_more")
    }
    print("overhead: engines that cost nothing")
    print(results.table(cases, [name for name in cases[0] if name not in ("usage", "seconds")]))
    print(results.usage_table(cases))
    print(f"each chunk more: {growth}")
    if not options.chunks:
        print(results.write("overhead", {"cases": cases, **growth}))


def case(stack: Stack, engines: Doubles, chunks: int, seed: int) -> dict[str, Any]:
    document = replay.Replay(replay.pages(chunks // PER_PAGE, seed=seed, chunks=PER_PAGE), NOTHING, seed)
    found, usage = replay.measured(stack, engines, document, f"overhead-{seed}", SLOTS)
    doubled = sum(seconds for part, seconds in usage.cpu.items() if part.endswith("double"))
    made, cpu = found.report["chunks"], usage.cpu_total - doubled
    return {
        "chunks": made,
        "windows": len(found.cut),
        "wall_s": round(found.measured, 2),
        "wall_ms": round(1000 * found.measured / made, 2),
        "cpu_s": round(cpu, 2),
        "cpu_ms": round(1000 * cpu / made, 2),
        "doubles_cpu_ms": round(1000 * doubled / made, 2),
        "start_up_s": round(found.begun, 2),
        "after_last_answer_s": round(found.measured - found.last_answer, 2),
        "event_rows": found.event_rows,
        "seconds": found.report["seconds"],
        "usage": usage.as_json(),
    }


if __name__ == "__main__":
    main()
