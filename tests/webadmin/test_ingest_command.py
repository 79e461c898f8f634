"""`manage.py ingest`: what becomes of files and directories, and how it waits."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from uuid import UUID

import pytest

from aegis_assets.errors import EngineUnavailable
from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.typed import Typed
from webadmin.documents import console, ingesting
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


def test_files_of_one_name_in_one_command_do_not_replace_each_other(ends: dict[str, State], papers: Path) -> None:
    other = papers.parent / "other"
    other.mkdir()
    (other / "one.md").write_text("another one")
    for paths in ([papers / "one.md", other / "one.md"], [papers, other]):
        typed = Typed("ingest", *map(str, paths), "--collection", f"c{len(paths[0].name)}", "--json")
        assert typed.code == 1
        assert "one.md: Refused: " in typed.err
        assert str(papers / "one.md") in typed.err
        assert {row["state"] for row in typed.objects() if row["document"]} == {"succeeded"}
        assert "Revised" not in typed.err


def test_a_file_named_twice_is_one_document(ends: dict[str, State], papers: Path) -> None:
    typed = Typed("ingest", str(papers), str(papers / "one.md"), "--json")
    assert typed.code == 0, typed.err
    assert [row["name"] for row in typed.objects()] == ["one.md", "two.md"]


def test_a_directory_that_cannot_be_read_is_said(ends: dict[str, State], papers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    typed = Typed("ingest", str(papers), "--json")
    assert typed.code == 1
    assert "deep: Refused: It cannot be read (Permission denied)." in typed.err
    assert [row["state"] for row in typed.objects()] == ["succeeded", "failed"]


def test_waiting_ends_with_a_sentence_when_dagster_stays_away(
    site: Path, dagster: DagsterDouble, papers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "ASK_SECONDS", 0.2)
    monkeypatch.setattr(console, "AWAY_SECONDS", 1.0)
    dagster.close()
    typed = Typed("ingest", str(papers / "one.md"))
    assert typed.code == 1
    assert "not reachable" in typed.err
    assert "type the same command again" in typed.err.lower()
    assert Document.objects.get().state == State.PENDING


def test_waiting_bears_a_dagster_that_comes_back_and_one_that_is_only_busy(
    ledger: Ledger, dagster: DagsterDouble, papers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "ASK_SECONDS", 0.1)
    monkeypatch.setattr(console, "AWAY_SECONDS", 1.0)
    away = [True]

    def problem() -> str:
        return "Dagster is away." if away[0] else ""

    monkeypatch.setattr(console, "_dagster_problem", problem)
    ingesting.receive(ingesting.Source(papers / "one.md", "one.md"), "default")
    document = Document.objects.get().pk

    def run() -> None:
        time.sleep(0.6)
        away[0] = False
        time.sleep(2.0)  # longer than Dagster may be away, but it is not: the document waits in its queue
        ledger.begin(document, "run", lambda _: False)
        ledger.finish(document, "run", State.SUCCEEDED, "")

    threading.Thread(target=run).start()
    assert console.settled([document])[document].state == State.SUCCEEDED
    away[0] = True
    ledger.request_retry(document)
    with pytest.raises(EngineUnavailable, match="away"):
        console.settled([document])


def test_documents_that_are_at_rest_are_not_asked_for_again(ledger: Ledger, papers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one.md", "deep/two.md"):
        ingesting.receive(ingesting.Source(papers / name, name), "default")
    first, second = Document.objects.order_by("source_key").values_list("pk", flat=True)
    asked: list[list[UUID]] = []
    documents = ledger.documents

    def counted(ids: list[UUID]) -> object:
        asked.append(ids)
        if len(asked) == 2:
            ledger.request_cancel(first)
        if len(asked) == 4:
            Document.objects.filter(pk=second).delete()
        return documents(ids)

    monkeypatch.setattr(ledger, "documents", counted)
    monkeypatch.setattr(console, "POLL_SECONDS", 0.01)
    last = console.settled([first, second])
    assert {document: row.state for document, row in last.items()} == {first: State.CANCELLED}
    assert asked[2:] == [[second], [second]]
