"""`make bench-kills`: SIGKILL of a run's process, the engine server, the graph server or PostgreSQL at random moments.

Nobody retries: a document comes back by itself, a server by the stack's supervisor. The first pages of gmsh's manual on the
embedded engines are ingested, revised (one page less, one more) and removed undisturbed; ingested twice, for the first time warms
caches. Then, as often as `--kills` says, one of the four in turn is killed: two times of three while the document is ingested, else
while it is published, revised or removed. Afterwards every store must hold what it would have held without a kill, and after a
removal nothing: ids are compared, not their number. Exits with 1 where one of it does not hold.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import psycopg
import pypdf

from aegis_assets.embedded.supervision import Supervisor
from aegis_assets.errors import AegisError
from aegis_assets.settings import ROOT
from bench import results
from bench.harness import Row, Stack, running
from bench.held import Held, Stores, differing, nothing, stores
from bench.manual import manual

T = TypeVar("T")

COLLECTION: Final = "kills"
SEED: Final = 5
KILLS: Final = 60
PAGES: Final = 20
TARGETS: Final = ("worker", "engine", "graph", "postgres")
MOMENTS: Final = ("publish", "revise", "remove")  # each third kill falls into one of these
BEGIN_SECONDS: Final = 120.0
ROUND_SECONDS: Final = 600.0
LOOK_SECONDS: Final = 0.1
WITHIN: Final = 0.8  # of the time that an act takes: a kill after its end shows nothing
LEFT_OUT: Final = 4  # the page that the revision has not
ENDED: Final = frozenset({"succeeded", "partial", "failed", "cancelled"})
DOCUMENT: Final = """
SELECT d.id::text AS id, d.state, d.message, d.run_id, d.fraction
FROM aegis_document d JOIN aegis_collection c ON c.id = d.collection_id WHERE c.name = %(name)s"""
STARTED: Final = """
SELECT event FROM event_logs WHERE event LIKE '%%Started process for run (pid: %%'
    AND timestamp > to_timestamp(%(since)s) AT TIME ZONE 'UTC'
ORDER BY id DESC LIMIT 1"""
UNDONE: Final = """
SELECT count(*) AS chunks, count(*) FILTER (WHERE t.state NOT IN ('done', 'skipped')) AS undone
FROM aegis_chunk_task t JOIN aegis_document d ON d.id = t.document_id JOIN aegis_collection c ON c.id = d.collection_id
WHERE c.name = %(name)s"""
# Seconds of the run, and from its last chunk's end to its own.
SPANS: Final = """
SELECT extract(epoch FROM r.finished_at - r.started_at)::float AS whole,
    extract(epoch FROM r.finished_at - (
        SELECT max(t.finished_at) FROM aegis_chunk_task t WHERE t.document_id = d.id))::float AS publish
FROM aegis_document d JOIN aegis_run_document r ON r.document_id = d.id AND r.run_id = d.run_id"""
FORGET_EXTRACTIONS: Final = "DELETE FROM aegis_extraction"  # they would make the next run a short one


@dataclass
class Bench:
    """A stack with one document. wanted: what the stores hold after each act without a kill. spans: seconds in which one falls."""

    stack: Stack
    stores: Stores
    first: Path
    revised: Path
    wanted: dict[str, Held] = field(default_factory=dict)
    spans: dict[str, float] = field(default_factory=dict)

    def document(self) -> Row | None:
        found = self.stack.rows(DOCUMENT, name=COLLECTION)
        return found[0] if found else None

    def undisturbed(self) -> None:
        """Do each act once without a kill, and the first once before to warm up."""
        for _ in range(2):
            self.remove()
            self.ingest(self.first)
        self.wanted["ingest"] = self.wanted["publish"] = self.stores.of(COLLECTION)
        [span] = self.stack.rows(SPANS)
        self.spans["ingest"], self.spans["publish"] = span["whole"], span["publish"]
        self.ingest(self.revised)
        self.wanted["revise"] = self.stores.of(COLLECTION)
        self.spans["revise"] = self.stack.rows(SPANS)[0]["whole"]
        self.wanted["remove"] = nothing(self.wanted["revise"])
        self.spans["remove"] = self.spans["publish"]

    def ingest(self, path: Path) -> None:
        self.stack.ingest(path, collection=COLLECTION)

    def remove(self) -> None:
        """Remove the document with all that would make its next ingestion a short one."""
        row = self.document()
        if row is not None and self.stack.manage("remove", row["id"]).returncode:
            raise RuntimeError("the document could not be removed")
        self.stack.execute(FORGET_EXTRACTIONS)

    def killed(self, moment: str, target: str, random_: random.Random) -> Row:
        """Do the act, kill the target in it, and return what came of it."""
        self.remove()
        if moment in ("revise", "remove"):
            self.ingest(self.first)
        began = time.time()
        with self._begun(moment):
            worker = waited(lambda: self._worker(began), BEGIN_SECONDS)
            if moment == "publish":
                waited(self._extracted, BEGIN_SECONDS)
            after = random_.uniform(0.0, WITHIN * self.spans[moment])
            time.sleep(after)
            then = self.document()
            with suppress(ProcessLookupError):
                os.kill(worker if target == "worker" else self._part(target), signal.SIGKILL)
            killed_at = time.monotonic()
            state = self._ended(moment)
        left = self._left(moment)
        return {
            "moment": moment,
            "target": target,
            "killed_after_s": round(after, 2),
            "state_then": then["state"] if then else "gone",
            "fraction_then": round(then["fraction"], 3) if then else 1.0,
            "state": state,
            "back_after_s": round(time.monotonic() - killed_at, 1),
            "differing": left,
        }

    @contextmanager
    def _begun(self, moment: str) -> Iterator[None]:
        """Keep the act going. Its command's exit code is ignored: it may have met the kill itself."""
        row = self.document()
        path = self.revised if moment == "revise" else self.first
        ingest = ("ingest", str(path), "--collection", COLLECTION, "--no-wait")
        words = ("remove", str(row and row["id"])) if moment == "remove" else ingest
        command = [sys.executable, "manage.py", *words]
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.stack.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield
        finally:
            process.kill()
            process.wait(10)

    def _worker(self, since: float) -> int | None:
        """Return the pid of the newest run since then, from its event log."""
        for event in self.stack.rows(STARTED, "dagster", since=since):
            return int(event["event"].split("Started process for run (pid: ")[1].split(")")[0])
        return None

    def _extracted(self) -> bool:
        [row] = self.stack.rows(UNDONE, name=COLLECTION)
        return bool(row["chunks"]) and not row["undone"]

    def _part(self, name: str) -> int:
        return next(program.pid for program in Supervisor(self.stack.home).programs() if program.name == name and program.pid)

    def _ended(self, moment: str) -> str:
        """Return the state in which the act ended."""
        try:
            return waited(lambda: self._end(moment), ROUND_SECONDS)
        except TimeoutError:
            return f"not ended after {ROUND_SECONDS:.0f} s"

    def _end(self, moment: str) -> str | None:
        row = self.document()
        if moment == "remove":
            return "gone" if row is None else None
        return str(row["state"]) if row is not None and row["state"] in ENDED else None

    def _left(self, moment: str) -> list[str]:
        """Return what still differs after the time in which sweeps put it right."""
        last: list[str] = []

        def same() -> bool:
            last[:] = differing(self.stores.of(COLLECTION), self.wanted[moment])
            return not last

        with suppress(TimeoutError):
            waited(same, 150.0)
        return last


def waited(found: Callable[[], T | None], seconds: float) -> T:
    """Poll until it gives something that is true; a server that is away gives nothing. Raise TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(psycopg.OperationalError, AegisError):
            if value := found():
                return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not come about within {seconds:.0f} s")
        time.sleep(LOOK_SECONDS)


def rounds(kills: int) -> Iterator[tuple[str, str]]:
    """Yield moment and target of each. Three and four have no common divisor: every moment meets every target."""
    for number in range(kills):
        moment = MOMENTS[number // 3 % len(MOMENTS)] if number % 3 == 2 else "ingest"
        yield moment, TARGETS[number % len(TARGETS)]


def is_bad(row: Row) -> bool:
    return bool(row["differing"]) or row["state"] not in ("succeeded", "gone")


def write_files(folder: Path, pages: int) -> tuple[Path, Path]:
    """Write the document and its revision, under one name."""
    first, revised = folder / "first" / "manual.pdf", folder / "revised" / "manual.pdf"
    for path in (first, revised):
        path.parent.mkdir()
    first.write_bytes(manual(pages).read_bytes())
    writer = pypdf.PdfWriter()
    for part in ((0, LEFT_OUT), (LEFT_OUT + 1, pages + 1)):
        writer.append(manual(pages + 1), pages=part, import_outline=False)
    writer.write(revised)
    return first, revised


def summary(done: list[Row]) -> list[Row]:
    """Count by moment and target."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in done:
        groups.setdefault((row["moment"], row["target"]), []).append(row)
    return [
        {
            "moment": moment,
            "target": target,
            "kills": len(found),
            "as_without": sum(not is_bad(row) for row in found),
            "longest_s": max(row["back_after_s"] for row in found),
        }
        for (moment, target), found in sorted(groups.items())
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--pages", type=int, default=PAGES)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    random_, done = random.Random(options.seed), []
    with tempfile.TemporaryDirectory() as folder, running() as stack, stores(stack) as held:
        bench = Bench(stack, held, *write_files(Path(folder), options.pages))
        bench.undisturbed()
        for moment, target in rounds(options.kills):
            done.append(bench.killed(moment, target, random_))
            print(results.table(done[-1:]), flush=True)
    counts = {name: len(ids) for name, ids in bench.wanted["ingest"].items()}
    bad = [row for row in done if is_bad(row)]
    print(f"undisturbed: {counts}")
    print(results.table(summary(done)))
    print(f"{len(done) - len(bad)} of {len(done)} as without a kill")
    if options.kills == KILLS:
        print(results.write("kills", {"pages": options.pages, "counts": counts, "cases": summary(done), "rounds": done}))
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
