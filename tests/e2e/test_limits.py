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

from aegis_assets.stores.ledger.base import LOCK
from tests.e2e.conftest import Person
from tests.waiting import until

FIELD = re.compile(r'<input[^>]* name="(\w+)" value="(\w+)"')
STATUS = "query($r: ID!) { runOrError(runId: $r) { ... on Run { status } } }"
ACTIVE = "{ runsOrError(filter: {statuses: [STARTING, STARTED, CANCELING]}) { ... on Runs { results { runId } } } }"
TWO_LOOKS = 5.0  # of the queue's daemon, which looks every two seconds where nobody tells it anything


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
