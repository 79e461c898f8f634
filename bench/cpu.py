"""`make bench-cpu`: gmsh's manual through the whole platform on its embedded engines, against the bare stages in one loop.

Three fresh stacks take its first 50, its first 200 and all 390 pages, because a stack that has seen a text does not extract it
again, and because memory that a server keeps from a larger document would hide in a smaller one's figure. The last one then answers
ten questions.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aegis_assets.settings import ROOT
from bench.harness import running
from bench.manual import PAGES, manual
from bench.questions import ask
from bench.results import table, write

BAR, BAR_MEMORY = 1.25, 1.2
SMALL_MB = 60.0  # a part below this is a sleeping shell or a proxy: its ratio says nothing


def bare(paths: list[Path], *, whole: bool = False) -> dict[str, Any]:
    """Of `bench.bare`, in a process of its own. whole: with FlagEmbedding as it comes."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
        command = [sys.executable, "-m", "bench.bare", str(result), str(int(whole)), *map(str, paths)]
        subprocess.run(command, cwd=ROOT, env={**clean, "AEGIS_HOME": folder}, check=True, timeout=7200)
        figures: dict[str, Any] = json.loads(result.read_text())
    return figures


@dataclass(frozen=True)
class Case:
    pages: int
    figures: dict[str, Any]

    @property
    def peaks(self) -> dict[str, float]:
        peaks: dict[str, float] = self.figures["peak_mb"]
        return peaks


def through_platform(pages: int) -> Case:
    """A fresh stack's figures for the first `pages` pages."""
    with running() as stack:
        watch = stack.watch()
        [report] = stack.ingest(manual(pages))
        usage = watch.stop()
        timeline = stack.timeline(report["document"])
        events = stack.event_rows(report["run_id"])
        answers = ask(stack) if pages == PAGES else []
    figures = {
        **usage.as_json(),
        "pages": pages,
        "seconds": round(timeline["finished_s"], 3),
        "begun_s": round(timeline["begun_s"], 3),
        "cpu_total_s": round(usage.cpu_total, 3),
        "event_rows": events,
        "state": report["state"],
        "questions": answers,
        "stage_s": report["seconds"],
        **{name: report[name] for name in ("windows", "chunks", "vectors", "entities", "relations", "engines")},
    }
    print(f"{pages} pages: {figures['seconds']} s, {figures['cpu_total_s']} s of CPU, peaks {figures['peak_mb']}", flush=True)
    return Case(pages, figures)


def growth(small: dict[str, float], large: dict[str, float]) -> dict[str, float]:
    """By part: peak of the large document over that of the small one."""
    return {
        name: round(large[name] / small[name], 3) for name in sorted(large) if min(small.get(name, 0.0), large[name]) > SMALL_MB
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, nargs="+", default=[50, 200, PAGES], help="the last one is also taken bare")
    pages = sorted(parser.parse_args().pages)
    cases = [through_platform(count) for count in pages]
    loop, plain = bare([manual(pages[-1])]), bare([manual(pages[-1])], whole=True)
    whole = cases[-1].figures
    ratio = whole["seconds"] / loop["seconds"]
    memory = growth(cases[0].peaks, cases[-1].peaks)
    rows = [
        {"what": f"platform, {case.pages} pages", **_row(case.figures), "total_peak_mb": case.figures["total_peak_mb"]}
        for case in cases
    ]
    for what, one in (("bare loop", loop), ("bare loop, FlagEmbedding as it comes", plain)):
        rows.append({"what": f"{what}, {pages[-1]} pages", **_row(one), "total_peak_mb": one["peak_mb"]})
    print(table(rows))
    print()
    print(table([{"part": name, "cpu_s": value, **_peaks(cases, name)} for name, value in whole["cpu_s"].items()]))
    print(f"\nwall, platform / bare: {ratio:.3f} (bar {BAR}); CPU: {whole['cpu_total_s'] / loop['cpu_total_s']:.3f}")
    print(f"wall, platform / bare loop with FlagEmbedding as it comes: {whole['seconds'] / plain['seconds']:.3f}")
    for answer in whole["questions"]:
        print(f"rank {answer['rank'] or '-'}: {answer['question']}")
    print(
        f"peak memory, {pages[-1]} / {pages[0]} pages, worst part: {max(memory.items(), key=lambda one: one[1])} (bar {BAR_MEMORY})"
    )
    write(
        "cpu",
        {
            "ratio": ratio,
            "cpu_ratio": whole["cpu_total_s"] / loop["cpu_total_s"],
            "bar": BAR,
            "memory_ratio": max(memory.values()),
            "memory_ratio_by_part": memory,
            "memory_bar": BAR_MEMORY,
            "platform": [case.figures for case in cases],
            "bare": loop,
            "ratio_as_it_comes": whole["seconds"] / plain["seconds"],
            "bare_as_it_comes": plain,
        },
    )


def _row(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: figures[name] for name in ("seconds", "cpu_total_s", "windows", "chunks", "relations")}


def _peaks(cases: list[Case], part: str) -> dict[str, Any]:
    return {f"peak_mb_{case.pages}": case.peaks.get(part, "") for case in cases}


if __name__ == "__main__":
    main()
