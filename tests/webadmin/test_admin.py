"""The pages: who may do what, by which method, and what a hostile name does to them."""

from __future__ import annotations

import io
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from aegis_assets.model.document import State
from aegis_assets.model.parsing import Frozen
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.conftest import browser
from webadmin.documents import services
from webadmin.documents.models import Chunk, Collection, Document, Failure, Generation, Placement, Window

LIST = "/admin/documents/document/"
ADD = "/admin/documents/document/add/"
ACTIONS = ("ingest", "retry", "cancel", "remove")
NASTY = '<img src=x onerror="alert(1)">.md'


def new(name: str, content: bytes = b"") -> UUID:
    outcome = services.upload(io.BytesIO(content or name.encode()), name, "default")
    assert outcome.document is not None
    return outcome.document


def url(document: UUID, action: str = "change") -> str:
    return reverse(f"admin:documents_document_{action}", args=[document])


def give_chunks(document: UUID, count: int) -> None:
    """Chunks as a run would leave them."""
    generation = Generation.objects.create(document_id=document, number=1, sha256="0" * 64, blob="blobs/x", pages=3)
    window = Window.objects.create(id=uuid4(), generation=generation, document_id=document, ordinal=0, first=1, last=3, key="k")
    for number in range(count):
        chunk = Chunk.objects.create(
            id=uuid4(), document_id=document, text_hash=f"{number:064}", repeat=0, text=f"<b>text {number}</b>", tokens=5
        )
        Placement.objects.create(
            generation=generation, window=window, chunk=chunk, ordinal=number, headings=["<i>Top</i>"], pages=[1, 2]
        )
    Document.objects.filter(pk=document).update(live=generation)


def test_the_list_and_the_pages_of_a_document_are_shown(admin: Client, ledger: Ledger) -> None:
    document = new("notes.md")
    give_chunks(document, 30)
    page = admin.get(LIST).content.decode()
    assert "notes.md" in page
    assert "<progress" in page
    detail = admin.get(url(document)).content.decode()
    assert "Chunks (30)" in detail
    assert "Page 1 of 2" in detail
    assert "text 29" in admin.get(f"{url(document)}?page=2").content.decode()


def test_names_and_texts_are_escaped_everywhere(admin: Client, ledger: Ledger) -> None:
    outcome = services.register(io.BytesIO(b"x"), NASTY, "key", "default")
    give_chunks(outcome.document, 1)
    Document.objects.filter(pk=outcome.document).update(name=NASTY, message=NASTY)
    Failure.objects.create(document_id=outcome.document, stage="parse", kind="internal", retryable=True, message=NASTY)
    for address in (LIST, url(outcome.document), url(outcome.document, "history")):
        page = admin.get(address).content.decode()
        assert "<img src=x" not in page, address
        assert "<b>text" not in page, address
        assert "<i>Top" not in page, address
    assert "&lt;b&gt;text 0&lt;/b&gt;" in admin.get(url(outcome.document)).content.decode()


def test_the_number_of_queries_does_not_grow_with_what_is_shown(admin: Client, ledger: Ledger) -> None:
    def queries(address: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert admin.get(address).status_code == 200
        return len(captured)

    first = new("0.md")
    give_chunks(first, 2)
    few = queries(LIST), queries(url(first))
    for number in range(1, 12):
        give_chunks(new(f"{number}.md"), 1)
    more = new("more.md")
    give_chunks(more, 20)
    assert (queries(LIST), queries(url(more))) == few


@pytest.mark.parametrize("action", ACTIONS)
def test_a_state_change_is_never_a_get(admin: Client, dagster: DagsterDouble, action: str) -> None:
    document = new("a.md")
    assert admin.get(url(document, action)).status_code == 405
    assert admin.get(f"{LIST}?action={action}&_selected_action={document}&index=0").status_code in (200, 302)
    assert admin.post(url(document)).status_code == 405
    assert Document.objects.get(pk=document).state == State.PENDING
    assert not dagster.runs


@pytest.mark.parametrize(
    ("group", "allowed"),
    [("", set()), ("viewer", set()), ("operator", {"ingest", "retry", "cancel"}), ("admin", set(ACTIONS))],
)
def test_each_action_needs_its_permission(site: Path, dagster: DagsterDouble, group: str, allowed: set[str]) -> None:
    client = browser(group=group)
    document = new("a.md")
    for action in ACTIONS:
        status = client.post(url(document, action), {"confirm": "yes"}).status_code
        assert (status == 302) == (action in allowed), (action, status)
    assert (client.get(LIST).status_code == 200) == bool(group)
    page = client.get(url(document)).content.decode() if group else ""
    assert ("/remove/" in page) == (group == "admin" and Document.objects.get(pk=document).state != State.REMOVING)


@pytest.mark.parametrize(("group", "status"), [("viewer", 403), ("operator", 200), ("admin", 200)])
def test_uploading_needs_its_permission(site: Path, group: str, status: int) -> None:
    assert browser(group=group).get(ADD).status_code == status


def test_the_groups_are_there(site: Path) -> None:
    assert set(Group.objects.values_list("name", flat=True)) >= {"viewer", "operator", "admin"}


def test_a_stranger_sees_nothing(site: Path) -> None:
    document = new("a.md")
    stranger = Client(headers={"host": "localhost"})
    for address in (LIST, ADD, url(document)):
        assert stranger.get(address).status_code == 302
    assert stranger.get(f"/api/documents/{document}/progress").status_code == 401
    assert stranger.get(f"/api/documents/states?id={document}").status_code == 401
    assert browser().get(f"/api/documents/{document}/progress").status_code == 403


def test_a_request_from_another_site_is_refused(site: Path) -> None:
    document = new("a.md")
    client = browser(superuser=True)
    client.handler.enforce_csrf_checks = True
    assert client.post(url(document, "ingest")).status_code == 403


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


def test_bulk_actions_do_what_they_say_and_removal_asks_first(admin: Client, dagster: DagsterDouble) -> None:
    documents = [str(new("a.md")), str(new("b.md"))]
    chosen = {"_selected_action": documents, "index": "0"}
    answer = admin.post(LIST, {**chosen, "action": "ingest"}, follow=True)
    assert "2 documents to be ingested" in answer.content.decode()
    answer = admin.post(LIST, {**chosen, "action": "remove"})
    assert "cannot be undone" in answer.content.decode()
    assert set(Document.objects.values_list("state", flat=True)) == {State.QUEUED}
    admin.post(LIST, {**chosen, "action": "remove", "confirm": "yes"})
    assert set(Document.objects.values_list("state", flat=True)) == {State.REMOVING}


def test_an_action_leaves_its_trace_in_the_history(admin: Client, dagster: DagsterDouble) -> None:
    document = new("a.md")
    admin.post(url(document, "ingest"))
    assert "Ingest" in admin.get(url(document, "history")).content.decode()


def test_a_collection_with_documents_cannot_be_deleted(admin: Client, ledger: Ledger) -> None:
    new("a.md")
    collection = Collection.objects.get()
    address = reverse("admin:documents_collection_delete", args=[collection.pk])
    assert admin.post(address, {"post": "yes"}).status_code == 403
    assert Collection.objects.exists()


def test_a_collection_made_in_the_admin_is_the_one_that_an_upload_by_its_name_goes_to(admin: Client) -> None:
    fields = {"name": "papers", "description": "", "entity_types": "Person,Place", "relation_types": "", "prompt": ""}
    assert admin.post(reverse("admin:documents_collection_add"), fields).status_code == 302
    services.upload(io.BytesIO(b"1"), "a.md", "papers")
    collection = Collection.objects.get()
    assert collection.entity_types == ["Person", "Place"]
    assert collection.documents.count() == 1


def test_every_answer_carries_a_policy_without_inline_scripts_and_keeps_to_it(admin: Client) -> None:
    document = new("a.md")
    for address in (LIST, ADD, url(document), "/admin/login/"):
        answer = admin.get(address)
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        page = answer.content.decode()
        assert "<script>" not in page
        assert "onclick" not in page
        assert "<style" not in page
        assert ' style="' not in page


def test_progress_and_states_are_given_as_json(admin: Client, ledger: Ledger) -> None:
    document = new("a.md")
    progress = admin.get(f"/api/documents/{document}/progress").json()
    assert progress["document"] == str(document)
    assert progress["state"] == "pending"
    assert set(progress["stages"]) == {"parse", "enrich", "embed", "extract", "resolve", "publish"}
    states = admin.get(f"/api/documents/states?id={document}&id={uuid4()}").json()["documents"]
    assert [(row["id"], row["state"]) for row in states] == [(str(document), "pending")]
    assert admin.get(f"/api/documents/{uuid4()}/progress").status_code == 404
    assert admin.get("/api/documents/states?id=x").status_code == 400
    assert admin.post(f"/api/documents/{document}/progress").status_code == 405


def test_the_page_works_while_dagster_is_away(admin: Client, dagster: DagsterDouble) -> None:
    document = new("a.md")
    dagster.close()
    answer = admin.post(url(document, "ingest"), follow=True)
    assert "not reachable" in answer.content.decode()
    assert Document.objects.get(pk=document).state == State.PENDING


def test_health_is_told_without_a_log_in(site: Path) -> None:
    answer = Client(headers={"host": "localhost"}).get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"state": "ok"})
