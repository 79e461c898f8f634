"""Claims, runs and the fence around what a run writes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from aegis_assets.errors import BadInput, NotAllowed, StoreUnavailable, Superseded
from aegis_assets.model.document import Mark, Stage, State
from aegis_assets.model.ledger import Ending, Extracted
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import (
    CHUNKS,
    EMBED,
    EXTRACT,
    PARSE,
    PLAN,
    RUN,
    dead,
    done,
    draft,
    enriched,
    extraction,
    inspection,
    living,
    parsed,
    planned,
    plans,
    register,
    running,
    sha,
)


def state(ledger: Ledger, document) -> State:  # type: ignore[no-untyped-def]
    return ledger.document(document).state


def test_a_living_run_keeps_its_document_and_a_dead_one_loses_it(ledger: Ledger) -> None:
    document = running(ledger)
    with pytest.raises(NotAllowed, match="run-1"):
        ledger.begin(document, "run-2", living)
    assert ledger.begin(document, RUN, living).run_id == RUN
    assert ledger.begin(document, "run-2", dead).run_id == "run-2"
    with pytest.raises(Superseded):
        ledger.check(document, RUN)
    ledger.check(document, "run-2")


def test_two_runs_that_take_over_at_once_do_not_both_win(ledger: Ledger) -> None:
    document = running(ledger)

    def take(run_id: str) -> bool:
        try:
            ledger.begin(document, run_id, lambda holder: holder != RUN)
        except NotAllowed:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(take, ["run-2", "run-3", "run-4", "run-5"])) == 1


def test_a_document_cancelled_in_the_queue_is_not_begun(ledger: Ledger) -> None:
    document = register(ledger).document
    ledger.claim(1)
    ledger.launched([document], "claim:1")
    ledger.request_cancel(document)
    with pytest.raises(NotAllowed, match="Retry"):
        ledger.begin(document, RUN, dead)
    ledger.request_retry(document)
    assert ledger.begin(document, RUN, dead).state == State.RUNNING


def test_a_document_cancelled_while_pending_may_be_started_from_dagsters_page(ledger: Ledger) -> None:
    document = register(ledger).document
    ledger.request_cancel(document)
    assert ledger.begin(document, RUN, dead).state == State.RUNNING


def test_a_cancelled_run_stops_at_its_next_check_and_ends_cancelled(ledger: Ledger) -> None:
    document = running(ledger)
    ledger.request_cancel(document)
    with pytest.raises(Superseded, match="cancelled"):
        ledger.check(document, RUN)
    assert ledger.check_many([document], RUN) == set()
    ledger.finish(document, RUN, State.SUCCEEDED, "")
    assert state(ledger, document) == State.CANCELLED


def test_interrupted_work_is_to_be_done_again_by_the_next_run(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1", "k2")
    first, second = ledger.windows(generation.id)
    chunks = enriched(ledger, first.id, ["one", "two"])
    ledger.start_chunks(chunks[:1], Stage.EXTRACT, RUN)
    ledger.start_window(second.id, Stage.PARSE, RUN)
    ledger.begin(document, "run-2", dead)
    assert ledger.window(second.id).parse_state == Mark.PENDING
    assert ledger.window(first.id).parse_state == Mark.DONE
    assert ledger.progress(document).chunks_in_flight == 0


def test_a_run_that_ended_without_a_word_fails_its_documents(ledger: Ledger) -> None:
    one, two, cancelled = running(ledger, "a.md", "1"), running(ledger, "b.md", "2"), running(ledger, "c.md", "3")
    other = running(ledger, "d.md", "4", run_id="run-2")
    ledger.finish(one, RUN, State.SUCCEEDED, "")
    ledger.request_cancel(cancelled)
    assert sorted(ledger.fail_run(RUN, "The run was killed.")) == sorted([two, cancelled])
    assert [state(ledger, each) for each in (one, two, cancelled, other)] == [
        State.SUCCEEDED,
        State.FAILED,
        State.CANCELLED,
        State.RUNNING,
    ]
    assert ledger.document(two).message == "The run was killed."
    assert ledger.fail_run(RUN, "Again.") == []
    assert ledger.cancel_run("run-2") == [other]
    assert state(ledger, other) == State.CANCELLED


def test_nothing_that_an_orphaned_step_writes_gets_through(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1")
    (window,) = ledger.windows(generation.id)
    (chunk,) = enriched(ledger, window.id, ["text"])
    ledger.begin(document, "run-2", dead)
    before = ledger.counts(document)
    failure = BadInput("no")
    for write in (
        lambda: ledger.set_content(document, RUN, "b", sha("x"), 1),
        lambda: ledger.set_engines(document, RUN, parser="p", embedder="e", extractor="x"),
        lambda: ledger.generation_for(document, RUN, sha("x"), "b", 1, PLAN),
        lambda: ledger.missing_windows(generation.id, RUN, PARSE, EMBED, "extract-2"),
        lambda: ledger.save_plan(generation.id, RUN, inspection(), PLAN, plans("k9")),
        lambda: ledger.start_window(window.id, Stage.PARSE, RUN),
        lambda: ledger.save_parsed(window.id, RUN, parsed(), PARSE, 1.0),
        lambda: ledger.adopt_parse(window.id, RUN, parsed(), PARSE),
        lambda: ledger.adopt_chunks(window.id, RUN, window.id, CHUNKS),
        lambda: ledger.reopen(window.id, RUN),
        lambda: ledger.save_chunks(window.id, RUN, [draft("other")], CHUNKS, 1.0),
        lambda: ledger.start_chunks([chunk], Stage.EMBED, RUN),
        lambda: ledger.save_embedded(document, RUN, [chunk], EMBED, 1.0),
        lambda: ledger.save_extractions(document, RUN, EXTRACT, [Extracted(chunk, extraction("Ada"), seconds=1.0)]),
        lambda: ledger.fail(document, RUN, Stage.EMBED, failure, chunk=chunk),
        lambda: ledger.finish(document, RUN, State.FAILED, "no"),
        lambda: ledger.check(document, RUN),
    ):
        with pytest.raises(Superseded):
            write()  # type: ignore[no-untyped-call]
    assert ledger.counts(document) == before
    assert ledger.failures(document) == []
    assert ledger.document(document).state == State.RUNNING


def test_a_take_over_waits_for_the_result_that_is_being_written(ledger: Ledger, ledger_url: str) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1")
    chunks = enriched(ledger, ledger.windows(generation.id)[0].id, [f"text {number}" for number in range(40)])

    def write(chunk) -> bool:  # type: ignore[no-untyped-def]
        try:
            done(ledger, document, [chunk])
        except Superseded:
            return False
        return True

    other = Ledger(ledger_url)
    with ThreadPoolExecutor(4) as threads:
        results = threads.map(write, chunks)
        taken = threads.submit(other.begin, document, "run-2", dead)
        written = sum(results)
        taken.result()
    other.close()
    assert ledger.progress(document).chunks_processed == written


def test_a_ledger_that_is_away_is_said_in_a_sentence() -> None:
    from aegis_assets.errors import StoreUnavailable

    away = Ledger("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(StoreUnavailable, match="ledger"):
        away.ping()
    away.close()


def test_cut_connections_are_replaced(ledger: Ledger) -> None:
    document = running(ledger)
    with ledger.connection() as connection:
        connection.execute("SET application_name = 'the one that cuts'")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'aegis ledger' AND datname = current_database()"
        )
    ledger.check(document, RUN)
    ledger.finish(document, RUN, State.SUCCEEDED, "")


def test_several_documents_end_together_and_those_of_another_run_are_left_alone(ledger: Ledger) -> None:
    documents = [running(ledger, name=f"{number}.md", content=str(number)) for number in range(4)]
    well, badly, taken, cancelled = documents
    ledger.begin(taken, "run-2", dead)
    ledger.request_cancel(cancelled)
    endings = [Ending(well, State.SUCCEEDED), Ending(badly, State.FAILED, "No."), Ending(taken, State.FAILED, "No.")]
    assert ledger.finish_all(RUN, [*endings, Ending(cancelled, State.SUCCEEDED)]) == {well, badly, cancelled}
    assert [state(ledger, document) for document in documents] == [
        State.SUCCEEDED, State.FAILED, State.RUNNING, State.CANCELLED,
    ]  # fmt: skip
    assert ledger.document(badly).message == "No."
    assert ledger.finish_all(RUN, endings) == set()


def test_open_failures_of_several_documents_are_told_apart(ledger: Ledger) -> None:
    one, other, well = (running(ledger, name=f"{number}.md", content=str(number)) for number in range(3))
    for document in (one, other):
        ledger.fail(document, RUN, Stage.PUBLISH, StoreUnavailable("The graph server does not answer."))
    ledger.fail(one, RUN, Stage.PUBLISH, StoreUnavailable("The graph server does not answer."))
    found = ledger.open_failures([one, other, well])
    assert [failure.attempt for failure in found[one]] == [2]
    assert [failure.document for failure in found[other]] == [other]
    assert found[well] == []
