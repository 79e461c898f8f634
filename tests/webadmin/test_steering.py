"""What a person asks for -> the ledger's state and what Dagster is told, with Dagster there, away, refusing and silent."""

from __future__ import annotations

from uuid import UUID

import pytest

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.uploads import put
from webadmin.documents import steering

CLAIM, PARTITION = "aegis/claim", "dagster/partition"


@pytest.fixture
def document(ledger: Ledger) -> UUID:
    return put("a.md")


def partition(ledger: Ledger, document: UUID) -> str:
    return ledger.partition_keys([document])[document]


def begin(ledger: Ledger, document: UUID, run_id: str) -> None:
    ledger.begin(document, run_id, lambda _: True)


def finish(ledger: Ledger, document: UUID, state: State, run_id: str = "run") -> None:
    begin(ledger, document, run_id)
    ledger.finish(document, run_id, state, "")


def test_ingest_adds_the_partition_and_launches_a_run_that_the_ledger_names(
    ledger: Ledger, dagster: DagsterDouble, document: UUID
) -> None:
    result = steering.ingest([document])
    assert (result.done, result.refused, result.notice) == ((document,), (), "")
    assert dagster.partitions == [partition(ledger, document)]
    (run_id, run) = next(iter(dagster.runs.items()))
    assert run["job"] == "ingest"
    assert run["tags"][PARTITION] == partition(ledger, document)
    assert run["tags"][CLAIM].startswith("claim:")
    assert run["config"] == {"execution": {"config": {"mode": "threads"}}}
    row = ledger.document(document)
    assert (row.state, row.run_id) == (State.QUEUED, run_id)


def test_a_partition_that_exists_is_no_obstacle(ledger: Ledger, dagster: DagsterDouble, document: UUID) -> None:
    dagster.partitions.append(partition(ledger, document))
    assert steering.ingest([document]).notice == ""
    assert len(dagster.runs) == 1


def test_with_dagster_away_the_document_stays_pending_and_says_why(ledger: Ledger, dagster: DagsterDouble, document: UUID) -> None:
    dagster.close()
    result = steering.ingest([document])
    assert f"not reachable at {dagster.address}" in result.notice
    row = ledger.document(document)
    assert row.state == State.PENDING
    assert "start it with make up" in row.message


def test_a_refused_launch_leaves_the_document_pending_without_a_traceback(
    ledger: Ledger, dagster: DagsterDouble, document: UUID
) -> None:
    dagster.refuses = True
    notice = steering.ingest([document]).notice
    assert notice.startswith("Dagster refused")
    assert "Traceback" not in notice
    assert ledger.document(document).state == State.PENDING


def test_a_launch_whose_answer_is_lost_keeps_its_claim_so_that_the_sensor_finds_the_run(
    ledger: Ledger, dagster: DagsterDouble, document: UUID
) -> None:
    dagster.drops = "Launch"
    notice = steering.ingest([document]).notice
    assert "did not answer in time" in notice
    row = ledger.document(document)
    assert row.state == State.QUEUED
    assert [run["tags"][CLAIM] for run in dagster.runs.values()] == [row.run_id]


def test_many_documents_are_left_to_the_sensor_which_packs_them(ledger: Ledger, dagster: DagsterDouble) -> None:
    documents = [put(f"{number}.md") for number in range(steering.LAUNCHED_HERE + 1)]
    result = steering.ingest(documents)
    assert set(result.done) == set(documents)
    assert result.notice
    assert not dagster.runs
    assert {row.state for row in ledger.documents(documents)} == {State.PENDING}


def test_ingest_of_a_document_at_work_is_refused_and_the_others_go_on(
    ledger: Ledger, dagster: DagsterDouble, document: UUID
) -> None:
    begin(ledger, document, "run")
    other = put("b.md")
    result = steering.ingest([document, other])
    assert result.done == (other,)
    assert [refusal.document for refusal in result.refused] == [document]


@pytest.mark.parametrize("state", [State.PARTIAL, State.FAILED, State.CANCELLED])
def test_retry_of_a_document_at_rest_launches_it_again(
    ledger: Ledger, dagster: DagsterDouble, document: UUID, state: State
) -> None:
    finish(ledger, document, state)
    assert steering.retry([document]).done == (document,)
    assert len(dagster.runs) == 1
    assert ledger.document(document).state == State.QUEUED


@pytest.mark.parametrize("status", ["FAILURE", "CANCELED", "SUCCESS", None])
def test_retry_of_a_document_whose_run_is_dead_sets_the_ledger_right_first(
    ledger: Ledger, dagster: DagsterDouble, document: UUID, status: str | None
) -> None:
    dead = dagster.start_run(status) if status else "a-run-that-dagster-does-not-know"
    begin(ledger, document, dead)
    assert steering.retry([document]).refused == ()
    row = ledger.document(document)
    assert row.state == State.QUEUED
    assert row.run_id not in ("", dead)


def test_retry_of_a_document_whose_run_lives_is_refused(ledger: Ledger, dagster: DagsterDouble, document: UUID) -> None:
    run = dagster.start_run("STARTED")
    begin(ledger, document, run)
    (refusal,) = steering.retry([document]).refused
    assert "running" in refusal.sentence
    assert ledger.document(document).run_id == run


def test_cancel_terminates_a_run_that_carries_only_this_document(ledger: Ledger, dagster: DagsterDouble, document: UUID) -> None:
    run = dagster.start_run("STARTED", **{PARTITION: partition(ledger, document)})
    begin(ledger, document, run)
    assert steering.cancel([document]).done == (document,)
    assert dagster.terminated == [run]
    assert ledger.document(document).cancel_requested


def test_cancel_leaves_a_run_alone_that_carries_other_documents_too(ledger: Ledger, dagster: DagsterDouble, document: UUID) -> None:
    start, end = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
    run = dagster.start_run("STARTED", **{start: partition(ledger, document), end: "another"})
    begin(ledger, document, run)
    assert steering.cancel([document]).done == (document,)
    assert dagster.terminated == []
    assert ledger.document(document).cancel_requested


@pytest.mark.parametrize("status", ["FAILURE", "SUCCESS", None])
def test_cancel_of_a_document_whose_run_is_dead_is_at_once(
    ledger: Ledger, dagster: DagsterDouble, document: UUID, status: str | None
) -> None:
    """Nothing of that run looks at the wish any more."""
    dead = dagster.start_run(status) if status else "a-run-that-dagster-does-not-know"
    begin(ledger, document, dead)
    assert steering.cancel([document]).done == (document,)
    assert ledger.document(document).state == State.CANCELLED


def test_an_error_of_dagster_about_one_document_leaves_the_others_be(
    ledger: Ledger, dagster: DagsterDouble, document: UUID
) -> None:
    dagster.breaks = "Run"
    begin(ledger, document, "run")
    other = put("b.md")
    finish(ledger, other, State.FAILED, "run-2")
    result = steering.retry([document, other])
    assert result.done == (other,)
    assert [refusal.document for refusal in result.refused] == [document]


def test_cancel_works_without_dagster(ledger: Ledger, dagster: DagsterDouble, document: UUID) -> None:
    begin(ledger, document, "run")
    dagster.close()
    result = steering.cancel([document])
    assert result.done == (document,)
    assert "stops by itself" in result.notice


def test_cancel_before_the_run_began_is_at_once(ledger: Ledger, dagster: DagsterDouble, document: UUID) -> None:
    steering.ingest([document])
    steering.cancel([document])
    assert ledger.document(document).state == State.CANCELLED
    assert dagster.terminated == list(dagster.runs)


def test_remove_launches_the_removal_of_those_that_may_go(ledger: Ledger, dagster: DagsterDouble, document: UUID) -> None:
    busy = put("busy.md")
    begin(ledger, busy, "run")
    result = steering.remove([document, busy])
    assert result.done == (document,)
    assert [refusal.document for refusal in result.refused] == [busy]
    (run,) = dagster.runs.values()
    assert run["job"] == "remove"
    assert run["config"] == {"ops": {"remove_documents": {"config": {"documents": [str(document)]}}}}
    assert ledger.document(document).state == State.REMOVING


def test_an_unknown_document_is_refused(ledger: Ledger, dagster: DagsterDouble) -> None:
    unknown = UUID(int=7)
    for steer in (steering.ingest, steering.retry, steering.cancel, steering.remove):
        assert [refusal.document for refusal in steer([unknown]).refused] == [unknown]
