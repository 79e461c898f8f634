"""`make bench-origin`: the profile of the pipeline that this platform was made to replace, replayed through real Dagster.

406 pages: parse 300 s, pictures 30 s, chunking 6 s, embedding 60 s, extraction 600 s, one after the other. The seconds are divided
by `--factor` and spent by doubles of the engines, so a run takes minutes and needs no GPU; what Dagster, the ledger and the stores
cost is not divided, so a higher factor makes our figures worse, not better. 4 is the least with which the four cases take less
than 8 minutes; a chunk's request then takes 0.37 s, where a real model takes 1.5 s or more.

measured_s: from the document's registration to `succeeded`, the run's own start included. bound_s: of the same windows with the
same latencies, by bench/simulation.py. bound_page_s: the same with a window per page, which nobody could reach, as each page would
pay for a step of its own; it shows what the windows themselves cost.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from aegis_assets.settings import ROOT
from bench import replay, results, waterfall
from bench.doubles import Doubles, doubles
from bench.harness import Stack, running
from bench.simulation import Lanes, Window, bound, sequential

PAGES: Final = 406
ORIGIN: Final = replay.Seconds(parse=300, pictures=30, chunk=6, embed=60, extract=600)
PICTURE_EVERY: Final = 8
CASES: Final = ((1, 1), (1, 4), (1, 8), (2, 8))  # parsers, slots
DRAWN: Final = (1, 4)
WARM_UP: Final = 50  # pages of the document that goes first, so that no case pays for cold caches
PICTURE: Final = ROOT / "docs" / "origin-waterfall.svg"


@dataclass(frozen=True)
class Case:
    parsers: int
    slots: int
    factor: float
    windows: int
    sequential_s: float
    bound_s: float
    bound_page_s: float
    measured_s: float
    speedup: float
    over_bound: float
    slot_idle_share: float
    slot_idle_share_of_waiting: float
    start_up_s: float
    first_parse_s: float
    after_last_answer_s: float
    event_rows: int
    seconds: dict[str, float]
    usage: dict[str, object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--factor", type=float, default=4.0, help="what the origin's seconds are divided by; 6 or less")
    parser.add_argument("--cases", default="", help="parsers x slots to run, like 1x4,2x8; all if not given")
    options = parser.parse_args()
    if not 0 < options.factor <= 6:
        parser.error("the factor is above 0 and at most 6")
    chosen = [tuple(map(int, word.split("x"))) for word in options.cases.split(",") if word] or list(CASES)
    cases = measured(options.factor, [(parsers, slots) for parsers, slots in chosen])
    columns = [name for name in cases[0] if name not in ("seconds", "usage")]
    print(f"origin: {PAGES} pages, all seconds divided by {options.factor:g}")
    print(results.table(cases, columns))
    print(results.usage_table(cases))
    if not options.cases:
        print(results.write("origin", {"cases": cases}))


def measured(factor: float, chosen: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    with doubles() as engines, running({**engines.environment(), "AEGIS_PARALLEL_CHUNKS_PER_DOC": "8"}) as stack:
        course(stack, engines, factor, 1, 4, WARM_UP, 99)
        return [asdict(case(stack, engines, factor, parsers, slots, seed)) for seed, (parsers, slots) in enumerate(chosen)]


def case(stack: Stack, engines: Doubles, factor: float, parsers: int, slots: int, seed: int) -> Case:
    watch = stack.watch(engines.pids())
    document, found = course(stack, engines, factor, parsers, slots, PAGES, seed)
    usage = watch.stop()
    windows = document.windows(found.cut)
    lanes = Lanes(parsers=parsers, slots=slots)
    ideal, loop = bound(windows, lanes), sequential(windows)
    if (parsers, slots) == DRAWN:
        PICTURE.write_text(picture(windows, found, factor))
    return Case(
        parsers=parsers,
        slots=slots,
        factor=factor,
        windows=len(windows),
        sequential_s=round(loop, 2),
        bound_s=round(ideal, 2),
        bound_page_s=round(bound(document.windows([(page, page) for page in range(1, PAGES + 1)]), lanes), 2),
        measured_s=round(found.measured, 2),
        speedup=round(loop / found.measured, 3),
        over_bound=round(found.measured / ideal, 3),
        slot_idle_share=round(found.idle.share, 4),
        slot_idle_share_of_waiting=round(found.idle.share_of_waiting, 4),
        start_up_s=round(found.begun, 2),
        first_parse_s=round(found.first_parse, 2),
        after_last_answer_s=round(found.measured - found.last_answer, 2),
        event_rows=found.event_rows,
        seconds=found.report["seconds"],
        usage=usage.as_json(),
    )


def course(
    stack: Stack, engines: Doubles, factor: float, parsers: int, slots: int, pages: int, seed: int
) -> tuple[replay.Replay, replay.Course]:
    """A document and a collection of its own, because a text that was extracted before costs nothing."""
    seconds = ORIGIN.divided(factor * PAGES / pages)
    document = replay.Replay(replay.pages(pages, seed=seed, picture_every=PICTURE_EVERY), seconds, seed)
    engines.set(document.costs(parsers), document.behaviour(slots))
    replay.limit(stack, ollama_max_concurrent=slots)
    with tempfile.TemporaryDirectory() as folder:
        path = document.write(Path(folder) / f"origin-{parsers}x{slots}-{seed}.pdf")
        return document, replay.run(stack, engines, path, f"origin-{seed}", slots)


def picture(windows: Sequence[Window], found: replay.Course, factor: float) -> str:
    ours = [waterfall.Bar("start", "start", 0.0, found.begun)]
    for lane, kinds in (
        ("parser", ("parse",)),
        ("chunker", ("chunk",)),
        ("embedder", ("embed",)),
        ("LLM slot", ("pictures", "extract")),
    ):
        ours += waterfall.rows([span for span in found.work if span[0] in kinds], lane)
    ours.append(waterfall.Bar("resolve, publish", "publish", found.last_answer, found.measured))
    loop = sequential(windows)
    titles = (f"One after the other: {loop:.0f} s", f"Ours, 1 parser, 4 LLM slots: {found.measured:.0f} s")
    note = f"406 pages, the origin's seconds divided by {factor:g}. Made by `make bench-origin`."
    return waterfall.svg(waterfall.in_sequence(windows), ours, titles, note)


if __name__ == "__main__":
    main()
