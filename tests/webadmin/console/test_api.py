"""The API as a script uses it: by token, and by a browser's session."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.conftest import browser
from webadmin.console.models import ApiToken, AuditEntry
from webadmin.console.people import tokens
from webadmin.documents import services
from webadmin.documents.models import Collection, Document

NOBODY = "7d1f0a52-6c1c-4f0e-9a58-0d5b2a2c9e11"  # no document has it


def new(name: str, collection: str = "default") -> UUID:
    outcome = services.upload(io.BytesIO(name.encode()), name, collection)
    assert outcome.document
    return outcome.document


def script(group: str, **headers: str) -> Client:
    """A script with a token of someone with this role. Django's client would let a request without a CSRF token pass otherwise."""
    user = User.objects.create_user(f"script {User.objects.count()}", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    _, secret = tokens.make(user, "nightly", 1)
    return Client(enforce_csrf_checks=True, headers={"host": "localhost", "authorization": f"Bearer {secret}", **headers})


def file(name: str, content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


@pytest.fixture
def operator(ledger: Ledger) -> Client:
    return script("operator")


def test_a_script_uploads_watches_and_steers_by_its_token(operator: Client, dagster: DagsterDouble) -> None:
    answer = operator.post("/api/documents", {"files": [file("a.md", b"one"), file("b.md", b"two")], "collection": "papers"})
    assert answer.status_code == 201, answer.content
    told = answer.json()["documents"]
    assert [(one["name"], one["outcome"]) for one in told] == [("a.md", "new"), ("b.md", "new")]
    document = told[0]["document"]
    assert len(dagster.runs) == 2
    assert operator.get(f"/api/documents/{document}/progress").json()["state"] == "queued"
    cancelled = operator.post(f"/api/documents/{document}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
    assert operator.post(f"/api/documents/{document}/retry").status_code == 202
    assert operator.post(f"/api/documents/{document}/ingest").status_code == 409
    said = AuditEntry.objects.exclude(action__startswith="session").order_by("id").values_list("action", "token")
    assert set(said) == {
        (action, "nightly")
        for action in ("collection.add", "document.upload", "document.ingest", "document.cancel", "document.retry")
    }


def test_a_script_retries_all_that_match_and_is_told_how_many(operator: Client, ledger: Ledger, dagster: DagsterDouble) -> None:
    documents = {
        state: new(f"{state}.md", "papers") for state in (State.FAILED, State.PARTIAL, State.CANCELLED, State.SUCCEEDED)
    } | {State.PENDING: new("elsewhere.md")}
    for state, document in documents.items():
        ledger.begin(document, "run", lambda _: False)
        ledger.finish(document, "run", State.FAILED if state == State.PENDING else state, "No.")

    def retried(query: str = "", **fields: str) -> int:
        answer = operator.post(f"/api/documents/retry{query}", fields)
        assert answer.status_code == 202, answer.content
        return int(answer.json()["retried"])

    assert retried(collection="papers", state="failed") == 1
    assert retried("?collection=papers") == 1
    assert {row.state for row in ledger.documents([documents[State.FAILED], documents[State.PARTIAL]])} == {State.PENDING}
    assert ledger.document(documents[State.CANCELLED]).state == State.CANCELLED
    assert retried(state="cancelled", q="cancelled.m") == 1
    assert retried() == 1
    assert retried() == 0
    assert ledger.document(documents[State.SUCCEEDED]).state == State.SUCCEEDED
    assert AuditEntry.objects.filter(action="document.retry", token="nightly").count() == 4


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"state": "running"}, 400, "What can be tried again is cancelled, failed, partial."),
        ({"collections": "papers"}, 400, "'collections' is no filter: use collection, state, q."),
        ({"collection": "nowhere"}, 404, "There is no collection named 'nowhere'."),
        ({"collection": "no\x00where"}, 400, "This form holds a character that is no text."),
    ],
)
def test_a_retry_of_many_that_is_asked_wrongly_is_one_sentence(
    operator: Client, fields: dict[str, str], status: int, sentence: str
) -> None:
    answer = operator.post("/api/documents/retry", fields)
    assert (answer.status_code, answer.json()) == (status, {"error": sentence})


def test_a_viewer_may_not_retry_what_matches(ledger: Ledger) -> None:
    assert script("viewer").post("/api/documents/retry").status_code == 403


def test_an_upload_without_ingestion_waits_and_the_same_bytes_are_not_new(operator: Client, dagster: DagsterDouble) -> None:
    for status in (201, 200):
        answer = operator.post("/api/documents", {"files": file("a.md", b"one"), "collection": "papers", "ingest": "no"})
        assert answer.status_code == status
    assert dagster.runs == {}
    assert Document.objects.get().state == "cancelled"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"collection": "papers"}, "at least one file"),
        ({"files": b"x"}, "collection"),
        ({"files": b"x", "collection": "no/such name"}, ""),
        ({"files": b"", "collection": "papers"}, "empty"),
        ({"files": b"x" * 1_000_001, "collection": "papers"}, "larger than 1 MB"),
    ],
)
def test_an_upload_that_cannot_be_kept_is_refused_in_a_sentence(operator: Client, fields: dict[str, Any], said: str) -> None:
    sent = {name: file("a.md", value) if isinstance(value, bytes) else value for name, value in fields.items()}
    answer = operator.post("/api/documents", sent)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert not Document.objects.exists()


def test_the_list_goes_page_by_page_and_misses_none(operator: Client) -> None:
    made = {str(new(f"{number}.md")) for number in range(7)}
    Document.objects.update(created_at=timezone.now())  # a bulk upload: all within one moment
    found: list[str] = []
    after = ""
    for _ in range(4):
        page = operator.get("/api/documents", {"limit": 2, "after": after}).json()
        found += [one["document"] for one in page["documents"]]
        after = page["next"]
    assert after is None
    assert len(found) == 7
    assert set(found) == made


def test_the_list_is_filtered_and_takes_the_same_queries_however_long(operator: Client) -> None:
    first = new("alpha.md")
    new("beta.md", "papers")

    def names(**parameters: str) -> list[str]:
        return [one["name"] for one in operator.get("/api/documents", parameters).json()["documents"]]

    assert names(collection="papers") == ["beta.md"]
    assert names(q="LPH") == ["alpha.md"]
    assert names(state="running") == []
    Document.objects.filter(pk=first).update(state=State.QUEUED)
    assert names(state="queued") == ["alpha.md"]
    with CaptureQueriesContext(connection) as few:
        operator.get("/api/documents")
    for number in range(20):
        new(f"{number}.md")
    with CaptureQueriesContext(connection) as many:
        operator.get("/api/documents")
    assert len(many) == len(few)


def test_a_document_has_its_facts_and_its_result(operator: Client) -> None:
    document = new("<img src=x onerror=alert(1)>.md")
    told = operator.get(f"/api/documents/{document}").json()
    assert told["name"] == "<img src=x onerror=alert(1)>.md"
    assert told["result"]["failures"] == []
    assert told["result"]["document"] == told["document"] == str(document)


def test_collections_and_searches_are_answered(operator: Client, no_pauses: None) -> None:
    new("a.md", "papers")
    Collection.objects.update(entity_types=["Person"])
    told = operator.get("/api/collections").json()["collections"]
    assert [(one["name"], one["entity_types"], one["documents"]) for one in told] == [("papers", ["Person"], 1)]
    away = operator.get("/api/search", {"q": "who"})
    assert away.status_code == 503, "the engine server is not there"
    assert operator.get("/api/search", {"q": ""}).status_code == 400
    assert operator.get("/api/search", {"q": "who", "collection": "none"}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/api/documents?limit=0", 400),
        ("get", "/api/documents?limit=9999", 400),
        ("get", "/api/documents?limit=²", 400),
        ("get", "/api/documents?after=x", 400),
        ("get", "/api/documents?after=99999999999999999999999." + NOBODY, 400),
        ("get", "/api/documents?state=asleep", 400),
        ("get", "/api/documents/states", 400),
        ("get", f"/api/documents/{NOBODY}", 404),
        ("get", f"/api/documents/{NOBODY}/progress", 404),
        ("post", f"/api/documents/{NOBODY}/retry", 404),
        ("get", "/api/documents/x/progress", 404),
        ("get", "/api/nothing/here", 404),
        ("get", "/api/", 404),
        ("get", "/api/documents?q=%00", 400),
        ("put", "/api/documents", 405),
        ("get", f"/api/documents/{NOBODY}/remove", 405),
        ("post", f"/api/documents/{NOBODY}/remove", 403),
        ("post", "/api/search", 405),
    ],
)
def test_what_is_wrong_is_a_status_and_a_sentence(operator: Client, method: str, path: str, status: int) -> None:
    answer = getattr(operator, method)(path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].endswith(".")
    assert answer.headers["Content-Type"] == "application/json"


def test_a_request_that_is_no_form_is_refused_in_a_sentence(operator: Client) -> None:
    many = "&".join(f"f{number}=x" for number in range(40_001))
    for kind, body in (("application/x-www-form-urlencoded", many), ("multipart/form-data", "no boundary")):
        answer = operator.post("/api/documents", body, content_type=kind, headers={"accept-language": "de"})
        assert answer.status_code == 400
        assert answer.json() == {"error": "Die Anfrage war nicht zu lesen."}


def test_a_role_is_checked_for_every_address(ledger: Ledger) -> None:
    document = new("a.md")
    reads = [f"/api/documents{rest}" for rest in ("", f"/{document}", f"/{document}/progress", f"/states?id={document}")]
    viewer, nobody = script("viewer"), Client(headers={"host": "localhost"})
    for path in (*reads, "/api/collections"):
        assert viewer.get(path).status_code == 200, path
        assert nobody.get(path).status_code == 401, path
        assert browser().get(path).status_code == 403, path
    for action in ("ingest", "retry", "cancel", "remove"):
        assert viewer.post(f"/api/documents/{document}/{action}").status_code == 403, action
        assert nobody.post(f"/api/documents/{document}/{action}").status_code == 401, action
    assert viewer.post("/api/documents", {"files": file("b.md", b"2"), "collection": "default"}).status_code == 403
    assert script("operator").post(f"/api/documents/{document}/remove").status_code == 403
    assert script("admin").post(f"/api/documents/{document}/remove").status_code == 202
    assert Document.objects.get().state == "removing"


def test_a_removal_that_is_over_at_once_stands_in_the_trail(
    ledger: Ledger, dagster: DagsterDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, client = new("a.md"), script("admin")
    launch = dagster._Launch

    def launched_and_over(variables: dict[str, Any]) -> dict[str, Any]:
        ledger.start_removal(document)
        ledger.erase(document)
        return launch(variables)

    monkeypatch.setattr(dagster, "_Launch", launched_and_over)
    answer = client.post(f"/api/documents/{document}/remove")
    assert (answer.status_code, answer.json()["state"]) == (202, None)
    assert AuditEntry.objects.get(action="document.remove").target == "a.md"


def test_a_token_that_is_revoked_expired_or_made_up_opens_nothing(operator: Client) -> None:
    assert operator.get("/api/documents").status_code == 200
    for change in ({"revoked_at": timezone.now()}, {"revoked_at": None, "expires_at": timezone.now() - timedelta(seconds=1)}):
        ApiToken.objects.update(**change)
        assert operator.get("/api/documents").status_code == 401
    made_up = Client(headers={"host": "localhost", "authorization": "Bearer aegis_made-up"})
    assert made_up.get("/api/documents").json()["error"]


def test_a_browser_needs_its_csrf_token_and_is_told_so_in_json(ledger: Ledger) -> None:
    document = new("a.md")
    logged_in = browser(group="operator")
    strict = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    strict.cookies = logged_in.cookies
    refused = strict.post(f"/api/documents/{document}/cancel")
    assert (refused.status_code, list(refused.json())) == (403, ["error"])
    strict.get("/admin/account/")
    token = strict.cookies["csrftoken"].value
    assert strict.post(f"/api/documents/{document}/cancel", headers={"x-csrftoken": token}).status_code == 202


def test_a_defect_is_a_sentence_too(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("webadmin.documents.queries.documents", broken)
    operator.raise_request_exception = False
    answer = operator.get("/api/documents")
    assert (answer.status_code, list(answer.json())) == (500, ["error"])
    assert "Zero" not in answer.json()["error"]
