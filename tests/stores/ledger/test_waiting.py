"""A document that met an outage: pending again, tried later, and failed only after AEGIS_OUTAGE_HOURS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from aegis_assets import settings as settings_module
from aegis_assets.errors import EngineUnavailable, StoreUnavailable, Superseded
from aegis_assets.model.document import Stage, State
from aegis_assets.model.waiting import FIRST_WAIT, MOST_WAIT, Waiting, back_off, duration, sentence
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.ledger.waiting import LOST_RUNS
from tests.stores.ledger.build import RUN, collection, dead, done, enriched, planned, register, running, sha

AWAY = StoreUnavailable("The graph server does not answer.", server="the graph server")
NO_MODEL = EngineUnavailable("Ollama cannot be reached.", server="the language model")
KILLED = "The run was killed."
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    settings_module.settings.cache_clear()


def set_hours(hours: pytest.MonkeyPatch, value: str) -> None:
    hours.setenv("AEGIS_OUTAGE_HOURS", value)
    settings_module.settings.cache_clear()


def put_back(ledger: Ledger, document: UUID, error: StoreUnavailable | EngineUnavailable = AWAY) -> None:
    """As a run does that begins with the document and meets an outage."""
    ledger.begin(document, RUN, dead)
    ledger.put_back(document, RUN, error)


def age(ledger: Ledger, document: UUID, hours: float) -> None:
    with ledger.connection() as connection:
        connection.execute(
            "UPDATE aegis_document SET waiting_since = waiting_since - make_interval(secs => %s) WHERE id = %s",
            (hours * 3600, document),
        )


def test_a_document_that_met_an_outage_is_pending_and_keeps_its_fraction_and_its_work(ledger: Ledger) -> None:
    document = running(ledger)
    first, second = ledger.windows(planned(ledger, document, "k1", "k2").id)
    chunks = enriched(ledger, first.id, ["one", "two"])
    done(ledger, document, chunks[:1])
    ledger.start_chunks(chunks[1:], Stage.EXTRACT, RUN)
    ledger.start_window(second.id, Stage.PARSE, RUN)
    before = ledger.progress(document).fraction
    assert before > 0.1
    ledger.put_back(document, RUN, AWAY)

    row = ledger.document(document)
    assert (row.state, row.waiting_for, row.waits) == (State.PENDING, "the graph server", 1)
    assert row.sentence.startswith("Waiting for the graph server, next try in ")
    assert row.sentence.endswith(" s. The graph server does not answer.")
    assert ledger.progress(document).fraction == ledger.standings([document])[0].fraction >= before
    assert ledger.standings([document])[0].sentence.startswith("Waiting for the graph server")
    assert ledger.failures(document, open_only=False) == []
    assert [chunk.attempts for chunk in ledger.chunks_to_do(first.id, Stage.EXTRACT, "extract-1")] == [0]

    ledger.begin(document, "run-2", dead)
    assert ledger.progress(document).fraction >= before, "the next try does not begin at nothing"


def test_the_rest_of_the_run_is_refused(ledger: Ledger) -> None:
    document = running(ledger)
    (window,) = ledger.windows(planned(ledger, document, "k").id)
    ledger.put_back(document, RUN, AWAY)
    assert ledger.check_many([document], RUN) == set()
    for refused in (
        lambda: ledger.check(document, RUN),
        lambda: ledger.start_window(window.id, Stage.PARSE, RUN),
        lambda: ledger.put_back(document, RUN, AWAY),
        lambda: ledger.finish(document, RUN, State.FAILED, "It failed."),
    ):
        with pytest.raises(Superseded):
            refused()


def test_it_is_not_claimed_before_its_time_but_when_its_server_answers_again(ledger: Ledger) -> None:
    graph, model, fresh = (register(ledger, f"{n}.md", str(n)).document for n in range(3))
    put_back(ledger, graph)
    put_back(ledger, model, NO_MODEL)
    assert ledger.waited_for() == {"the graph server": {collection()}, "the language model": {collection()}}
    assert ledger.claim(5) == [fresh]
    assert ledger.try_now({"the graph server"}) == 1
    assert ledger.claim(5) == [graph]
    assert set(ledger.waited_for()) == {"the language model"}


def test_a_person_s_retry_does_not_wait(ledger: Ledger) -> None:
    document = register(ledger).document
    put_back(ledger, document)
    assert ledger.request_retry(document) == State.PENDING
    row = ledger.document(document)
    assert (row.waiting_for, row.not_before, row.waiting_since, row.waits, row.sentence) == ("", None, None, 0, "")
    assert ledger.claim(5) == [document]


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.PARTIAL, State.FAILED])
def test_an_end_of_any_kind_ends_the_waiting(ledger: Ledger, state: State) -> None:
    document = register(ledger).document
    put_back(ledger, document)
    ledger.begin(document, RUN, dead)
    ledger.finish(document, RUN, state, "It ended.")
    row = ledger.document(document)
    assert (row.state, row.waiting_since, row.waits, row.sentence) == (state, None, 0, "It ended.")


def test_newer_bytes_and_a_cancellation_end_the_waiting(ledger: Ledger) -> None:
    revised, cancelled = register(ledger, "a.md", "a").document, register(ledger, "b.md", "b").document
    put_back(ledger, revised)
    put_back(ledger, cancelled)
    register(ledger, "a.md", "a, anew")
    ledger.request_cancel(cancelled)
    assert ledger.document(revised).not_before is None
    assert ledger.document(cancelled).state == State.CANCELLED
    assert ledger.waited_for() == {}


def test_what_was_cancelled_or_replaced_during_the_outage_ends_as_it_would_have(ledger: Ledger) -> None:
    cancelled, revised = running(ledger, "a.md", "a"), running(ledger, "b.md", "b")
    ledger.request_cancel(cancelled)
    register(ledger, "b.md", "b, anew")
    ledger.put_back(cancelled, RUN, AWAY)
    ledger.put_back(revised, RUN, AWAY)
    assert ledger.document(cancelled).state == State.CANCELLED
    row = ledger.document(revised)
    assert (row.state, row.not_before) == (State.PENDING, None)


def test_it_fails_after_the_hours_of_the_setting_with_a_sentence_that_says_so(ledger: Ledger) -> None:
    document, other = register(ledger, "a.md", "a").document, register(ledger, "b.md", "b").document
    for waiting in (document, other):
        put_back(ledger, waiting)
        age(ledger, waiting, 71.9)
    put_back(ledger, document)
    assert ledger.document(document).state == State.PENDING
    assert ledger.fail_overdue(["the graph server"]) == []
    age(ledger, document, 0.2)
    age(ledger, other, 0.2)
    put_back(ledger, document)
    assert ledger.fail_overdue(["the bucket"]) == [], "its server answers, so it may be tried"
    assert ledger.fail_overdue(["the graph server", "the bucket"]) == [other], "also where no run is launched any more"
    for waiting in (document, other):
        row = ledger.document(waiting)
        assert row.state == State.FAILED
        assert row.message == (
            "Gave up waiting for the graph server after 72 h (AEGIS_OUTAGE_HOURS). Retry takes up what is missing."
        )


@pytest.mark.parametrize("launched", [True, False], ids=["launched", "begun by hand"])
def test_time_in_which_it_was_due_and_not_tried_counts_for_no_outage(ledger: Ledger, launched: bool) -> None:
    document = register(ledger).document
    put_back(ledger, document)
    with ledger.connection() as connection:
        connection.execute(
            "UPDATE aegis_document SET waiting_since = now() - interval '80 hours', not_before = now() - interval '79 hours'"
        )
    if launched:
        assert ledger.claim(1) == [document]
        ledger.launched([document], "claim:1")
        ledger.lose_run("claim:1", KILLED, "Dagster")
        row = ledger.document(document)
        assert (row.state, row.waiting_for) == (State.PENDING, "Dagster")
    put_back(ledger, document)
    row = ledger.document(document)
    assert (row.state, row.waiting_for) == (State.PENDING, "the graph server")
    assert row.waiting_since is not None
    waited = datetime.now(UTC) - row.waiting_since
    assert timedelta(minutes=59) < waited < timedelta(minutes=61), "the hour until it was due counts"


def test_a_launch_that_did_not_come_about_leaves_what_it_waits_for(ledger: Ledger) -> None:
    waits, fresh = register(ledger, "a.md", "a").document, register(ledger, "b.md", "b").document
    put_back(ledger, waits)
    ledger.try_now({"the graph server"})
    assert set(ledger.claim(2)) == {waits, fresh}
    ledger.unclaim([waits, fresh], "")
    assert ledger.document(waits).sentence == "Waiting for the graph server."
    assert (ledger.document(fresh).sentence, ledger.document(fresh).not_before) == ("", None)


def test_without_hours_an_outage_fails_the_document_at_once(ledger: Ledger, hours: pytest.MonkeyPatch) -> None:
    set_hours(hours, "0")
    document = register(ledger).document
    put_back(ledger, document)
    assert ledger.document(document).state == State.FAILED


def test_progress_between_two_waits_starts_the_count_anew(ledger: Ledger) -> None:
    document = running(ledger)
    windows = ledger.windows(planned(ledger, document, "k1", "k2").id)
    enriched(ledger, windows[0].id, ["one"])
    ledger.put_back(document, RUN, AWAY)
    put_back(ledger, document)
    age(ledger, document, 71.9)
    assert ledger.document(document).waits == 2

    ledger.begin(document, RUN, dead)
    enriched(ledger, windows[1].id, ["two"])
    ledger.put_back(document, RUN, AWAY)
    row = ledger.document(document)
    assert row.waits == 1
    assert row.waiting_since is not None
    assert datetime.now(UTC) - row.waiting_since < timedelta(hours=1)


def test_a_lost_run_is_tried_again_and_fails_in_the_end(ledger: Ledger) -> None:
    document = register(ledger).document
    for lost in range(LOST_RUNS):
        ledger.begin(document, RUN, dead)
        assert ledger.lose_run(RUN, KILLED) == [document]
        row = ledger.document(document)
        assert (row.state, row.waits) == (State.PENDING, lost + 1)
    assert row.sentence.startswith("The run was killed. Next try in ")
    ledger.begin(document, RUN, dead)
    ledger.lose_run(RUN, KILLED)
    row = ledger.document(document)
    assert (row.state, row.message) == (State.FAILED, "The run was killed. Retry takes up what is missing.")
    assert ledger.lose_run(RUN, KILLED) == []


def test_a_lost_run_takes_with_it_what_waited_to_begin(ledger: Ledger) -> None:
    document = register(ledger).document
    ledger.claim(1)
    ledger.launched([document], "claim:1")
    assert ledger.lose_run("claim:1", KILLED) == [document]
    assert ledger.document(document).state == State.PENDING


def test_outages_do_not_count_as_lost_runs(ledger: Ledger) -> None:
    document = register(ledger).document
    for _ in range(LOST_RUNS + 1):
        put_back(ledger, document)
    ledger.begin(document, RUN, dead)
    ledger.lose_run(RUN, KILLED)
    row = ledger.document(document)
    assert (row.state, row.waits, row.waiting_for) == (State.PENDING, 1, "")


def test_the_waits_grow_up_to_ten_minutes() -> None:
    waits = [back_off("the graph server", n) for n in range(1, 8)]
    assert waits == [FIRST_WAIT, 60.0, 120.0, 240.0, 480.0, MOST_WAIT, MOST_WAIT]
    assert back_off("", 1) < FIRST_WAIT


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-3, "0 s"), (6.2, "7 s"), (31, "40 s"), (95, "100 s"), (101, "2 min"), (599, "10 min"), (72 * 3600, "72 h")],
)
def test_a_time_is_said_in_steps(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_only_a_pending_document_says_that_it_waits() -> None:
    waiting = Waiting(waiting_for="the bucket", not_before=NOW + timedelta(seconds=35))
    assert sentence("pending", "It is away.", waiting, NOW) == "Waiting for the bucket, next try in 40 s. It is away."
    later = NOW + timedelta(minutes=1)
    assert sentence("pending", "It is away.", waiting, later) == "Waiting for the bucket. It is away."
    assert sentence("pending", "It was lost.", Waiting(not_before=NOW), later) == "It was lost."
    assert sentence("queued", "", waiting, NOW) == ""
    assert sentence("pending", "Uploaded.", Waiting(), NOW) == "Uploaded."


def test_what_a_server_is_called_may_be_anything(ledger: Ledger) -> None:
    document = running(ledger, content=sha("x"))
    ledger.put_back(document, RUN, StoreUnavailable("a\x00b", server="\x00" * 10 + "x" * 100))
    row = ledger.document(document)
    assert (row.message, len(row.waiting_for)) == ("ab", 64)
