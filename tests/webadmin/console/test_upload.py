"""The upload page's scripts speak to these: what a file would be, one file, and the beginning of all."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.conftest import browser
from tests.webadmin.test_admin import NASTY
from webadmin.console.models import AuditEntry
from webadmin.documents import services
from webadmin.documents.models import Document

KNOWN, ONE, BEGIN = "/admin/upload/known", "/admin/upload/one", "/admin/upload/begin"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def ask(client: Client, *files: tuple[str, bytes | None], collection: str = "papers") -> list[tuple[str, str]]:
    said = [{"path": path, "sha256": sha(content) if content is not None else ""} for path, content in files]
    answer = client.post(KNOWN, {"collection": collection, "files": json.dumps(said)}).json()
    return [(one["outcome"], one["sentence"]) for one in answer["files"]]


def send(client: Client, path: str, content: bytes, **fields: str) -> Any:
    file = SimpleUploadedFile(path.rpartition("/")[2], content)
    return client.post(ONE, {"files": file, "path": path, "new_collection": "papers", **fields}).json()


def test_what_a_file_would_be_is_said_before_it_is_sent_and_comes_true(admin: Client, dagster: DagsterDouble) -> None:
    services.receive(io.BytesIO(b"one"), "one.md", "notes/one.md", "papers")
    files = [
        ("notes/one.md", b"one"),
        ("notes/one.md", b"other"),
        ("copy.md", b"one"),
        ("other/one.md", b"new"),
        ("twin.md", b"new"),
    ]
    foretold = [outcome for outcome, _ in ask(admin, *files)]
    assert foretold == ["unchanged", "revised", "duplicate", "new", "duplicate"]
    assert ask(admin, ("copy.md", b"one"))[0][1] == "Duplicate of one.md."
    assert ask(admin, ("copy.md", b"one"), collection="elsewhere")[0][0] == "new"
    Document.objects.all().delete()
    services.receive(io.BytesIO(b"one"), "one.md", "notes/one.md", "papers")
    came = [send(admin, path, content)["outcome"] for path, content in (files[0], files[2], files[3], files[4], files[1])]
    assert came == ["unchanged", "duplicate", "new", "duplicate", "revised"]


def test_without_a_hash_only_the_name_is_known(admin: Client, dagster: DagsterDouble) -> None:
    services.upload(io.BytesIO(b"one"), "one.md", "papers")
    assert [outcome for outcome, _ in ask(admin, ("one.md", None), ("two.md", None))] == ["unsure", "new"]


def test_a_thousand_names_are_one_query(admin: Client, ledger: Ledger) -> None:
    with CaptureQueriesContext(connection) as captured:
        ask(admin, *[(f"{number}.md", str(number).encode()) for number in range(1000)])
    assert len([query for query in captured if "aegis_document" in query["sql"]]) == 1


def test_nonsense_is_refused_in_a_sentence(admin: Client) -> None:
    for files in ("", "{}", '[{"path": 1}]', '[{"path": "a", "more": 1}]'):
        answer = admin.post(KNOWN, {"files": files})
        assert (answer.status_code, answer.json()) == (400, {"error": "This is no list of files."})
    assert admin.post(BEGIN, {"documents": "[1]"}).status_code == 400
    assert "Choose a collection" in send(admin, "a.md", b"1", new_collection="")["error"]
    assert "does not begin with" in send(admin, "a.md", b"1", new_collection="../x")["error"]
    assert admin.post(ONE, {"new_collection": "papers"}).status_code == 400


def test_files_are_held_until_all_are_there_and_then_ingested_together(
    admin: Client, dagster: DagsterDouble, ledger: Ledger
) -> None:
    answers = [send(admin, f"deep/{name}.md", name.encode()) for name in ("a", "b")]
    assert ledger.claim(10) == []
    assert {document.message for document in Document.objects.all()} == {"Uploaded, not ingested yet."}
    assert not dagster.runs
    answer = admin.post(BEGIN, {"documents": json.dumps([one["document"] for one in answers])}).json()
    assert answer == {"done": 2, "refused": [], "notice": ""}
    assert set(Document.objects.values_list("state", flat=True)) == {State.QUEUED}
    acts = AuditEntry.objects.filter(target_kind="document").values_list("action", flat=True)
    assert sorted(acts) == 2 * ["document.ingest"] + 2 * ["document.upload"]


def test_files_of_one_name_in_two_folders_are_two_documents(admin: Client, dagster: DagsterDouble) -> None:
    send(admin, "one/index.md", b"1")
    send(admin, "two/index.md", b"2")
    assert sorted(Document.objects.values_list("source_key", flat=True)) == ["one/index.md", "two/index.md"]
    assert set(Document.objects.values_list("name", flat=True)) == {"index.md"}


def test_a_duplicate_does_not_hold_back_the_one_that_waits(admin: Client, dagster: DagsterDouble, ledger: Ledger) -> None:
    services.upload(io.BytesIO(b"one"), "one.md", "papers")
    assert send(admin, "copy.md", b"one")["outcome"] == "duplicate"
    assert Document.objects.get().state == State.PENDING


def test_the_same_bytes_again_hold_back_only_what_they_made_wait(admin: Client, dagster: DagsterDouble, ledger: Ledger) -> None:
    services.upload(io.BytesIO(b"one"), "one.md", "papers")
    theirs = send(admin, "one.md", b"one")
    document = Document.objects.get()
    assert (document.state, document.message) == (State.PENDING, "")
    ledger.request_cancel(document.pk)
    ours = send(admin, "one.md", b"one")
    document.refresh_from_db()
    assert (document.state, document.message) == (State.CANCELLED, "Uploaded, not ingested yet.")
    assert [(one["outcome"], one["made_pending"]) for one in (theirs, ours)] == [("unchanged", False), ("unchanged", True)]


def test_a_file_that_is_too_large_or_empty_is_refused_alone(admin: Client, dagster: DagsterDouble) -> None:
    assert "larger than 1 MB" in send(admin, "big.bin", b"x" * 2_500_000)["sentence"]
    assert "is empty" in send(admin, "empty.md", b"")["sentence"]
    assert not Document.objects.exists()


def test_a_path_leads_nowhere_and_a_name_is_text(admin: Client, dagster: DagsterDouble) -> None:
    send(admin, "../../etc/passwd", b"x")
    assert Document.objects.get().source_key == "etc/passwd"
    answer = admin.post(ONE, {"files": SimpleUploadedFile("x", b"y"), "path": NASTY, "new_collection": "papers"})
    assert answer.headers["Content-Type"] == "application/json"


def test_each_step_needs_its_permission_and_is_a_post(site: Path, dagster: DagsterDouble) -> None:
    viewer, uploader = browser(group="viewer"), browser("view_document", "add_document", "add_collection")
    assert {viewer.post(address).status_code for address in (KNOWN, ONE, BEGIN)} == {403}
    assert send(uploader, "a.md", b"1")["outcome"] == "new"
    assert uploader.post(BEGIN, {"documents": json.dumps([str(uuid4())])}).status_code == 403
    operator = browser(group="operator")
    assert {operator.get(address).status_code for address in (KNOWN, ONE, BEGIN)} == {405}
    page = uploader.get("/admin/documents/document/add/").content.decode()
    assert 'name="ingest"' not in page


def test_a_request_from_another_site_is_refused(site: Path) -> None:
    client = browser(superuser=True)
    client.handler.enforce_csrf_checks = True
    assert {client.post(address).status_code for address in (KNOWN, ONE, BEGIN)} == {403}
