"""`manage.py retry` as people type it: of one document, of several names, of a collection, of all that failed."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import UUID

import pytest

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.typed import Typed
from tests.webadmin.uploads import put
from webadmin.documents import retrying
from webadmin.documents.management.commands import retry
from webadmin.documents.models import Document


def test_retry_waits_for_the_end_and_says_it(ends: dict[str, State], ledger: Ledger, papers: Path) -> None:
    ends["one.md"] = State.PARTIAL
    assert Typed("ingest", str(papers / "one.md")).code == 1
    ends.clear()
    typed = Typed("retry", "one.md")
    assert typed.code == 0
    assert "one.md: succeeded" in typed.out


def test_retry_of_a_document_whose_run_was_just_killed_waits_until_dagster_has_noticed(
    ends: dict[str, State], ledger: Ledger, dagster: DagsterDouble, site: Path
) -> None:
    document = put("a.md")
    killed = dagster.start_run("STARTED")
    ledger.begin(document, killed, lambda _: True)
    noticed = threading.Timer(1.0, lambda: dagster.runs[killed].update(status="FAILURE"))
    noticed.start()
    typed = Typed("retry", str(document))
    noticed.join()
    assert typed.code == 0, typed.err
    assert "a.md: succeeded" in typed.out


def test_retry_of_a_document_that_another_run_has_taken_up_by_itself_waits_for_that_one(
    ends: dict[str, State], ledger: Ledger, dagster: DagsterDouble, site: Path
) -> None:
    document = put("a.md")
    killed, another = dagster.start_run("STARTED"), dagster.start_run("STARTED")
    ledger.begin(document, killed, lambda _: True)

    def take_up() -> None:
        ledger.lose_run(killed, "The run was killed.")
        ledger.begin(document, another, lambda _: False)

    resumed = threading.Timer(0.2, take_up)
    ended = threading.Timer(1.5, lambda: ledger.finish(document, another, State.SUCCEEDED, ""))
    resumed.start()
    ended.start()
    typed = Typed("retry", str(document))
    for timer in (resumed, ended):
        timer.join()
    assert (typed.code, typed.err) == (0, "")
    assert "a.md: succeeded" in typed.out


def finished(ledger: Ledger, name: str, state: State, collection: str = "default") -> UUID:
    document = put(name, collection=collection)
    ledger.begin(document, "run", lambda _: False)
    ledger.finish(document, "run", state, "No.")
    return document


def in_state(state: State) -> set[str]:
    return set(Document.objects.filter(state=state).values_list("name", flat=True))


@pytest.fixture
def several(ledger: Ledger, dagster: DagsterDouble) -> None:
    for name, state in (("f.md", State.FAILED), ("p.md", State.PARTIAL), ("c.md", State.CANCELLED), ("s.md", State.SUCCEEDED)):
        finished(ledger, name, state)
    finished(ledger, "other.md", State.FAILED, "papers")


@pytest.mark.parametrize(
    ("words", "retried"),
    [
        (("--failed",), {"f.md", "other.md"}),
        (("--collection", "default"), {"f.md", "p.md"}),
        (("--collection", "default", "--failed"), {"f.md"}),
        (("--collection", "papers"), {"other.md"}),
    ],
)
def test_retry_of_many_takes_what_failed_or_is_missing_and_counts_it(
    several: None, words: tuple[str, ...], retried: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "BATCH", 1)
    typed = Typed("retry", *words, "--no-wait")
    assert (typed.code, typed.out) == (0, f"{len(retried)} to be tried again.\n")
    assert in_state(State.PENDING) == retried
    again = Typed("retry", *words, "--no-wait")
    assert (again.code, again.out) == (0, "Nothing is to be tried again.\n")


def test_retry_of_several_names_waits_for_all_and_says_how_each_ended(several: None, ends: dict[str, State]) -> None:
    ends["p.md"] = State.PARTIAL
    typed = Typed("retry", "f.md", "p.md", "f.md")
    assert typed.code == 1
    assert typed.out.splitlines() == ["f.md: succeeded.", "p.md: partial.", "1 partial, 1 succeeded."]
    ends.clear()
    assert Typed("retry", "p.md", "c.md").code == 0


def test_one_of_several_names_that_cannot_be_retried_is_said_and_the_others_go_on(
    several: None, ledger: Ledger, ends: dict[str, State]
) -> None:
    removing = put("gone.md")
    ledger.request_removal(removing)
    typed = Typed("retry", "gone.md", "f.md")
    assert typed.code == 1
    assert typed.err == "gone.md: This document is being removed; try again when it is gone.\n"
    assert "f.md: succeeded" in typed.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Name documents, or choose them by --collection or --failed."),
        (("f.md", "--failed"), "Name documents, or choose them by --collection or --failed."),
        (("f.md", "--collection", "default"), "Name documents, or choose them by --collection or --failed."),
        (("f.md", "nothing.md"), "There is no document named 'nothing.md'."),
        (("--collection", "nowhere"), "There is no collection named 'nowhere'."),
    ],
)
def test_retry_asked_wrongly_is_answered_in_a_sentence_and_changes_nothing(
    several: None, words: tuple[str, ...], sentence: str
) -> None:
    typed = Typed("retry", *words)
    assert (typed.code, typed.err.strip(), typed.out) == (1, sentence, "")
    assert in_state(State.PENDING) == set()


def test_retry_of_a_document_whose_run_lives_says_so(
    ledger: Ledger, dagster: DagsterDouble, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "NOTICED_SECONDS", 0.5)
    document = put("a.md")
    ledger.begin(document, dagster.start_run("STARTED"), lambda _: True)
    typed = Typed("retry", str(document))
    assert typed.code == 1
    assert "running already" in typed.err
