"""Servers of the stack are killed in the middle of a document and away for 20 s: it succeeds, and nobody retries it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from aegis_assets.model.document import State
from tests.defs.test_ingest import chapters, paged
from tests.e2e.conftest import Person
from tests.waiting import until

OUTAGE_SECONDS = 20.0
AT_REST = (State.SUCCEEDED, State.PARTIAL, State.FAILED, State.CANCELLED)
PAGES = 48


def take_away(person: Person, parts: tuple[str, ...]) -> None:
    """Kill the parts; supervisord, which would restart them at once, is stopped for the time of the outage."""
    supervisor = int((person.settings.home / "run" / "supervisord.pid").read_text())
    pids = [person.pid(part) for part in parts]
    os.kill(supervisor, signal.SIGSTOP)
    try:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        time.sleep(OUTAGE_SECONDS)
    finally:
        os.kill(supervisor, signal.SIGCONT)


@pytest.mark.usefixtures("alone")
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(("postgres", "graph", "engine"), id="all"),
        pytest.param(("postgres",), id="postgres", marks=pytest.mark.slow),
        pytest.param(("graph",), id="graph", marks=pytest.mark.slow),
        pytest.param(("engine",), id="engine", marks=pytest.mark.slow),
    ],
)
def test_a_document_outlives_an_outage_in_its_middle(person: Person, tmp_path: Path, parts: tuple[str, ...]) -> None:
    collection = f"outage-{'-'.join(parts)}"
    paper = tmp_path / f"{collection}.pdf"
    paper.write_bytes(paged(chapters(PAGES, f"copy for the {collection}")))
    document = person.launch(paper, collection)
    until(lambda: person.ledger.progress(document).fraction > 0.1 or None)
    assert person.ledger.document(document).state == State.RUNNING
    run = person.ledger.document(document).run_id

    take_away(person, parts)

    def at_rest() -> bool:
        try:
            return person.ledger.document(document).state in AT_REST
        except Exception:  # noqa: BLE001  the ledger itself may still be starting
            return False

    until(at_rest, 240)
    row = person.ledger.document(document)
    assert row.state == State.SUCCEEDED, (row.message, person.ledger.result(document)["failures"])
    assert row.run_id == run, "the same run went on"
    stores = person.everything(document, collection)
    assert stores["chunks"] == stores["vectors"] == stores["graph"]
    assert len(stores["chunks"]) == PAGES
