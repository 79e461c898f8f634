"""The pages: who may do what, by which method, and what a hostile name does to them."""

from __future__ import annotations

import io
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.conftest import browser
from tests.webadmin.uploads import put
from webadmin.console.models import AuditEntry
from webadmin.documents import services
from webadmin.documents.models import Chunk, Document, Failure, Generation, Placement, Window

LIST = "/admin/documents/document/"
ADD = "/admin/documents/document/add/"
ACTIONS = ("ingest", "retry", "cancel", "remove")
NASTY = '<img src=x onerror="alert(1)">.md'


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
    document = put("notes.md")
    give_chunks(document, 30)
    page = admin.get(LIST).content.decode()
    assert "notes.md" in page
    assert "<progress" in page
    assert "notes.md" in admin.get(url(document)).content.decode()
    text = reverse("console:text", args=[document])
    whole = admin.get(text).content.decode()
    assert "Chunks (30)" in whole
    assert "Page 1 of 2" in whole
    assert "text 29" in admin.get(f"{text}?page=2").content.decode()


def test_names_and_texts_are_escaped_everywhere(admin: Client, ledger: Ledger) -> None:
    outcome = services.register(io.BytesIO(b"x"), NASTY, "key", "default")
    give_chunks(outcome.document, 1)
    Document.objects.filter(pk=outcome.document).update(name=NASTY, message=NASTY)
    Failure.objects.create(document_id=outcome.document, stage="parse", kind="internal", retryable=True, message=NASTY)
    text = reverse("console:text", args=[outcome.document])
    chunk = reverse("console:chunk-at", args=[outcome.document, 0, 0])
    for address in (LIST, url(outcome.document), url(outcome.document, "history"), text, chunk):
        page = admin.get(address).content.decode()
        assert "<img src=x" not in page, address
        assert "<b>text" not in page, address
        assert "<i>Top" not in page, address
    for address in (text, chunk):
        assert "&lt;b&gt;text 0&lt;/b&gt;" in admin.get(address).content.decode()


def test_the_number_of_queries_does_not_grow_with_what_is_shown(admin: Client, ledger: Ledger) -> None:
    def queries(address: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert admin.get(address).status_code == 200
        return len(captured)

    first = put("0.md")
    give_chunks(first, 2)
    few = queries(LIST), queries(url(first))
    for number in range(1, 12):
        give_chunks(put(f"{number}.md"), 1)
    more = put("more.md")
    give_chunks(more, 20)
    assert (queries(LIST), queries(url(more))) == few


def test_no_page_loads_what_the_parser_knows_of_a_document(admin: Client, ledger: Ledger) -> None:
    """An inspection has an entry for each page, a window's parse one for each heading: megabytes that no page shows."""
    document = put("a.md")
    give_chunks(document, 3)
    window = Window.objects.get()
    Failure.objects.create(document_id=document, window=window, stage="parse", kind="internal", retryable=True, message="No.")
    for address in (LIST, url(document)):
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(address).status_code == 200
        asked = [query["sql"] for query in captured if '"inspection"' in query["sql"] or '"parsed"' in query["sql"]]
        assert asked == []


def test_thousands_of_documents_can_be_chosen_for_removal(admin: Client, dagster: DagsterDouble) -> None:
    document = put("a.md")
    chosen = [str(document), *(str(uuid4()) for _ in range(8000))]
    answer = admin.post(LIST, {"action": "remove", "index": "0", "confirm": "yes", "_selected_action": chosen})
    assert answer.status_code == 302
    assert Document.objects.get(pk=document).state == State.REMOVING


@pytest.mark.parametrize("query", ["?q=%25_%27", "?page=x", "?o=x", "?collection__id__exact=x", "?q=%F0%9F%98%80", "?q=%ff"])
def test_odd_addresses_of_the_list_are_answered(admin: Client, query: str) -> None:
    put("a.md")
    assert admin.get(f"{LIST}{query}", follow=True).status_code == 200


@pytest.mark.parametrize("query", ["?q=%00", "?state__exact=%00", "?format=a%00b"])
def test_an_address_that_is_no_text_is_refused(admin: Client, query: str) -> None:
    assert admin.get(f"{LIST}{query}").status_code == 400


def test_wildcards_in_a_search_are_letters(admin: Client) -> None:
    put("a_b.md")
    put("axb.md")
    page = admin.get(f"{LIST}?q=a_b").content.decode()
    assert ("a_b.md" in page, "axb.md" in page) == (True, False)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_state_change_is_never_a_get(admin: Client, dagster: DagsterDouble, action: str) -> None:
    document = put("a.md")
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
    document = put("a.md")
    for action in ACTIONS:
        status = client.post(url(document, action), {"confirm": "yes"}).status_code
        assert (status == 302) == (action in allowed), (action, status)
    assert (client.get(LIST).status_code == 200) == bool(group)
    page = client.get(url(document)).content.decode() if group else ""
    assert ("/remove/" in page) == (group == "admin" and Document.objects.get(pk=document).state != State.REMOVING)


def test_the_groups_are_there(site: Path) -> None:
    assert set(Group.objects.values_list("name", flat=True)) >= {"viewer", "operator", "admin"}


def test_a_stranger_sees_nothing(site: Path) -> None:
    document = put("a.md")
    stranger = Client(headers={"host": "localhost"})
    for address in (LIST, ADD, url(document)):
        assert stranger.get(address).status_code == 302
    assert stranger.get(f"/api/documents/{document}/progress").status_code == 401
    assert stranger.get(f"/api/documents/states?id={document}").status_code == 401
    assert browser().get(f"/api/documents/{document}/progress").status_code == 403


def test_a_request_from_another_site_is_refused(site: Path) -> None:
    document = put("a.md")
    client = browser(superuser=True)
    client.handler.enforce_csrf_checks = True
    assert client.post(url(document, "ingest")).status_code == 403


def test_bulk_actions_do_what_they_say_and_removal_asks_first(admin: Client, dagster: DagsterDouble) -> None:
    documents = [str(put("a.md")), str(put("b.md"))]
    chosen = {"_selected_action": documents, "index": "0"}
    answer = admin.post(LIST, {**chosen, "action": "ingest"}, follow=True)
    assert "2 documents to be ingested" in answer.content.decode()
    answer = admin.post(LIST, {**chosen, "action": "remove"})
    assert "cannot be undone" in answer.content.decode()
    assert set(Document.objects.values_list("state", flat=True)) == {State.QUEUED}
    admin.post(LIST, {**chosen, "action": "remove", "confirm": "yes"})
    assert set(Document.objects.values_list("state", flat=True)) == {State.REMOVING}


def test_an_action_on_many_documents_looks_at_each_a_few_times_only(
    admin: Client, dagster: DagsterDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [str(put(f"{number}.md")) for number in range(100)]
    by_value, hashed = UUID.__hash__, 0

    def counted(self: UUID) -> int:
        nonlocal hashed
        hashed += 1
        return by_value(self)

    with monkeypatch.context() as patch:
        patch.setattr(UUID, "__hash__", counted)
        admin.post(LIST, {"_selected_action": documents, "index": "0", "action": "ingest"})
    assert AuditEntry.objects.filter(action="document.ingest").count() == 100
    assert hashed < 20 * 100


def test_an_action_leaves_its_trace_in_the_history(admin: Client, dagster: DagsterDouble) -> None:
    document = put("a.md")
    admin.post(url(document, "ingest"))
    assert "Ingest" in admin.get(url(document, "history")).content.decode()


def test_every_answer_carries_a_policy_without_inline_scripts_and_keeps_to_it(admin: Client) -> None:
    document = put("a.md")
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
    document = put("a.md")
    progress = admin.get(f"/api/documents/{document}/progress").json()
    assert progress["document"] == str(document)
    assert progress["state"] == "pending"
    assert set(progress["stages"]) == {"parse", "enrich", "embed", "extract", "resolve", "publish"}
    states = admin.get(f"/api/documents/states?id={document}&id={uuid4()}").json()["documents"]
    assert [(row["document"], row["state"]) for row in states] == [(str(document), "pending")]
    assert admin.get(f"/api/documents/{uuid4()}/progress").status_code == 404
    assert admin.get("/api/documents/states?id=x").status_code == 400
    assert admin.post(f"/api/documents/{document}/progress").status_code == 405


def test_the_page_works_while_dagster_is_away(admin: Client, dagster: DagsterDouble) -> None:
    document = put("a.md")
    dagster.close()
    answer = admin.post(url(document, "ingest"), follow=True)
    assert "not reachable" in answer.content.decode()
    assert Document.objects.get(pk=document).state == State.PENDING


def test_health_is_told_without_a_log_in(site: Path) -> None:
    answer = Client(headers={"host": "localhost"}).get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"state": "ok"})
