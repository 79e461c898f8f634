"""From a file to a real Neo4j and back: ingest, search, revise, retry, remove. `make test-neo4j` runs it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from aegis_assets.errors import NotFound
from aegis_assets.settings import ROOT
from tests import services
from tests.conftest import GraphServer, Stack
from tests.defs.test_ingest import chapters, paged
from tests.e2e.conftest import Person, person_at
from tests.waiting import until

pytestmark = pytest.mark.neo4j
COLLECTION = "neo4j-line"


@pytest.fixture(scope="module")
def neo4j_stack(neo4j_server: GraphServer, session_folder: Path) -> Iterator[Stack]:
    """A stack whose graph is the Neo4j server: it runs no ArcadeDB."""
    settings = {
        "AEGIS_NEO4J_URL": neo4j_server.address,
        "AEGIS_NEO4J_USER": neo4j_server.user,
        "AEGIS_NEO4J_PASSWORD": neo4j_server.password,
    }
    with services.shared(session_folder, "neo4j-stack", lambda directory: services.start_stack(directory, settings)) as values:
        environment = json.loads(values["environment"])
        yield Stack(Path(environment["AEGIS_HOME"]), environment)


@pytest.fixture
def person(neo4j_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    with person_at(neo4j_stack, monkeypatch) as person:
        yield person


def search(person: Person, text: str) -> list[str]:
    code, out, err = person.manage("search", text, "--collection", COLLECTION, "--json")
    assert code == 0, err
    return [hit["text"] for hit in json.loads(out)]


def agree(person: Person, document: UUID) -> bool:
    stores = person.everything(document, COLLECTION)
    return bool(stores["chunks"]) and stores["chunks"] == stores["vectors"] == stores["graph"] and bool(stores["entities"])


def test_a_note_is_ingested_found_revised_and_removed(person: Person, tmp_path: Path) -> None:
    note = tmp_path / "unix.md"
    note.write_bytes((ROOT / "samples" / "unix.md").read_bytes())
    (first,) = person.ingest(note, collection=COLLECTION)
    assert first["state"] == "succeeded", first
    document = UUID(first["document"])
    assert "Dennis Ritchie" in search(person, "who created the C language")[0]
    assert agree(person, document)

    note.write_text("# Machines\n\nKonrad Zuse built the Z3 in Berlin.\n")
    (second,) = person.ingest(note, collection=COLLECTION)
    assert (second["state"], second["document"]) == ("succeeded", first["document"])
    assert agree(person, document)
    names = person.entities(COLLECTION)
    assert "Konrad Zuse" in names
    assert "Dennis Ritchie" not in names
    assert not any("Ritchie" in text for text in search(person, "who created the C language"))

    code, out, err = person.manage("remove", str(document))
    assert code == 0, out + err

    def gone() -> bool:
        try:
            person.ledger.document(document)
        except NotFound:
            return not any(person.everything(document, COLLECTION).values())
        return False

    until(gone)


def test_a_killed_run_is_retried_to_the_end(person: Person, tmp_path: Path) -> None:
    paper = tmp_path / "engines.pdf"
    paper.write_bytes(paged(chapters(48)))
    document = person.launch(paper, COLLECTION)
    until(lambda: person.ledger.progress(document).fraction > 0.1)
    os.kill(until(lambda: person.worker(document)), signal.SIGKILL)
    code, out, err = person.manage("retry", str(document))
    assert code == 0, out + err
    result = person.ledger.result(document)
    assert (result["state"], result["chunks"]) == ("succeeded", 48)
    assert agree(person, document)


def test_the_doctor_is_content(person: Person) -> None:
    code, out, err = person.manage("doctor", "--json")
    assert code == 0, out + err
