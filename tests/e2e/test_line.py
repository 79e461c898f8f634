"""From a file to a graph, as the README says it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from uuid import UUID

import pytest

from aegis_assets.model.document import State
from aegis_assets.settings import ROOT
from tests.defs.test_ingest import chapters, paged
from tests.e2e.conftest import Person
from tests.waiting import until

KEYS = {
    "document", "name", "collection", "state", "generation", "pages", "windows", "chunks", "vectors", "entities", "relations",
    "failures", "seconds", "work", "engines", "run_id",
}  # fmt: skip


def test_a_note_is_found_with_its_entities_and_costs_nothing_again(person: Person, tmp_path: Path) -> None:
    note = tmp_path / "unix.md"
    note.write_bytes((ROOT / "samples" / "unix.md").read_bytes())
    (first,) = person.ingest(note, collection="line")
    assert set(first) == KEYS
    assert first["state"] == "succeeded", first
    code, out, _ = person.manage("search", "who created the C language", "--collection", "line", "--json")
    assert code == 0
    hits = json.loads(out)
    assert "Dennis Ritchie" in hits[0]["text"]
    (again,) = person.ingest(note, collection="line")
    assert again["work"] == {"parsed_windows": 0, "embedded_chunks": 0, "extracted_chunks": 0, "llm_calls": 0}


def test_the_same_bytes_under_another_name_are_recognised_and_said(person: Person, tmp_path: Path) -> None:
    for name in ("one.md", "two.md"):
        (tmp_path / name).write_text("# Same\n\nEdsger Dijkstra wrote a letter in Eindhoven.\n")
    person.ingest(tmp_path / "one.md", collection="twins")
    _, out, err = person.manage("ingest", str(tmp_path / "two.md"), "--collection", "twins")
    assert "one.md" in out + err


def test_an_object_in_the_watched_bucket_comes_in_changes_and_goes(person: Person) -> None:
    inbox = person.settings.home / "inbox"
    inbox.mkdir(exist_ok=True)
    (inbox / "half.md.part").write_text("not yet")
    (inbox / "letter.md").write_text("# Letter\n\nBlaise Pascal built the Pascaline in Rouen.\n")

    def document(state: State) -> UUID | None:
        with person.ledger.connection() as connection:
            row = connection.execute(
                "SELECT id FROM aegis_document WHERE source = 'bucket' AND source_key = 'letter.md' AND state = %s", (state,)
            ).fetchone()
        return row["id"] if row else None

    found = until(lambda: document(State.SUCCEEDED))
    before = person.everything(found, "default")["chunks"]
    (inbox / "letter.md").write_text("# Letter\n\nGottfried Leibniz built the Stepped Reckoner in Hanover.\n")
    until(lambda: person.everything(found, "default")["chunks"] - before or None)
    (inbox / "letter.md").unlink()
    (inbox / "half.md.part").unlink()

    def gone() -> bool:
        with person.ledger.connection() as connection:
            return connection.execute("SELECT 1 FROM aegis_document WHERE id = %s", (found,)).fetchone() is None

    until(gone)
    assert not any(person.everything(found, "default").values())


def test_materializing_from_dagsters_page_works_as_from_the_admin(person: Person, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Page\n\nKonrad Zuse built the Z3 in Berlin.\n")
    (done,) = person.ingest(tmp_path / "page.md", collection="page")
    run = person.materialize(done["document"])
    until(lambda: person.ledger.result(UUID(done["document"]))["run_id"] == run)
    until(lambda: person.ledger.document(UUID(done["document"])).state == State.SUCCEEDED)
    work = person.ledger.result(UUID(done["document"]))["work"]
    assert work == {"parsed_windows": 0, "embedded_chunks": 0, "extracted_chunks": 0, "llm_calls": 0}


def worker(person: Person, document: UUID) -> int | None:
    """The process of the run that works on the document: Dagster tells its pid."""
    run = person.ledger.document(document).run_id
    query = "query($r: ID!) { logsForRun(runId: $r) { ... on EventConnection { events { ... on MessageEvent { message } } } } }"
    for event in person.dagster(query, r=run).get("events", []):
        if event.get("message", "").startswith("Started process for run (pid: "):
            return int(event["message"].split("pid: ")[1].rstrip(")."))
    return None


@pytest.mark.timeout(600)
def test_a_killed_run_is_noticed_and_a_retry_ends_as_if_nothing_had_been(person: Person, tmp_path: Path) -> None:
    paper = tmp_path / "engines.pdf"
    paper.write_bytes(paged(chapters(64)))
    (straight,) = person.ingest(paper, collection="straight")
    assert straight["state"] == "succeeded", straight
    wanted = {key: straight[key] for key in ("pages", "windows", "chunks", "vectors", "entities", "relations")}

    (tmp_path / "later.pdf").write_bytes(paged(chapters(64)))
    for number, moment in enumerate((0.1, 0.5, 0.9)):
        collection = f"killed-{number}"
        upload = ("ingest", str(tmp_path / "later.pdf"), "--collection", collection, "--no-wait")
        assert person.manage(*upload)[0] == 0
        with person.ledger.connection() as connection:
            row = connection.execute(
                "SELECT d.id FROM aegis_document d JOIN aegis_collection c ON c.id = d.collection_id WHERE c.name = %s",
                (collection,),
            ).fetchone()
        assert row is not None
        document = row["id"]
        until(lambda d=document, m=moment: person.ledger.progress(d).fraction >= m * 0.9 or None)  # type: ignore[misc]
        os.kill(until(lambda d=document: worker(person, d)), signal.SIGKILL)  # type: ignore[misc]
        code, out, err = person.manage("retry", str(document), seconds=280)
        assert code == 0, out + err
        result = person.ledger.result(document)
        assert {key: result[key] for key in wanted} == wanted
        stores = person.everything(document, collection)
        assert stores["chunks"] == stores["vectors"] == stores["graph"]


@pytest.mark.usefixtures("alone")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", ["engine", "graph", "postgres"])
def test_a_killed_part_comes_back_and_the_document_ends_well(person: Person, tmp_path: Path, part: str) -> None:
    paper = tmp_path / f"{part}.pdf"
    paper.write_bytes(paged([f"{text}\nThis copy is for the {part}." for text in chapters(48)]))
    assert person.manage("ingest", str(paper), "--collection", f"part-{part}", "--no-wait")[0] == 0
    with person.ledger.connection() as connection:
        row = connection.execute("SELECT id FROM aegis_document WHERE name = %s", (paper.name,)).fetchone()
    assert row is not None
    document = row["id"]
    until(lambda: person.ledger.progress(document).fraction > 0.1 or None)
    os.kill(person.pid(part), signal.SIGKILL)

    def at_rest() -> State | None:
        try:
            state = person.ledger.document(document).state
        except Exception:  # noqa: BLE001  the ledger itself may be the killed part
            return None
        return state if state in (State.SUCCEEDED, State.PARTIAL, State.FAILED) else None

    if until(at_rest, 240) != State.SUCCEEDED:
        assert person.ledger.document(document).message
        code, out, err = person.manage("retry", str(document))
        assert code == 0, out + err
    assert person.ledger.document(document).state == State.SUCCEEDED
    stores = person.everything(document, f"part-{part}")
    assert stores["chunks"] == stores["vectors"] == stores["graph"]
    assert len(stores["chunks"]) == 48
