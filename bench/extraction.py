"""`make bench-extraction`: 400 chunks of 2 s +- 50 % through 4 and 8 slots, nothing else costing anything.

ideal_s: the sum of the latencies divided by the slots. measured_s: from the moment the first chunk is ready to the last answer.
whole_s: from the document's registration to `succeeded`, which adds the start of the run and the publishing, once.
"""

from __future__ import annotations

import argparse
from typing import Any, Final

from bench import replay, results
from bench.doubles import Doubles, doubles
from bench.harness import Stack, running

CHUNKS: Final = 400
PER_PAGE: Final = 4  # what 390 pages of a manual give
SECONDS: Final = 2.0
SLOTS: Final = (4, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, action="append", default=[])
    options = parser.parse_args()
    with doubles() as engines, running({**engines.environment(), "AEGIS_PARALLEL_CHUNKS_PER_DOC": "8"}) as stack:
        cases = [case(stack, engines, slots, seed) for seed, slots in enumerate(options.slots or SLOTS)]
    print(f"extraction: {CHUNKS} chunks of {SECONDS:g} s +- {replay.SPREAD:.0%}")
    print(results.table(cases, [name for name in cases[0] if name != "usage"]))
    print(results.usage_table(cases))
    if not options.slots:
        print(results.write("extraction", {"cases": cases}))


def case(stack: Stack, engines: Doubles, slots: int, seed: int) -> dict[str, Any]:
    pages = replay.pages(CHUNKS // PER_PAGE, seed=seed, chunks=PER_PAGE)
    document = replay.Replay(pages, replay.Seconds(0, 0, 0, 0, CHUNKS * SECONDS), seed)
    found, usage = replay.measured(stack, engines, document, f"extraction-{seed}", slots)
    ideal = sum(document.windows(found.cut)[index].total for index in range(len(found.cut))) / slots
    return {
        "slots": slots,
        "chunks": found.report["chunks"],
        "ideal_s": round(ideal, 2),
        "measured_s": round(found.idle.extracting, 2),
        "over_ideal": round(found.idle.extracting / ideal, 3),
        "whole_s": round(found.measured, 2),
        "whole_over_ideal": round(found.measured / ideal, 3),
        "slot_idle_share": round(found.idle.share, 4),
        "slot_idle_share_of_waiting": round(found.idle.share_of_waiting, 4),
        "event_rows": found.event_rows,
        "usage": usage.as_json(),
    }


if __name__ == "__main__":
    main()
