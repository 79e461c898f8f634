"""A document that waits for a server, as people see it: on the console's pages, in the API, and in `manage.py ingest`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from aegis_assets.errors import StoreUnavailable
from aegis_assets.model.document import State
from aegis_assets.model.ledger import DocumentRow
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.waiting import until
from tests.webadmin.typed import Typed
from webadmin.documents import console, ingesting, steering
from webadmin.documents.models import Document

REASON = "The graph server does not answer: check that it runs, and AEGIS_NEO4J_URL."
GRUND = "Der Graph-Server antwortet nicht: Prüfen Sie, ob er läuft, und AEGIS_NEO4J_URL."
AWAY = StoreUnavailable(REASON, server="the graph server")


@pytest.fixture
def waiting(ledger: Ledger, papers: Path) -> UUID:
    ingesting.receive(ingesting.Source(papers / "one.md", "one.md"), "default")
    document = UUID(str(Document.objects.get().pk))
    put_back(ledger, document)
    return document


def put_back(ledger: Ledger, document: UUID) -> None:
    ledger.begin(document, "run", lambda _: False)
    ledger.put_back(document, "run", AWAY)


def test_the_pages_say_what_a_document_waits_for_in_the_reader_s_language(admin: Client, waiting: UUID) -> None:
    for address in (
        reverse("admin:documents_document_changelist"),
        reverse("admin:documents_document_change", args=[waiting]),
    ):
        english = admin.get(address, headers={"accept-language": "en"}).content.decode()
        assert "Waiting for the graph server, next try in " in english, address
        assert REASON in english
        german = admin.get(address, headers={"accept-language": "de"}).content.decode()
        assert "Wartet auf: Graph-Server. Nächster Versuch in " in german, address
        assert GRUND in german


def test_events_and_states_say_it_too(admin: Client, waiting: UUID) -> None:
    told = admin.get(f"/api/documents/states?id={waiting}", headers={"accept-language": "de"}).json()["documents"][0]
    assert set(told) == {"document", "state", "message", "fraction"}
    assert told["message"].startswith("Wartet auf: Graph-Server. ")


def test_the_api_says_it_in_fields_too(admin: Client, ledger: Ledger, waiting: UUID) -> None:
    row = admin.get(f"/api/documents/{waiting}").json()
    assert row["message"].startswith("Waiting for the graph server, next try in ")
    assert (row["waiting"]["waiting_for"], row["waiting"]["waits"]) == ("the graph server", 1)
    assert row["waiting"]["not_before"] > row["waiting"]["waiting_since"]
    ledger.request_retry(waiting)
    assert admin.get(f"/api/documents/{waiting}").json()["waiting"] is None


@pytest.mark.parametrize("action", [steering.INGEST, steering.RETRY], ids=["ingest", "retry"])
def test_a_person_s_wish_launches_it_at_once(
    ledger: Ledger, dagster: DagsterDouble, waiting: UUID, action: steering.Action
) -> None:
    assert action.steer([waiting]).done == (waiting,)
    assert len(dagster.runs) == 1
    assert ledger.document(waiting).state == State.QUEUED


def test_ingest_waits_and_prints_the_reason(ledger: Ledger, dagster: DagsterDouble, papers: Path) -> None:
    said: list[str] = []

    def work() -> None:
        document = UUID(str(until(lambda: Document.objects.filter(state="queued").first()).pk))
        for _ in range(2):
            put_back(ledger, document)
            said.append(until(lambda: ledger.document(document).sentence))
            threading.Event().wait(2 * console.POLL_SECONDS)
        ledger.begin(document, "run", lambda _: False)
        ledger.finish(document, "run", State.SUCCEEDED, "")

    run = threading.Thread(target=work)
    run.start()
    typed = Typed("ingest", str(papers / "one.md"))
    run.join(60)
    assert typed.code == 0, typed.err
    assert "one.md: pending. Waiting for the graph server, next try in " in typed.err
    assert REASON in typed.err
    assert "one.md: succeeded" in typed.out


def test_whoever_stops_waiting_leaves_the_document_pending(ledger: Ledger, papers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def show(_: object, rows: Sequence[DocumentRow]) -> None:
        if rows[0].waiting_for:
            raise KeyboardInterrupt
        put_back(ledger, rows[0].id)

    monkeypatch.setattr("webadmin.documents.bars.Lines.show", show)
    typed = Typed("ingest", str(papers / "one.md"))
    assert typed.code == console.INTERRUPTED
    assert Document.objects.get().state == State.PENDING


def test_a_ledger_that_is_away_is_waited_for_and_said_once(ledger: Ledger, waiting: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [StoreUnavailable("It is away."), StoreUnavailable("It is away."), None]
    documents = type(ledger).documents

    def some(self: Ledger, wanted: Sequence[UUID]) -> list[DocumentRow]:
        if (error := answers.pop(0) if answers else None) is not None:
            raise error
        return documents(self, wanted)

    ledger.begin(waiting, "run", lambda _: False)
    ledger.finish(waiting, "run", State.SUCCEEDED, "")
    monkeypatch.setattr(type(ledger), "documents", some)
    said: list[str] = []
    assert console.settled([waiting], say=said.append)[waiting].state == State.SUCCEEDED
    assert said == ["It is away. Waiting for it."]
