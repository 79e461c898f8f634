"""A real stack of a benchmark's own, and what can be asked of it: ingest, ledger rows, Dagster's event rows, processor and memory.

    with running({"AEGIS_ENGINE_URL": double.url}) as stack:
        watch = stack.watch()
        [report] = stack.ingest(path)
        usage = watch.stop()

The stack's home is temporary, its ports are free ones, and no AEGIS_* variable of the caller's reaches it. It is stopped and
deleted whatever happens; a benchmark killed with SIGKILL leaves it running, as any process would.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import psycopg
from dotenv import dotenv_values
from psycopg.rows import dict_row

from aegis_assets.embedded.supervision import MARK, Supervisor
from aegis_assets.settings import ROOT
from bench.processes import Watch
from tests.services import open_directory, stack_command, stack_environment

Row = dict[str, Any]
START_SECONDS: Final = 600
INGEST_SECONDS: Final = 3600.0
ALIASES: Final = ("GRAPH_EXTRACTION_WORKERS", "EMBEDDING_BATCH_SIZE", MARK)  # settings without the prefix
EVENT_ROWS: Final = "SELECT count(*) AS rows FROM event_logs WHERE run_id = %(run_id)s"
# The way of one document: registered, Dagster's run made and started, taken up by the run, finished. Seconds since registration.
TIMELINE: Final = """
SELECT d.created_at, r.started_at, r.finished_at, d.run_id, d.state, d.message,
    extract(epoch FROM r.started_at - d.created_at)::float AS begun_s,
    extract(epoch FROM r.finished_at - d.created_at)::float AS finished_s
FROM aegis_document d JOIN aegis_run_document r ON r.document_id = d.id AND r.run_id = d.run_id WHERE d.id = %(document)s"""


@dataclass(frozen=True)
class Stack:
    """A running stack. environment: what a command needs to meet it, without the caller's own AEGIS_* variables."""

    home: Path
    environment: dict[str, str]
    named: dict[int, str] = field(default_factory=dict)

    def manage(self, *words: str, time_out: float = INGEST_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run `python manage.py ...` beside the stack. Its output is captured; its exit code is the caller's to judge."""
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=time_out, check=False
        )

    def ingest(self, *paths: Path, collection: str = "bench", time_out: float = INGEST_SECONDS, strict: bool = True) -> list[Row]:
        """Return the objects of `ingest --json`, one per document. strict: raise RuntimeError unless every one succeeded."""
        done = self.manage("ingest", *map(str, paths), "--collection", collection, "--json", time_out=time_out)
        reports = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if strict and (done.returncode or not reports):
            raise RuntimeError(f"ingest ended with {done.returncode}: {reports} {done.stderr[-2000:]}")
        return reports

    def rows(self, query: str, /, database: str = "ledger", **values: object) -> list[Row]:
        """Query the ledger's tables (aegis_*) or, with database='dagster', Dagster's own."""
        with psycopg.connect(self.url(database), row_factory=dict_row, connect_timeout=10) as connection:
            return connection.execute(query, values).fetchall()

    def execute(self, statement: str, /, **values: object) -> None:
        with psycopg.connect(self.url(), autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement, values)

    def url(self, database: str = "ledger") -> str:
        name = {"ledger": "AEGIS_POSTGRES_URL", "dagster": "AEGIS_DAGSTER_POSTGRES_URL"}[database]
        return cast(str, self.settings()[name]).replace("postgresql+psycopg2://", "postgresql://", 1)

    def settings(self) -> dict[str, str | None]:
        """Return the running stack's settings: ports, generated passwords, and what the benchmark set."""
        return dict(dotenv_values(self.home / "stack.env", interpolate=False))

    def event_rows(self, run_id: str) -> int:
        """Return the number of rows that a run wrote into Dagster's event log."""
        return int(self.rows(EVENT_ROWS, "dagster", run_id=run_id)[0]["rows"])

    def timeline(self, document: str) -> Row:
        """Return a document's way. begun_s: until a run had taken it up; finished_s: until its end. Both since its registration."""
        return self.rows(TIMELINE, document=document)[0]

    def watch(self, doubles: Mapping[int, str] | None = None) -> Watch:
        """Count from now. doubles: pid -> name of processes outside the stack that are to be counted by themselves."""
        programs = {one.pid: one.name for one in Supervisor(self.home).programs() if one.pid}
        return Watch((MARK, str(self.home)), {**programs, **(doubles or {})}).start()

    def log(self, part: str) -> str:
        path = self.home / "logs" / f"{part}.log"
        return path.read_text(errors="replace") if path.exists() else ""


@contextmanager
def running(overrides: Mapping[str, str] | None = None, *, keep: bool = False) -> Iterator[Stack]:
    """Start a stack with these settings on top of the defaults. keep: leave its home behind (stopped), to look into."""
    directory = open_directory("bench")
    home = directory / "home"
    environment = {**bare_environment(), **stack_environment(home), **(overrides or {})}
    with terminable():
        try:
            _cli("up", environment)
            yield Stack(home, environment)
        finally:
            _cli("down", environment, check=False)
            if not keep:
                _forget(home, environment)
                shutil.rmtree(directory, ignore_errors=True)


def bare_environment() -> dict[str, str]:
    """Return the caller's environment without any setting of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_") and name not in ALIASES}


def _cli(action: str, environment: Mapping[str, str], *, check: bool = True) -> None:
    done = subprocess.run(
        stack_command(action), cwd=ROOT, env=dict(environment), capture_output=True, text=True, timeout=START_SECONDS, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"the stack's `{action}` failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _forget(home: Path, environment: Mapping[str, str]) -> None:
    """Let `clean` also take what lies outside the home, where root's home directory is closed to PostgreSQL."""
    if (home / "stack.env").exists():
        _cli("clean", environment, check=False)


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end a benchmark as Ctrl-C does: through its `finally`."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
