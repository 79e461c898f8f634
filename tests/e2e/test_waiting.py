"""The graph server is away for longer than a run waits for it, with several documents waiting: all succeed by themselves."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from aegis_assets.model.document import State
from tests import services
from tests.conftest import Stack
from tests.e2e.conftest import Person, person_at
from tests.waiting import until

AWAY_SECONDS = 30.0
NOTES = 8
COLLECTION = "waiting"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def impatient_stack(session_folder: Path) -> Iterator[Stack]:
    """A stack of its own, whose runs wait five seconds for a server."""
    settings = {"AEGIS_OUTAGE_SECONDS": "5"}
    with services.shared(session_folder, "impatient-stack", lambda directory: services.start_stack(directory, settings)) as values:
        environment = json.loads(values["environment"])
        yield Stack(Path(environment["AEGIS_HOME"]), environment)


@pytest.fixture
def person(impatient_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    with person_at(impatient_stack, monkeypatch) as person:
        yield person


def states(person: Person) -> dict[str, tuple[State, str]]:
    """State and what is waited for, by name."""
    with person.ledger.connection() as connection:
        ids = [row["id"] for row in connection.execute("SELECT id FROM aegis_document ORDER BY name").fetchall()]
    return {row.name: (row.state, row.waiting_for) for row in person.ledger.documents(ids)}


def test_documents_wait_for_a_graph_server_and_none_fails(person: Person, tmp_path: Path) -> None:
    for number in range(NOTES):
        (tmp_path / f"{number}.md").write_text(f"# Note {number}\n\nAda Lovelace met Charles Babbage {number} times.\n")
    supervisor = int((person.settings.home / "run" / "supervisord.pid").read_text())
    graph = person.pid("graph")
    os.kill(supervisor, signal.SIGSTOP)  # it would start the graph server again
    try:
        os.kill(graph, signal.SIGKILL)
        with ThreadPoolExecutor(1) as pool:
            ingest = pool.submit(person.ingest, tmp_path, collection=COLLECTION)
            until(lambda: (State.PENDING, "the graph server") in states(person).values(), 120)
            threading.Event().wait(AWAY_SECONDS)
            assert {state for state, _ in states(person).values()} <= {State.PENDING, State.QUEUED, State.RUNNING}
            os.kill(supervisor, signal.SIGCONT)
            reports = ingest.result(280)
    finally:
        os.kill(supervisor, signal.SIGCONT)
    assert [report["state"] for report in reports] == [State.SUCCEEDED.value] * NOTES
    assert all(report["failures"] == [] for report in reports)
    for report in reports:
        stores = person.everything(UUID(report["document"]), COLLECTION)
        assert stores["chunks"] == stores["vectors"] == stores["graph"] != set()
