"""`make bench-bulk`: 500 one-page Markdown files dropped into the watched bucket at once, on the embedded engines; and one alone.

Against the bare stages in one loop over the same files. seconds: from the drop to the last document's end, the sensors' ticks and
the settling of the watched directory included. alone: from the drop of one file into a stack that has nothing to do until a search
finds it, each of several drops; before and after the 500, because a store may slow down with what it holds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from aegis_assets.settings import ROOT
from bench import results
from bench.corpus import Corpus
from bench.cpu import bare
from bench.harness import Stack, running

FILES: Final = 500
DROPS: Final = 5
IDLE_SECONDS: Final = 20.0
WAIT_SECONDS: Final = 3600.0
BARS: Final = {"ratio": 1.5, "overhead_ms": 150.0, "alone_s": 6.0}
COLLECTION: Final = "default"
NEW_PARAGRAPH: Final = "\n\n"
STATES: Final = "SELECT state, count(*) AS documents FROM aegis_document GROUP BY state"
ENDED: Final = frozenset({"succeeded", "partial", "failed", "cancelled"})
LANES: Final = """
SELECT stage, count(*) AS chunks, extract(epoch FROM max(finished_at) - min(started_at))::float AS span_s
FROM aegis_chunk_task GROUP BY stage ORDER BY stage"""
SPAN: Final = """
SELECT extract(epoch FROM min(d.created_at))::float AS registered, extract(epoch FROM min(r.started_at))::float AS started,
    extract(epoch FROM max(r.finished_at))::float AS finished, count(DISTINCT r.run_id) AS runs
FROM aegis_document d JOIN aegis_run_document r ON r.document_id = d.id AND r.run_id = d.run_id
WHERE d.created_at > to_timestamp(%(since)s)"""
RUNS: Final = "SELECT DISTINCT run_id FROM aegis_run_document"


def page(corpus: Corpus, title: str) -> str:
    """Return one page of a manual: two sections, some 350 words."""
    return corpus.document(title, sections=2, sentences=8)


def drop(folder: Path, inbox: Path) -> float:
    """Move the files in, as whole files, and return when the first one was there."""
    inbox.mkdir(parents=True, exist_ok=True)
    began = time.time()
    for path in sorted(folder.iterdir()):
        path.touch()
        path.rename(inbox / path.name)
    return began


@contextmanager
def searching(stack: Stack) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.searcher"],
        cwd=ROOT,
        env=stack.environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait(10)


def alone(stack: Stack, corpus: Corpus, drops: int, prefix: str) -> list[float]:
    """Return the seconds until a search finds the file, of each drop into a stack that is idle."""
    seconds = []
    with searching(stack) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(drops):
            name = f"{prefix}-{number}.md"
            with tempfile.TemporaryDirectory(dir=stack.home) as folder:
                title = f"Alone {prefix} {number}"
                text = page(corpus, title)
                (Path(folder) / name).write_text(text)
                began = drop(Path(folder), stack.home / "inbox")
            question = f"{title}: {text.split(NEW_PARAGRAPH)[2].split('.')[0]}"  # words alone, all others have too
            process.stdin.write(json.dumps({"text": question, "name": name, "collection": COLLECTION}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{name} was not found")
            seconds.append(json.loads(line)["found_at"] - began)
            settled(stack)
            time.sleep(3.0 + 1.7 * number)  # not in step with the sensors
    return seconds


def settled(stack: Stack, seconds: float = WAIT_SECONDS) -> dict[str, int]:
    """Return the documents by state, when all have come to an end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        states = {row["state"]: row["documents"] for row in stack.rows(STATES)}
        if states and set(states) <= ENDED:
            return states
        time.sleep(0.25)
    raise RuntimeError(f"after {seconds:.0f} s the documents are {states}")


def expect(stack: Stack, count: int) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while sum(row["documents"] for row in stack.rows(STATES)) < count:
        if time.monotonic() > deadline:
            raise RuntimeError("the dropped files were not registered")
        time.sleep(0.25)


def bulk(stack: Stack, files: Path, count: int) -> dict[str, Any]:
    """Drop the files and return what their way through the stack took."""
    before = sum(row["documents"] for row in stack.rows(STATES))
    watch = stack.watch()
    with tempfile.TemporaryDirectory(dir=stack.home) as folder:
        shutil.copytree(files, folder, dirs_exist_ok=True)
        began = drop(Path(folder), stack.home / "inbox")
    expect(stack, before + count)
    states = settled(stack)
    usage = watch.stop()
    [span] = stack.rows(SPAN, since=began)
    return {
        "seconds": span["finished"] - began,
        "registered_s": span["registered"] - began,
        "started_s": span["started"] - began,
        "documents_per_s": count / (span["finished"] - began),
        "cpu_total_s": usage.cpu_total,
        "runs": span["runs"],
        "event_rows": sum(stack.event_rows(row["run_id"]) for row in stack.rows(RUNS)),
        "states": states,
        "lanes": stack.rows(LANES),
        "usage": usage.as_json(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--drops", type=int, default=DROPS)
    options = parser.parse_args()
    if min(options.files, options.drops) < 1:
        parser.error("--files and --drops are at least 1")
    corpus = Corpus(11)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        for number in range(options.files):
            (files / f"note-{number:04d}.md").write_text(page(corpus, f"Note {number}"))
        with running() as stack:
            resting = stack.watch()
            time.sleep(IDLE_SECONDS)
            idle = resting.stop()
            first = alone(stack, corpus, options.drops, "first")
            whole = bulk(stack, files, options.files)
            last = alone(stack, corpus, options.drops, "last")
        loop = bare(sorted(files.iterdir()))
    figures = summary(options.files, whole, loop, first, last)
    figures["idle_cores"] = idle.cpu_total / idle.wall
    show(figures)
    if options.files == FILES:
        print(results.write("bulk", {**figures, "bars": BARS, "idle": idle.as_json()}))


def summary(count: int, whole: dict[str, Any], loop: dict[str, Any], first: list[float], last: list[float]) -> dict[str, Any]:
    """Compare. overhead_ms: wall per document beyond the bare loop's; overhead_cpu_ms: the same of processor time."""
    return {
        "documents": count,
        "ratio": whole["seconds"] / loop["seconds"],
        "cpu_ratio": whole["cpu_total_s"] / loop["cpu_total_s"],
        "overhead_ms": 1000 * (whole["seconds"] - loop["seconds"]) / count,
        "overhead_cpu_ms": 1000 * (whole["cpu_total_s"] - loop["cpu_total_s"]) / count,
        "alone_s": median(first),
        "alone_each_s": first,
        "alone_after_s": median(last),
        "alone_after_each_s": last,
        "platform": whole,
        "bare": loop,
    }


def show(figures: dict[str, Any]) -> None:
    count, whole, loop = figures["documents"], figures["platform"], figures["bare"]
    rows = [
        {
            "what": what,
            "seconds": one["seconds"],
            "documents_per_s": count / one["seconds"],
            "cpu_ms_per_document": 1000 * one["cpu_total_s"] / count,
        }
        for what, one in (("platform", whole), ("bare loop", loop))
    ]
    print(results.table(rows))
    parts = whole["usage"]["cpu_s"].items()
    print(results.table([{"part": name, "cpu_ms_per_document": 1000 * value / count} for name, value in parts]))
    print(
        results.table([{"bare stage": name, "cpu_ms_per_document": 1000 * value / count} for name, value in loop["cpu_s"].items()])
    )
    for name in ("ratio", "cpu_ratio", "overhead_ms", "overhead_cpu_ms", "alone_s", "alone_after_s", "idle_cores"):
        print(f"{name}: {figures[name]:.3f}" + (f" (bar {BARS[name]})" if name in BARS else ""))


if __name__ == "__main__":
    main()
