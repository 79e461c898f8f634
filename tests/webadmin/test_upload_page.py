"""The upload page: several files, each with its outcome."""

from __future__ import annotations

import io
from pathlib import Path
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from aegis_assets.errors import StoreUnavailable
from aegis_assets.model.document import State
from aegis_assets.model.parsing import Frozen
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.conftest import browser
from webadmin.documents import services
from webadmin.documents.models import Collection, Document

ADD = "/admin/documents/document/add/"


def url(document: UUID, action: str = "change") -> str:
    return reverse(f"admin:documents_document_{action}", args=[document])


class Sent(Frozen):
    status: int
    page: str


def send(client: Client, *files: SimpleUploadedFile, **fields: str) -> Sent:
    answer = client.post(ADD, {"files": list(files), "new_collection": "papers", **fields})
    return Sent(status=answer.status_code, page=answer.content.decode())


def test_several_files_are_uploaded_and_each_outcome_is_said(admin: Client, dagster: DagsterDouble) -> None:
    one, two = SimpleUploadedFile("one.md", b"1"), SimpleUploadedFile("two.md", b"2")
    sent = send(admin, one, two, SimpleUploadedFile("copy.md", b"1"), SimpleUploadedFile("empty.md", b""), ingest="on")
    assert sent.status == 200
    assert sent.page.count("New document.") == 2
    assert "Duplicate of one.md" in sent.page
    assert "The file is empty." in sent.page
    assert Collection.objects.get().name == "papers"
    assert {run["job"] for run in dagster.runs.values()} == {"ingest"}
    assert set(Document.objects.values_list("state", flat=True)) == {State.QUEUED}


def test_files_uploaded_to_be_ingested_later_are_not_taken_up_before(admin: Client, dagster: DagsterDouble, ledger: Ledger) -> None:
    assert send(admin, SimpleUploadedFile("one.md", b"1")).status == 200
    assert not dagster.runs
    assert ledger.claim(10) == []
    document = Document.objects.get()
    assert document.message == "Uploaded, not ingested yet."
    admin.post(url(document.pk, "ingest"))
    assert [run["job"] for run in dagster.runs.values()] == ["ingest"]


def test_a_file_over_the_limit_is_said_and_the_rest_of_the_upload_untouched(admin: Client, dagster: DagsterDouble) -> None:
    sent = send(admin, SimpleUploadedFile("big.bin", b"x" * 2_500_000), SimpleUploadedFile("one.md", b"1"))
    assert "big.bin" in sent.page
    assert "larger than 1 MB" in sent.page
    assert [document.name for document in Document.objects.all()] == ["one.md"]


def test_an_upload_without_files_or_collection_says_so(admin: Client) -> None:
    assert "Choose at least one file" in send(admin).page
    assert "Choose a collection" in send(admin, SimpleUploadedFile("a.md", b"1"), new_collection="").page
    assert "does not begin with" in send(admin, SimpleUploadedFile("a.md", b"1"), new_collection="../x").page


def test_two_files_of_one_name_in_one_upload_do_not_replace_each_other(admin: Client, dagster: DagsterDouble) -> None:
    sent = send(admin, SimpleUploadedFile("a.md", b"1"), SimpleUploadedFile("a.md", b"2"))
    assert "Another file of this upload has the same name" in sent.page
    assert "Revised" not in sent.page
    assert Document.objects.get().size == 1


def test_who_may_not_make_collections_cannot_make_one_by_an_upload(site: Path, dagster: DagsterDouble) -> None:
    client = browser("view_document", "add_document")
    assert "You may not make collections" in send(client, SimpleUploadedFile("a.md", b"1")).page
    assert not Collection.objects.exists()
    services.upload(io.BytesIO(b"0"), "b.md", "papers")
    assert "New document" in send(client, SimpleUploadedFile("a.md", b"1")).page


def test_an_upload_whose_launch_fails_says_so_and_keeps_the_file(
    admin: Client, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreUnavailable("The ledger (PostgreSQL) does not answer.")

    monkeypatch.setattr(ledger, "claim", fail)
    sent = send(admin, SimpleUploadedFile("a.md", b"1"), ingest="on")
    assert sent.status == 200
    assert "does not answer" in sent.page
    assert Document.objects.get().state == State.PENDING


@pytest.mark.parametrize(("group", "status"), [("viewer", 403), ("operator", 200), ("admin", 200)])
def test_uploading_needs_its_permission(site: Path, group: str, status: int) -> None:
    assert browser(group=group).get(ADD).status_code == status
