"""`make bench-outages`: a server is away for minutes while documents are at work; none may end failed, and nobody helps afterwards.

PostgreSQL, the graph server and the engine server, each once stopped (SIGSTOP of all its processes) and once killed with its
restart withheld (the supervisor is stopped meanwhile); then a language model that answers nothing. One-page Markdown files are
dropped before and during each outage, on the embedded engines with a double for the language model. Every document must end
succeeded after the server is back, and no document may be seen failed or partial at any time. Exits with 1 where one is.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

from aegis_assets.embedded.supervision import Supervisor
from bench import results
from bench.bulk import drop, page
from bench.corpus import Corpus
from bench.doubles import Doubles, doubles
from bench.harness import Stack, running

MINUTES: Final = 5.0
FILES: Final = 100  # before an outage, and again in its middle: two runs each
PARTS: Final = ("postgres", "graph", "engine")
CASES: Final = (*((part, how) for part in PARTS for how in ("stopped", "killed")), ("language model", "silent"))
FIRST_TOKEN_SHARE: Final = 0.2  # of the outage, until a request that gets no token is given up
BEGIN_SECONDS: Final = 120.0
AT_WORK_SECONDS: Final = 3.0  # from the first document at work to the outage
BACK_SECONDS: Final = 1800.0  # the longest back-off, and the work
LOOK_SECONDS: Final = 0.5
WRONG: Final = frozenset({"failed", "partial", "cancelled"})
STATES: Final = "SELECT id::text AS id, state, message FROM aegis_document"


@dataclass
class Observed:
    """The documents as they were seen while PostgreSQL answered. wrong: the sentence of each that was ever in a wrong state."""

    stack: Stack
    states: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)

    def read_states(self) -> None:
        """Read the states; do nothing while PostgreSQL is away."""
        with suppress(psycopg.OperationalError):
            for row in self.stack.rows(STATES):
                self.states[row["id"]] = row["state"]
                if row["state"] in WRONG:
                    self.wrong[row["id"]] = f"{row['state']}: {row['message']}"

    def succeeded(self) -> int:
        return sum(state == "succeeded" for state in self.states.values())

    def until(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Look until it is reached, and return whether it was in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.read_states()
            if reached():
                return True
            time.sleep(LOOK_SECONDS)
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--only", nargs="+", default=[], help=f"of {', '.join((*PARTS, 'language model'))}")
    options = parser.parse_args()
    chosen = [case for case in CASES if not options.only or case[0] in options.only]
    if options.minutes <= 0 or options.files < 1 or not chosen:
        parser.error("--minutes is more than 0, --files is at least 1, and --only names a part")
    cases = measured(chosen, 60 * options.minutes, options.files)
    print(results.table(cases))
    if (options.minutes, options.files, chosen) == (MINUTES, FILES, list(CASES)):
        print(results.write("outages", {"minutes": MINUTES, "cases": cases}))
    return int(any(is_bad(case) for case in cases))


def is_bad(case: dict[str, Any]) -> bool:
    return bool(case["seen_wrong"]) or case["succeeded"] != case["documents"]


def measured(cases: Sequence[tuple[str, str]], seconds: float, files: int) -> list[dict[str, Any]]:
    """Run the cases on one stack and return their figures."""
    with doubles() as engines:
        environment = {
            "AEGIS_OLLAMA_URL": engines.ollama.url,
            "AEGIS_OLLAMA_MODEL": "double",
            "AEGIS_EXTRACTOR": "ollama",
            "AEGIS_LLM_FIRST_TOKEN_TIMEOUT": str(FIRST_TOKEN_SHARE * seconds),
        }
        with running(environment) as stack:
            corpus = Corpus(17)
            return [_case(stack, engines, corpus, number, part, how, seconds, files) for number, (part, how) in enumerate(cases)]


def _case(
    stack: Stack, engines: Doubles, corpus: Corpus, number: int, part: str, how: str, seconds: float, files: int
) -> dict[str, Any]:
    observed = Observed(stack)
    observed.read_states()
    before = observed.succeeded()
    _drop(stack, corpus, f"before-{number}", files)
    at_work = observed.until(lambda: "running" in observed.states.values(), BEGIN_SECONDS)
    time.sleep(AT_WORK_SECONDS)
    with _away(stack, engines, part, how):
        ends = time.monotonic() + seconds
        while time.monotonic() < ends - seconds / 2:
            _pause(observed, part)
        _drop(stack, corpus, f"during-{number}", files)
        while time.monotonic() < ends:
            _pause(observed, part)
        during = observed.succeeded() - before
    back = time.monotonic()
    observed.until(lambda: observed.succeeded() == before + 2 * files, BACK_SECONDS)
    return {
        "server": part,
        "how": how,
        "away_s": round(seconds, 1),
        "at_work": at_work,
        "documents": 2 * files,
        "succeeded_meanwhile": during,
        "seen_wrong": sorted(observed.wrong.values()),
        "succeeded": observed.succeeded() - before,
        "after_return_s": round(time.monotonic() - back, 1),
    }


def _pause(observed: Observed, part: str) -> None:
    """Wait, and look unless PostgreSQL is away: a stopped one takes connections and says nothing."""
    if part != "postgres":
        observed.read_states()
    time.sleep(LOOK_SECONDS)


def _drop(stack: Stack, corpus: Corpus, prefix: str, files: int) -> None:
    with tempfile.TemporaryDirectory(dir=stack.home) as folder:
        for number in range(files):
            name = f"{prefix}-{number:03d}"
            (Path(folder) / f"{name}.md").write_text(page(corpus, name))
        drop(Path(folder), stack.home / "inbox")


@contextmanager
def _away(stack: Stack, engines: Doubles, part: str, how: str) -> Iterator[None]:
    if how == "silent":
        with _silent(engines):
            yield
        return
    pid = next(program.pid for program in Supervisor(stack.home).programs() if program.name == part and program.pid)
    with _stopped(_family(pid)) if how == "stopped" else _killed(stack, pid):
        yield


@contextmanager
def _silent(engines: Doubles) -> Iterator[None]:
    engines.ollama.post("/control/fault", mode="never")
    try:
        yield
    finally:
        engines.ollama.post("/control/fault", mode="none")


@contextmanager
def _stopped(processes: Sequence[psutil.Process]) -> Iterator[None]:
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@contextmanager
def _killed(stack: Stack, pid: int) -> Iterator[None]:
    """Kill, with supervisord stopped meanwhile: it would start the part again at once."""
    supervisor = int((stack.home / "run" / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGSTOP)
    try:
        for process in _family(pid):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)


def _family(pid: int) -> list[psutil.Process]:
    """Return the process and all below it, children first: PostgreSQL's backends answer without their parent."""
    process = psutil.Process(pid)
    return [*process.children(recursive=True), process]


if __name__ == "__main__":
    raise SystemExit(main())
