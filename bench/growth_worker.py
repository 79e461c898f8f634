"""The project's own process beside one loaded collection: `python -m bench.growth_worker COLLECTION`, a JSON line in, one out.

In: {"act", "seed"}, act: ingest, revise, retry or remove the one document of that seed. Out: seconds by step, rows that the ledger
read and wrote, rows that the graph returned and was sent, and the process's peak memory. The pipeline's functions are called here,
in their order, as a run's ops call them: a run's own start would hide everything.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID

import psycopg

from aegis_assets.defs.platform import build
from aegis_assets.model import ids
from aegis_assets.model.document import State
from aegis_assets.pipeline.flow.embed import embed_windows
from aegis_assets.pipeline.flow.enrich import enrich_window
from aegis_assets.pipeline.flow.extract import extract_window
from aegis_assets.pipeline.flow.loop import wait_for
from aegis_assets.pipeline.flow.parse import parse_window
from aegis_assets.pipeline.flow.plan import plan_document
from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.flow.preflight import preflight
from aegis_assets.pipeline.flow.publish import publish_documents
from aegis_assets.pipeline.flow.remove import remove_document
from aegis_assets.pipeline.flow.resolve import resolve_documents
from aegis_assets.settings import settings
from aegis_assets.stores.bolt import Bolt, Row, Statement
from bench.growth_corpus import measured

REVISED: Final = 15  # the paragraph
KINDS: Final = ("read", "written", "index_entries")
WRITES: Final = ("MERGE", "CREATE", "SET ", "DELETE", "REMOVE")
FLUSH_SECONDS: Final = 30.0
# A backend tells what it has done when it ends.
BACKENDS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'aegis ledger' AND backend_type = 'client backend'"""
TOUCHED: Final = """
SELECT t.relname AS name, t.seq_tup_read + coalesce(t.idx_tup_fetch, 0) AS read, t.n_tup_ins + t.n_tup_upd + t.n_tup_del AS written,
    (SELECT coalesce(sum(i.idx_tup_read), 0)::bigint FROM pg_stat_user_indexes i WHERE i.relid = t.relid) AS index_entries
FROM pg_stat_user_tables t"""


@dataclass
class GraphRows:
    """Rows that went over Bolt. sent: those of the parameters of statements that write."""

    returned: int = 0
    sent: int = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        run, query = Bolt.run, Bolt.query

        def counted_run(bolt: Bolt, *statements: Statement) -> list[Row]:
            for text, parameters in statements:
                if any(word in text for word in WRITES):
                    self.sent += max((len(value) for value in parameters.values() if isinstance(value, list)), default=1)
            return self._returned(run(bolt, *statements))

        def counted_query(bolt: Bolt, text: str, **parameters: Any) -> list[Row]:
            return self._returned(query(bolt, text, **parameters))

        with patch.object(Bolt, "run", counted_run), patch.object(Bolt, "query", counted_query):
            yield

    def _returned(self, rows: list[Row]) -> list[Row]:
        self.returned += len(rows)
        return rows


@dataclass
class Subject:
    """The platform beside one collection. seconds: of the present act, by step."""

    platform: Platform
    url: str
    collection: str
    runs: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def act(self, act: str, seed: int) -> dict[str, Any]:
        """Do it and return what it took. The pool's connection is made before, and ended after: only then it tells what it did."""
        document = ids.document_id(ids.collection_id(self.collection), "upload", self._name(seed))
        before, graph, self.seconds = self._touched(), GraphRows(), {}
        self.platform.ledger.ping()
        with graph.counting(), self._timed("total"):
            getattr(self, f"_{act}")(document, seed)
        after = self._touched()
        tables = {name: {kind: rows[kind] - before[name][kind] for kind in rows} for name, rows in after.items()}
        return {
            **{f"{step}_s": seconds for step, seconds in self.seconds.items()},
            **{f"ledger_{kind}": sum(rows[kind] for rows in tables.values()) for kind in KINDS},
            "tables": {name: rows["read"] + rows["written"] for name, rows in tables.items()},
            "graph_returned": graph.returned,
            "graph_sent": graph.sent,
            "peak_mb": peak_mb(),
        }

    def _ingest(self, document: UUID, seed: int) -> None:
        self._register(measured(seed), seed)
        self._run(document)

    def _revise(self, document: UUID, seed: int) -> None:
        self._register(measured(seed, REVISED), seed)
        self._run(document)

    def _retry(self, document: UUID, _: int) -> None:
        self.platform.ledger.request_retry(document)  # type: ignore[attr-defined]
        self._run(document)

    def _remove(self, document: UUID, _: int) -> None:
        self.platform.ledger.request_removal(document)  # type: ignore[attr-defined]
        remove_document(self.platform, document, lambda: None)

    def _name(self, seed: int) -> str:
        return f"measured-{seed}.pdf"

    def _register(self, text: str, seed: int) -> None:
        content = text.encode()
        digest = hashlib.sha256(content).hexdigest()
        blob, said = f"blobs/{digest}", self._name(seed)
        self.platform.bucket.put(blob, content)
        self.platform.ledger.register(  # type: ignore[attr-defined]
            self.collection, "upload", said, said, blob, digest, len(content)
        )

    def _run(self, document: UUID) -> None:
        """Call what a run calls. Raise RuntimeError unless the document succeeded."""
        self.runs += 1
        run = f"run-{time.time():.0f}-{self.runs}"
        platform = self.platform
        with self._timed("plan"):
            windows = [window.id for window in plan_document(platform, document, run, lambda _: False).windows]
        with self._timed("windows"):
            wait_for(self._windows(windows, run))
        with self._timed("resolve"):
            resolve_documents(platform, [document], run)
        with self._timed("publish"):
            list(publish_documents(platform, [document], run))
        row = platform.ledger.document(document)
        if row.state != State.SUCCEEDED:
            raise RuntimeError(f"the document ended {row.state}: {row.message}")

    async def _windows(self, windows: Sequence[UUID], run: str) -> None:
        for window in windows:
            await parse_window(self.platform, window, run)
            await enrich_window(self.platform, window, run)
        await embed_windows(self.platform, windows, run)
        for window in windows:
            await extract_window(self.platform, window, run)

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[step] = time.monotonic() - began

    def _touched(self) -> dict[str, dict[str, int]]:
        """Return the rows that all statements so far have touched, by table."""
        self.platform.ledger.close()  # type: ignore[attr-defined]  # the ledger behind the port
        with psycopg.connect(self.url, autocommit=True, connect_timeout=10) as connection:
            deadline = time.monotonic() + FLUSH_SECONDS
            while connection.execute(BACKENDS).fetchone() != (0,):
                if time.monotonic() > deadline:
                    raise RuntimeError("the ledger's connections do not end")
                time.sleep(0.02)
            return {name: dict(zip(KINDS, counts, strict=True)) for name, *counts in connection.execute(TOUCHED)}


def peak_mb() -> float:
    """Return the most that this process has had in memory. `getrusage` would also count what its parent had."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def serve(collection: str, asked: Iterator[str], answer: Callable[[dict[str, Any]], None]) -> None:
    """Answer that all is ready, then each line that is asked."""
    platform, chosen = build(), settings()
    wait_for(preflight(platform, chosen.home, [ids.collection_id(collection)]))
    subject = Subject(platform, chosen.postgres_url.get_secret_value(), collection)
    answer({"ready": True, "peak_mb": peak_mb()})
    for line in asked:
        answer(subject.act(**json.loads(line)))


def main() -> None:
    """Serve. Log lines go to standard error, for standard output is for answers."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        serve(sys.argv[1], iter(sys.stdin), lambda made: print(json.dumps(made), file=answers, flush=True))


if __name__ == "__main__":
    main()
