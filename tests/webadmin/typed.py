"""Commands as people type them, and a worker that does what Dagster's runs do as far as the ledger sees it."""

from __future__ import annotations

import io
import json
import threading
import time
from typing import Any
from uuid import UUID

from django.core.management import call_command

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble


class Typed:
    """A command as typed: exit code, standard output, standard error."""

    def __init__(self, *words: str) -> None:
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command(*words, stdout=out, stderr=err)
            self.code = 0
        except SystemExit as end:
            self.code = int(end.code or 0)
        self.out, self.err = out.getvalue(), err.getvalue()

    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Worker(threading.Thread):
    """What runs do, as far as the ledger sees it: takes launched documents and ends them in `ends[name]`, else succeeded."""

    def __init__(self, dagster: DagsterDouble, ledger: Ledger, ends: dict[str, State]) -> None:
        super().__init__(daemon=True)
        self._dagster, self._ledger, self._ends = dagster, ledger, ends
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            for run_id, run in list(self._dagster.runs.items()):
                if run["status"] == "QUEUED" and run["job"] == "ingest":
                    [document] = self._ledger.of_partitions([run["tags"]["dagster/partition"]]).values()
                    self._work(run_id, document)
                    run["status"] = "SUCCESS"
            time.sleep(0.05)

    def _work(self, run_id: str, document: UUID) -> None:
        row = self._ledger.begin(document, run_id, lambda _: True)
        self._ledger.finish(document, run_id, self._ends.get(row.name, State.SUCCEEDED), "")

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(10)
