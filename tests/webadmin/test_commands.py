"""The commands as people type them: output, JSON, exit codes, and one sentence when something is wrong."""

from __future__ import annotations

import io
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.services import free_ports
from tests.webadmin.conftest import forget
from webadmin.documents import console, services
from webadmin.documents.models import Document

KEYS = {
    "document",
    "name",
    "collection",
    "state",
    "generation",
    "pages",
    "windows",
    "chunks",
    "vectors",
    "entities",
    "relations",
    "failures",
    "seconds",
    "work",
    "engines",
    "run_id",
}
SECONDS = {"total", "parse", "enrich", "embed", "extract", "resolve", "publish"}
WORK = {"parsed_windows", "embedded_chunks", "extracted_chunks", "llm_calls"}


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
                    self._work(run_id, UUID(run["tags"]["dagster/partition"]))
                    run["status"] = "SUCCESS"
            time.sleep(0.05)

    def _work(self, run_id: str, document: UUID) -> None:
        row = self._ledger.begin(document, run_id, lambda _: True)
        self._ledger.finish(document, run_id, self._ends.get(row.name, State.SUCCEEDED), "")

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(10)


@pytest.fixture
def ends(dagster: DagsterDouble, ledger: Ledger) -> Iterator[dict[str, State]]:
    """Documents end as this says, by name."""
    chosen: dict[str, State] = {}
    worker = Worker(dagster, ledger, chosen)
    worker.start()
    yield chosen
    worker.stop()


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.md").write_text("one")
    (folder / "deep" / "two.md").write_text("two")
    (folder / ".hidden").write_text("hidden")
    (folder / "link.md").symlink_to("/etc/passwd")
    return folder


def put(name: str, content: bytes = b"") -> UUID:
    outcome = services.upload(io.BytesIO(content or name.encode()), name, "default")
    assert outcome.document is not None
    return outcome.document


def test_ingest_takes_a_directory_and_gives_one_object_per_document(ends: dict[str, State], papers: Path) -> None:
    typed = Typed("ingest", str(papers), "--collection", "papers", "--json")
    assert typed.code == 0, typed.err
    found = typed.objects()
    assert [row["name"] for row in found] == ["one.md", "two.md"]
    for row in found:
        assert set(row) == KEYS
        assert set(row["seconds"]) == SECONDS
        assert set(row["work"]) == WORK
        assert (row["state"], row["collection"]) == ("succeeded", "papers")
        assert row["run_id"]


def test_an_unchanged_document_is_reported_at_once_with_no_work(
    ends: dict[str, State], dagster: DagsterDouble, papers: Path
) -> None:
    assert Typed("ingest", str(papers / "one.md")).code == 0
    runs = len(dagster.runs)
    typed = Typed("ingest", str(papers / "one.md"), "--json")
    assert typed.code == 0
    assert "Unchanged" in typed.err
    (row,) = typed.objects()
    assert row["state"] == "succeeded"
    assert set(row["work"].values()) == {0}
    assert len(dagster.runs) == runs
    assert "no work" in Typed("ingest", str(papers / "one.md")).out


def test_a_duplicate_is_said(ends: dict[str, State], papers: Path) -> None:
    (papers / "copy.md").write_text("one")
    typed = Typed("ingest", str(papers / "one.md"), str(papers / "copy.md"))
    assert typed.code == 0
    assert "Duplicate of one.md" in typed.err


def test_one_failed_document_makes_the_exit_code_1_and_leaves_the_others_be(ends: dict[str, State], papers: Path) -> None:
    ends["two.md"] = State.FAILED
    typed = Typed("ingest", str(papers), "--json")
    assert typed.code == 1
    assert [row["state"] for row in typed.objects()] == ["succeeded", "failed"]


def test_refused_files_are_said_in_a_sentence_and_in_the_json(ends: dict[str, State], papers: Path) -> None:
    (papers / "empty.md").write_text("")
    typed = Typed("ingest", str(papers / "empty.md"), str(papers / "nowhere.md"), str(papers / "one.md"), "--json")
    assert typed.code == 1
    assert "The file is empty." in typed.err
    assert "no such file" in typed.err
    first, second, third = typed.objects()
    for row in (first, second):
        assert set(row) == KEYS
        assert (row["document"], row["state"], row["failures"][0]["kind"]) == (None, "failed", "bad_input")
    assert third["state"] == "succeeded"


def test_two_files_of_one_name_in_different_directories_are_two_documents(ends: dict[str, State], papers: Path) -> None:
    (papers / "deep" / "one.md").write_text("another one")
    typed = Typed("ingest", str(papers), "--json")
    assert typed.code == 0, typed.err
    assert len({row["document"] for row in typed.objects()}) == 3


def test_a_directory_without_files_and_a_bad_collection_are_refused(site: Path, papers: Path) -> None:
    (papers / "none").mkdir()
    assert Typed("ingest", str(papers / "none")).code == 1
    typed = Typed("ingest", str(papers), "--collection", "../x")
    assert typed.code == 1
    assert "collection's name" in typed.err
    assert not Document.objects.exists()


def test_a_name_cannot_steer_the_terminal(ends: dict[str, State]) -> None:
    assert console.printable("a\x1b[2Jb\r\n") == "a\ufffd[2Jb\ufffd\n"


def test_retry_waits_for_the_end_and_says_it(ends: dict[str, State], ledger: Ledger, papers: Path) -> None:
    ends["one.md"] = State.PARTIAL
    assert Typed("ingest", str(papers / "one.md")).code == 1
    ends.clear()
    typed = Typed("retry", "one.md")
    assert typed.code == 0
    assert "one.md: succeeded" in typed.out


def test_cancel_of_a_waiting_document_is_done_when_it_returns(site: Path) -> None:
    document = put("a.md")
    assert Typed("cancel", str(document)).code == 0
    assert Document.objects.get(pk=document).state == State.CANCELLED
    typed = Typed("cancel", str(document))
    assert typed.code == 1
    assert "cancelled" in typed.err


def test_remove_waits_until_the_document_is_gone(site: Path, dagster: DagsterDouble) -> None:
    document = put("a.md")
    remover = threading.Timer(0.3, lambda: Document.objects.filter(pk=document, state=State.REMOVING).delete())
    remover.start()
    typed = Typed("remove", "a.md")
    remover.join()
    assert typed.code == 0
    assert not Document.objects.exists()
    assert [run["job"] for run in dagster.runs.values()] == ["remove"]


def test_without_waiting_remove_returns_at_once(site: Path) -> None:
    document = put("a.md")
    assert Typed("remove", str(document), "--no-wait").code == 0
    assert Document.objects.get(pk=document).state == State.REMOVING


def test_a_name_that_two_documents_have_is_asked_about(site: Path) -> None:
    put("a.md", b"1")
    services.upload(io.BytesIO(b"1"), "a.md", "other")
    typed = Typed("cancel", "a.md")
    assert typed.code == 1
    assert "More than one" in typed.err
    assert Typed("cancel", "b.md").err.strip() == "There is no document named 'b.md'."


def test_search_says_what_is_away_and_never_shows_a_traceback(site: Path) -> None:
    put("a.md")
    typed = Typed("search", "anything")
    assert typed.code == 1
    assert "engine server" in typed.err
    assert "Traceback" not in typed.err
    assert Typed("search", "x", "--collection", "nowhere").err.strip() == "There is no collection named 'nowhere'."
    assert Typed("search", "  ").code == 1


@pytest.mark.parametrize("words", [("ingest", "x"), ("search", "x"), ("retry", "x"), ("createadmin",), ("demo",)])
def test_without_a_stack_a_command_says_how_to_start_it(site: Path, words: tuple[str, ...]) -> None:
    (port,) = free_ports(1)
    before = os.environ["AEGIS_POSTGRES_URL"]
    os.environ["AEGIS_POSTGRES_URL"] = f"postgresql://aegis@127.0.0.1:{port}/aegis"
    forget()
    try:
        typed = Typed(*words)
    finally:
        os.environ["AEGIS_POSTGRES_URL"] = before
        forget()
    assert typed.code == 1
    assert typed.err.strip() == (f"The stack is not running (no PostgreSQL at 127.0.0.1:{port}). Start it with make up.")


def test_the_doctor_names_every_part_and_what_to_do(site: Path, dagster: DagsterDouble) -> None:
    typed = Typed("doctor", "--json")
    found = json.loads(typed.out)
    checks = {check["part"]: check for check in found["checks"]}
    assert typed.code == 1
    assert not found["ok"]
    assert {name for name, check in checks.items() if check["ok"]} >= {"ledger", "bucket", "dagster", "dagster daemon", "disk"}
    for part in ("engine server", "graph"):
        assert not checks[part]["ok"]
        assert checks[part]["sentence"]
    assert "FAIL engine server" in Typed("doctor").out


def test_the_password_of_the_admin_is_made_once_and_kept_private(site: Path) -> None:
    typed = Typed("createadmin")
    path = site / "admin-password"
    password = path.read_text().strip()
    assert password in typed.out
    assert len(password) >= 20
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    user = authenticate(username="admin", password=password)
    assert user is not None
    assert user.is_superuser
    assert password not in Typed("createadmin").out
    assert path.read_text().strip() == password
