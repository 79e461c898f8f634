"""Documents whose run has ended without a word go on by themselves, on the real ledger and Dagster's tables in PostgreSQL."""

from __future__ import annotations

import dagster as dg
import pytest

from aegis_assets.defs.platform import PlatformResource
from aegis_assets.defs.reaper import LOST, UNSUBMITTED
from aegis_assets.defs.sensors import after_failure, housekeeping
from aegis_assets.model.document import State
from aegis_assets.model.launch import CLAIM_TAG
from tests.defs.light import Light, dagster_url, light

__all__ = ["dagster_url", "light"]
LONG_AGO = "UPDATE aegis_document SET run_claimed_at = now() - interval '1 hour' WHERE state = 'queued'"
MADE_LONG_AGO = "UPDATE runs SET create_timestamp = create_timestamp - interval '1 hour'"
STATUS = dg.DagsterRunStatus


def claimed(light: Light, name: str, token: str) -> None:
    """A document that a launcher claimed a while ago."""
    document = light.register(name)
    light.ledger.claim(1, [document])
    light.ledger.launched([document], token)
    with light.ledger.connection() as connection:
        connection.execute(LONG_AGO)


def ends(light: Light) -> dict[str, tuple[State, str]]:
    """State and message of each document after a tick."""
    light.tick(housekeeping)
    with light.ledger.connection() as connection:
        found = connection.execute("SELECT name, state, message FROM aegis_document").fetchall()
    return {row["name"]: (State(row["state"]), row["message"]) for row in found}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (STATUS.STARTED, State.RUNNING),
        (STATUS.CANCELING, State.RUNNING),
        (STATUS.FAILURE, State.PENDING),
        (STATUS.SUCCESS, State.PENDING),
        (STATUS.CANCELED, State.CANCELLED),
        (None, State.PENDING),
    ],
)
def test_a_running_document_whose_run_is_over_waits_for_another(light: Light, status: STATUS | None, state: State) -> None:
    document = light.register("a.md")
    light.ledger.begin(document, light.run(status) if status else "a run that Dagster does not know", lambda _: False)
    found, message = ends(light)["a.md"]
    assert found == state
    assert (message == LOST) == (state == State.PENDING)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (STATUS.STARTING, State.QUEUED),
        (STATUS.STARTED, State.QUEUED),
        (STATUS.FAILURE, State.PENDING),
        (STATUS.CANCELED, State.CANCELLED),
        (None, State.PENDING),
    ],
)
def test_a_claim_goes_the_way_of_its_run(light: Light, status: STATUS | None, state: State) -> None:
    claimed(light, "a.md", "claim:1")
    if status:
        light.run(status, **{CLAIM_TAG: "claim:1"})
    assert ends(light)["a.md"][0] == state


def test_a_launcher_that_died_before_it_named_a_run_leaves_its_documents_pending(light: Light) -> None:
    claimed(light, "a.md", "")
    assert ends(light)["a.md"] == (State.PENDING, "")


def test_a_claim_is_left_alone_while_its_run_is_being_made(light: Light) -> None:
    document = light.register("a.md")
    light.ledger.claim(1, [document])
    assert ends(light)["a.md"][0] == State.QUEUED


def test_a_run_that_is_executed_again_still_stands_for_its_claim(light: Light) -> None:
    claimed(light, "a.md", "claim:1")
    for status in (STATUS.STARTED, STATUS.FAILURE):
        light.run(status, **{CLAIM_TAG: "claim:1"})
    assert ends(light)["a.md"][0] == State.QUEUED


def test_a_run_that_was_made_and_never_queued_ends_and_its_document_goes_on(light: Light) -> None:
    claimed(light, "a.md", "claim:1")
    run = light.run(STATUS.NOT_STARTED, **{CLAIM_TAG: "claim:1"})
    assert ends(light)["a.md"][0] == State.QUEUED, "it may still be on its way"
    light.execute(MADE_LONG_AGO)
    assert ends(light)["a.md"][0] == State.PENDING
    (failure,) = light.instance.all_logs(run, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert UNSUBMITTED in failure.get_dagster_event().message


def test_twenty_claims_and_runs_take_the_queries_of_two(light: Light) -> None:
    numbers = []
    for before, after in ((0, 2), (2, 20)):
        for number in range(before, after):
            claimed(light, f"{number}.md", f"claim:{number}")
            light.run(STATUS.STARTING, **{CLAIM_TAG: f"claim:{number}"})
            light.ledger.begin(light.register(f"running {number}.md"), light.run(STATUS.STARTED), lambda _: False)
        with light.counted() as statements:
            light.tick(housekeeping)
        numbers.append((len(statements.ledger), len(statements.dagster)))
    assert numbers[0] == numbers[1]
    assert numbers[0][0] == 2, "one of the reaper, one of the sweep of the outbox"


def test_the_sensor_of_failed_runs_lets_go_of_what_the_run_had_not_begun_with_too(light: Light) -> None:
    claimed(light, "waiting.md", "claim:1")
    run = light.run(STATUS.STARTED, **{CLAIM_TAG: "claim:1"})
    document = light.register("running.md")
    light.ledger.begin(document, run, lambda _: False)
    found = light.instance.get_run_by_id(run)
    assert found is not None
    event = light.instance.report_run_failed(found)
    context = dg.build_run_status_sensor_context("tests", event, light.instance, light.instance.get_run_by_id(run))  # type: ignore[arg-type]
    after_failure(context, platform=PlatformResource())
    with light.ledger.connection() as connection:
        states = {row["state"] for row in connection.execute("SELECT state FROM aegis_document")}
    assert states == {State.PENDING}
