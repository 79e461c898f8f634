"""From a file to a graph, as the README says it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql

from aegis_assets.model.document import State
from aegis_assets.model.ids import collection_id
from aegis_assets.settings import ROOT
from tests.defs.test_ingest import chapters, paged
from tests.e2e.conftest import Person
from tests.waiting import until
from webadmin.orchestrator.client import DagsterClient, RunStatus

PARTS = {
    "ledger", "bucket", "vectors", "graph", "engine server", "parser", "embedder", "extractor", "vision", "dagster",
    "dagster daemon", "disk",
}  # fmt: skip
QUIET_SECONDS = 2.0  # in which a run that goes on would write many times: it does a dozen chunks a second
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


@pytest.mark.timeout(600)
def test_a_killed_run_is_noticed_and_its_document_ends_by_itself_as_if_nothing_had_been(person: Person, tmp_path: Path) -> None:
    paper = tmp_path / "engines.pdf"
    paper.write_bytes(paged(chapters(32)))
    (straight,) = person.ingest(paper, collection="straight")
    assert straight["state"] == "succeeded", straight
    wanted = {key: straight[key] for key in ("pages", "windows", "chunks", "vectors", "entities", "relations")}

    (tmp_path / "later.pdf").write_bytes(paged(chapters(32)))
    for number, moment in enumerate((0.1, 0.5, 0.9)):
        collection = f"killed-{number}"
        document = person.launch(tmp_path / "later.pdf", collection)
        until(lambda d=document, m=moment: person.ledger.progress(d).fraction >= m * 0.9 or None)  # type: ignore[misc]
        os.kill(until(lambda d=document: person.worker(d)), signal.SIGKILL)  # type: ignore[misc]
        until(lambda d=document: person.ledger.document(d).state == State.SUCCEEDED, 280)  # type: ignore[misc]
        result = person.ledger.result(document)
        assert {key: result[key] for key in wanted} == wanted
        stores = person.everything(document, collection)
        assert stores["chunks"] == stores["vectors"] == stores["graph"]


COLUMNS = "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'document_id'"
ROWS = "SELECT md5(string_agg(r::text, ',' ORDER BY r::text)) AS hash FROM {} r WHERE document_id = %s"
DONE = """
SELECT count(*) FILTER (WHERE stage = 'embed') AS embedded_chunks, count(*) FILTER (WHERE stage = 'extract') AS extracted_chunks
FROM aegis_chunk_task WHERE document_id = %s AND state = 'done'"""


def written(person: Person, document: UUID, collection: str) -> dict[str, Any]:
    """What the stores hold of the document, published or not: a hash of the ledger's rows by table, and ids."""
    scope = collection_id(collection)
    with person.ledger.connection() as connection:
        tables = [row["table_name"] for row in connection.execute(COLUMNS).fetchall()]
        hashes = {name: connection.execute(sql.SQL(ROWS).format(sql.Identifier(name)), (document,)).fetchone() for name in tables}
    graph = person.graph.chunk_ids(scope, document), person.graph.entity_ids(scope, document)
    return {"ledger": hashes, "vectors": person.vectors.chunk_ids(scope, document), "graph": graph}


@pytest.mark.slow  # in a browser test_console does the same
def test_a_cancelled_document_stays_as_it_is_and_a_retry_does_the_rest(person: Person, tmp_path: Path) -> None:
    pages = 200  # the command takes seconds to start, and the document must not be done by then
    paper = tmp_path / "cancelled.pdf"
    paper.write_bytes(paged(chapters(pages, "cancelled book")))
    document = person.launch(paper, "cancelled")
    until(lambda: person.ledger.progress(document).fraction > 0.1)
    run = person.ledger.document(document).run_id
    code, out, err = person.manage("cancel", str(document))
    assert code == 0, out + err
    assert person.ledger.document(document).state == State.CANCELLED
    # it may have seen by itself, before Dagster stopped it, that nothing is left to do
    assert DagsterClient(person.stack.dagster).run_status(run) in (RunStatus.CANCELED, RunStatus.SUCCESS)

    left = written(person, document, "cancelled")
    with person.ledger.connection() as connection:
        done = connection.execute(DONE, (document,)).fetchone() or {}
    assert 0 < sum(done.values()) < 2 * pages, "it was cancelled in the middle of its work"
    time.sleep(QUIET_SECONDS)
    assert written(person, document, "cancelled") == left
    assert person.ledger.document(document).state == State.CANCELLED

    code, out, err = person.manage("retry", str(document))
    assert code == 0, out + err
    result, stores = person.ledger.result(document), person.everything(document, "cancelled")
    assert (result["state"], result["pages"], result["chunks"], result["vectors"]) == (State.SUCCEEDED, pages, pages, pages)
    assert stores["chunks"] == stores["vectors"] == stores["graph"]
    assert (result["entities"], result["relations"]) == (len(stores["entities"]), len(stores["relations"])) != (0, 0)
    assert {kind: n + result["work"][kind] for kind, n in done.items()} == dict.fromkeys(done, pages), "nothing is done twice"


@pytest.mark.usefixtures("alone")
def test_the_doctor_finds_all_well_and_a_killed_graph_alone_amiss(person: Person) -> None:
    def doctor() -> tuple[int, dict[str, str]]:
        """Exit code, and what is said of the parts that are not well."""
        code, out, err = person.manage("doctor", "--json")
        found = json.loads(out)
        assert found["ok"] == (code == 0), err
        assert {check["part"] for check in found["checks"]} == PARTS
        return code, {check["part"]: check["sentence"] for check in found["checks"] if not check["ok"]}

    assert doctor() == (0, {})
    supervisor = int((person.settings.home / "run" / "supervisord.pid").read_text())
    graph = person.pid("graph")
    os.kill(supervisor, signal.SIGSTOP)  # else the graph would be back before the doctor has looked
    try:
        os.kill(graph, signal.SIGKILL)
        code, amiss = doctor()
    finally:
        os.kill(supervisor, signal.SIGCONT)
    assert code == 1
    assert amiss == {"graph": "The graph server does not answer: check that it runs, and AEGIS_NEO4J_URL."}
    until(lambda: doctor() == (0, {}))
