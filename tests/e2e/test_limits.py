"""The number of documents at once, changed on the console's page while Dagster's queue runs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from aegis_assets.defs.pools import POOLS, limits_for
from aegis_assets.stores.ledger.fence import LOCK
from tests.defs.test_ingest import chapters, paged
from tests.e2e.conftest import Person
from tests.waiting import until
from webadmin.orchestrator.client import DagsterClient, Pool, Queue, RunStatus

FIELD = re.compile(r'<input type="(?:number|hidden|radio(?=[^>]* checked))"[^>]* name="(\w+)" value="(\w+)"')
STATUS = "query($r: ID!) { runOrError(runId: $r) { ... on Run { status } } }"
ACTIVE = "{ runsOrError(filter: {statuses: [STARTING, STARTED, CANCELING]}) { ... on Runs { results { runId } } } }"
TWO_LOOKS = 3.0  # of the queue's daemon, which looks every second


@pytest.fixture
def documents_at_once(person: Person) -> Iterator[Callable[[int], None]]:
    """Changes the number; it is as the settings say in the end."""
    page = f"{person.stack.admin}/admin/limits/"
    with httpx.Client(timeout=30, trust_env=False) as browser:

        def send(address: str, **words: str) -> None:
            shown = dict(FIELD.findall(browser.get(address if "login" in address else page).text))
            answer = browser.post(address, data=shown | words)
            assert answer.status_code == 302, answer.text

        send(f"{person.stack.admin}/admin/login/", username="admin", password=person.stack.admin_password)
        yield lambda number: send(page, parallel_documents=str(number))
        send(f"{page}reset", name="parallel_documents")


@contextmanager
def held(person: Person, *documents: str) -> Iterator[None]:
    """Runs of these documents go on when this ends: each waits for its document, as behind a write that takes long."""
    with person.ledger.transaction() as connection:
        for document in documents:
            connection.execute(LOCK, {"document": UUID(document)})
        yield


def status(person: Person, run: str) -> str:
    return str(person.dagster(STATUS, r=run)["status"])


def active(person: Person) -> set[str]:
    return {run["runId"] for run in person.dagster(ACTIVE)["results"]}


def stays(person: Person, running: set[str]) -> None:
    """Of all runs these alone are active, and stay so."""
    deadline = time.monotonic() + TWO_LOOKS
    while time.monotonic() < deadline:
        assert active(person) == running
        time.sleep(0.2)


@pytest.mark.usefixtures("alone")
def test_runs_keep_to_a_changed_number_of_documents_and_raising_it_lets_waiting_ones_go(
    person: Person, documents_at_once: Callable[[int], None], tmp_path: Path
) -> None:
    names = ("first.md", "second.md", "third.md")
    for name in names:
        (tmp_path / name).write_text(f"# {name}\n\nAlan Turing wrote the {name} letter in Bletchley.\n")
    documents = [row["document"] for row in person.ingest(*(tmp_path / name for name in names), collection="at-once")]

    assert person.settings.parallel_documents == 2, "the first change is to fewer"
    with held(person, *documents[:2]):
        documents_at_once(1)
        first = person.materialize(documents[0])
        until(lambda: status(person, first) == "STARTED")
        second, third = (person.materialize(document) for document in documents[1:])
        stays(person, {first})

        documents_at_once(2)
        until(lambda: status(person, second) == "STARTED")
        stays(person, {first, second})

        documents_at_once(3)
        until(lambda: status(person, third) == "SUCCESS")
        assert {first, second} <= active(person)
    until(lambda: {status(person, run) for run in (first, second, third)} == {"SUCCESS"})


@pytest.mark.usefixtures("alone")
def test_the_client_of_dagster_sees_what_waits_what_runs_and_how_full_the_pools_are(person: Person, tmp_path: Path) -> None:
    client = DagsterClient(person.stack.dagster)
    slots = limits_for(person.settings.parallel_documents)
    idle = tuple(Pool(name=name, slots=slots[name], active=0, pending=0) for name in sorted(POOLS))
    names = ("first.md", "second.md", "third.md")
    for name in names:
        (tmp_path / name).write_text(f"# {name}\n\nAda Lovelace kept the {name} letter in London.\n")
    documents = [row["document"] for row in person.ingest(*(tmp_path / name for name in names), collection="counted")]
    keys = person.ledger.partition_keys([UUID(document) for document in documents])
    client.add_partitions(list(keys.values()))  # each is there

    assert (client.location_problem(), client.daemon_problem()) == ("", "")
    until(lambda: client.occupancy()[0] == Queue(queued=0, running=0))
    with held(person, *documents[:2]):
        first, second, third = (client.launch_document(keys[UUID(document)]) for document in documents)
        until(lambda: {client.run_status(first), client.run_status(second)} == {RunStatus.STARTED})
        assert client.occupancy() == (Queue(queued=1, running=2), idle)
        client.terminate(third)
        assert client.run_status(third) == RunStatus.CANCELED
        assert client.occupancy()[0] == Queue(queued=0, running=2)
    until(lambda: {client.run_status(first), client.run_status(second)} == {RunStatus.SUCCESS})

    (tmp_path / "book.pdf").write_bytes(paged(chapters(48, "counted book")))
    book = person.launch(tmp_path / "book.pdf", "counted")
    until(lambda: person.ledger.progress(book).fraction > 0)
    with held(person, str(book)):  # whatever step is at work waits with its slot, and no other begins
        busy = until(lambda: [pool.name for pool in client.occupancy()[1] if pool.active])
        assert set(busy) <= set(POOLS)
        assert client.occupancy()[0] == Queue(queued=0, running=1)
    until(lambda: client.occupancy() == (Queue(queued=0, running=0), idle))
