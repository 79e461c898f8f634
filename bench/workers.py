"""`make bench-workers`: a document of latency-bound work, taken by 1, 2 and 4 workers over Redis; then by 2, of which one dies.

Every chunk waits for the model, which has slots enough for all; a worker asks it about 4 at once, so the number of workers is what
decides. ideal_s: the sum of the latencies divided by what the workers have in flight. speedup: whole time of one worker by whole
time of several, from the registration to `succeeded`, the start of the run and the publishing included.

Killed: the worker's process group gets SIGKILL when a third of the chunks are answered. asked_again: questions to the model beyond
one per chunk; unwritten: questions then whose answers were not in the ledger yet, of both workers, which bounds them. bound_s: what
was left then, at the pace of the other.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from aegis_assets.embedded.supervision import MARK
from aegis_assets.stores.leases import Leases
from bench import replay, results
from bench.doubles import Doubles, doubles
from bench.harness import Stack, running
from tests.queue_service import Worker, broker, workers

CHUNKS: Final = 480
SECONDS: Final = 2.0
IN_FLIGHT: Final = 4  # of one worker
WORKERS: Final = (1, 2, 4)
SLOTS: Final = 64
FREED_SECONDS: Final = 60.0  # PostgreSQL sees a killed process at once, and a machine that is gone within 5 s
WRITTEN: Final = "SELECT count(*) AS rows FROM aegis_extraction"
LARGE: Final = 250_000  # bytes; a smaller document would stay in its run's own process
QUEUES: Final = "run=1,docling=1,enrich=1,gpu=1,ollama=2"  # two windows: the next fills what the end of one leaves


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    parser.add_argument("--workers", type=int, action="append", default=[])
    options = parser.parse_args()
    counts = options.workers or WORKERS
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder)) as url, doubles() as engines:
        environment = {
            **engines.environment(),
            "AEGIS_EXECUTOR": "celery",
            "AEGIS_CELERY_BROKER": url,
            "AEGIS_WORKER_QUEUES": "none",  # its own, which would be one more
            "AEGIS_OLLAMA_MAX_CONCURRENT": str(SLOTS),
            "AEGIS_PARALLEL_CHUNKS_PER_DOC": str(IN_FLIGHT),
            "AEGIS_WINDOW_PAGES": "8",
        }
        with running(environment) as stack:
            bench = Bench(stack, engines, url, Path(folder), options.chunks)
            cases = [bench.straight(count, seed) for seed, count in enumerate(counts)]
            killed = bench.killed(len(counts))
    for case in cases:
        case["speedup"] = round(cases[0]["whole_s"] / case["whole_s"], 2)
    print(f"workers: {options.chunks} chunks of {SECONDS:g} s +- {replay.SPREAD:.0%}, {IN_FLIGHT} in flight per worker")
    print(results.table(cases, [name for name in cases[0] if name != "usage"]))
    print(results.table([killed]))
    print(results.usage_table(cases))
    if not options.workers:
        print(results.write("workers", {"cases": cases, "killed": killed}))


class Bench:
    def __init__(self, stack: Stack, engines: Doubles, url: str, folder: Path, chunks: int) -> None:
        self._stack, self._engines, self._url, self._folder, self._chunks = stack, engines, url, folder, chunks

    def straight(self, count: int, seed: int) -> dict[str, Any]:
        document, path = self._document(seed)
        with self._workers(count):
            watch = self._stack.watch(self._engines.pids())
            found = replay.run(self._stack, self._engines, path, f"workers-{seed}", SLOTS)
            usage = watch.stop()
        ideal = self._latencies(document, found.cut) / (count * IN_FLIGHT)
        return {
            "workers": count,
            "ideal_s": round(ideal, 2),
            "extracting_s": round(found.idle.extracting, 2),
            "whole_s": round(found.measured, 2),
            "whole_over_ideal": round(found.measured / ideal, 3),
            "event_rows": found.event_rows,
            "usage": usage.as_json(),
        }

    def killed(self, seed: int) -> dict[str, Any]:
        document, path = self._document(seed)
        before = self._stack.rows(WRITTEN)[0]["rows"]
        with self._workers(2) as machines, ThreadPoolExecutor(1) as thread:
            ingesting = thread.submit(replay.run, self._stack, self._engines, path, "workers-killed", SLOTS)
            while (answered := len(self._engines.llm_calls())) < self._chunks / 3:
                time.sleep(0.2)
            unwritten = len(self._engines.ollama.get("/control/requests")) - self._stack.rows(WRITTEN)[0]["rows"] + before
            asking, machine = max(((self._asking(machine), machine) for machine in machines), key=lambda pair: len(pair[0]))
            machine.kill()
            killed_at = time.time()
            freed_s = freed(self._leases(), asking)
            found = ingesting.result()
        created = self._stack.timeline(found.report["document"])["created_at"].timestamp()
        after = found.measured - (killed_at - created)
        bound = self._latencies(document, found.cut) * (1 - answered / self._chunks) / IN_FLIGHT
        asked = len(self._engines.ollama.get("/control/requests"))
        return {
            "state": found.report["state"],
            "retries": 0,
            "unwritten": unwritten,
            "asked_again": asked - self._chunks,
            "parsed_again": sum(call["call"] == "parse" for call in self._engines.engine_calls()) - len(found.cut),
            "leases_freed_s": round(freed_s, 2),
            "after_kill_s": round(after, 2),
            "bound_s": round(bound, 2),
            "over_bound": round(after / bound, 3),
        }

    def _document(self, seed: int) -> tuple[replay.Replay, Path]:
        pages = tuple(page.ljust(LARGE // self._chunks, "\n") for page in replay.pages(self._chunks, seed=seed))
        document = replay.Replay(pages, replay.Seconds(0, 0, 0, 0, self._chunks * SECONDS), seed)
        self._engines.set(document.costs(), document.behaviour(SLOTS))
        return document, document.write(self._folder / f"workers-{seed}.pdf")

    def _latencies(self, document: replay.Replay, cut: Sequence[tuple[int, int]]) -> float:
        return sum(window.total for window in document.windows(cut))

    @contextmanager
    def _workers(self, count: int) -> Iterator[list[Worker]]:
        environment = {**self._stack.environment, MARK: str(self._stack.home)}  # counted as part of the stack
        with workers(count, self._folder, self._url, environment, QUEUES) as found:
            yield found

    def _leases(self) -> Leases:
        return Leases(self._stack.url(), {})

    def _asking(self, machine: Worker) -> set[str]:
        """Its leases: one per question to the model."""
        pids = {process.pid for process in psutil.Process(machine.group).children(recursive=True)}
        held = [lease for lease in self._leases().holders() if lease.held]
        return {str(lease.id) for lease in held if int(lease.holder.rsplit(":", 1)[1]) in pids}


def freed(leases: Leases, asking: set[str], within: float = FREED_SECONDS) -> float:
    """Seconds until none of them is held any more. Raises RuntimeError where that takes longer than `within`."""
    began = time.monotonic()
    while left := asking & {str(lease.id) for lease in leases.holders()}:
        if time.monotonic() - began > within:
            raise RuntimeError(f"{within:g} s after their worker was killed {len(left)} of {len(asking)} leases are still held")
        time.sleep(0.05)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
