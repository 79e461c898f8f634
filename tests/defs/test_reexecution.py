"""A run that ended anywhere, executed again as Dagster's page does it: its document ends as a new run would have ended it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._utils.interrupts import capture_interrupts

from aegis_assets.dagster_ext import threads
from aegis_assets.definitions import defs
from aegis_assets.defs import ops
from aegis_assets.defs.executor import LANES
from aegis_assets.defs.platform import PlatformResource
from aegis_assets.defs.reexecution import LAUNCHED
from aegis_assets.defs.sensors import launch_pending
from aegis_assets.errors import StoreUnavailable, Superseded
from aegis_assets.model.document import Mark, State
from aegis_assets.pipeline.flow import publish as flow_publish
from aegis_assets.pipeline.publish import PublishResult
from tests.defs.conftest import QUIET, Bench
from tests.defs.test_handover import job

LETTERS = 24
BOOK = "\n\n".join(f"# Letter {n}\n\nAda Lovelace wrote letter {n} to Charles Babbage in London." for n in range(LETTERS)).encode()
PARTITION = "dagster/partition"


@pytest.fixture(autouse=True)
def small_windows(environment: pytest.MonkeyPatch) -> None:
    """More windows than a lane has steps, so that the steps of some have not begun when the run ends."""
    environment.setenv("AEGIS_WINDOW_CHUNKS", "6")


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when the test ends: a step that hangs until then has no end in its run's log, as after a kill."""
    event = threading.Event()
    yield event
    event.set()


def killed_in(bench: Bench, document: UUID, function: str, environment: pytest.MonkeyPatch, over: threading.Event) -> str:
    """Run the document and kill the run where an op calls this function. Return the run's id."""

    def hang(*_: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        over.wait(60)
        raise Superseded("The test is over.")

    with environment.context() as patch, capture_interrupts(), suppress(DagsterExecutionInterruptedError):
        patch.setattr(ops, function, hang)
        patch.setattr(threads, "STOP_SECONDS", 0.0)
        dg.execute_job(job(), bench.instance, run_config=QUIET, tags={PARTITION: bench.partition(document)})
    [run] = bench.instance.get_runs(limit=1)
    assert run.status == dg.DagsterRunStatus.FAILURE
    return run.run_id


def executed_again(bench: Bench, run_id: str) -> tuple[bool, list[str]]:
    """Execute the run again from failure. Return whether that succeeded, and the sentences of the steps that failed."""
    parent = bench.instance.get_run_by_id(run_id)
    assert parent is not None
    options = dg.ReexecutionOptions.from_failure(run_id, bench.instance)
    tags = {PARTITION: parent.tags[PARTITION]}
    with dg.execute_job(job(), bench.instance, QUIET, tags=tags, reexecution_options=options) as again:
        failures = [event.step_failure_data for event in again.get_step_failure_events()]
    return again.success, [data.user_failure_data.description or "" for data in failures if data.user_failure_data]


def launch(bench: Bench) -> int:
    """Execute the runs that the sensor asks for, as Dagster's daemon does within seconds. Return how many these are."""
    found = launch_pending(dg.build_sensor_context(bench.instance), platform=PlatformResource())
    requests = list(found.run_requests or []) if isinstance(found, dg.SensorResult) else []
    for request in requests:
        config = {**QUIET, **request.run_config}
        defs.resolve_job_def("ingest").execute_in_process(config, bench.instance, tags=request.tags, raise_on_error=False)
    return len(requests)


def assert_whole(bench: Bench, document: UUID) -> None:
    result, target = bench.result(document), bench.platform.ledger.live_target(document)
    assert result["state"] == State.SUCCEEDED, result
    assert result["chunks"] == result["vectors"] == LETTERS
    assert target is not None
    windows = bench.platform.ledger.windows(target.generation)
    assert len(windows) > LANES["docling"]
    assert {(window.parse_state, window.enrich_state) for window in windows} == {(Mark.DONE, Mark.DONE)}
    assert bench.agree(document)


@pytest.mark.parametrize(("function", "launched"), [("units", 0), ("describe_step", 1), ("conclude", 1)])
def test_a_killed_run_that_is_executed_again_ends_as_a_new_one(
    bench: Bench, environment: pytest.MonkeyPatch, over: threading.Event, function: str, launched: int
) -> None:
    """Before plan has cut the document, in the first mapped steps, and in publish."""
    document = bench.register("letters.md", BOOK)
    killed = killed_in(bench, document, function, environment, over)
    success, sentences = executed_again(bench, killed)
    assert success == (not launched)
    assert set(sentences) == ({LAUNCHED} if launched else set())
    assert launch(bench) == launched
    assert_whole(bench, document)
    assert launch(bench) == 0


def test_a_failed_publish_that_is_executed_again_launches_a_new_run(bench: Bench, environment: pytest.MonkeyPatch) -> None:
    def publish(documents: Sequence[UUID], *stores: Any) -> dict[UUID, PublishResult]:
        raise StoreUnavailable("The graph server refused a statement.", retryable=False)

    document = bench.register("letters.md", BOOK)
    with environment.context() as patch:
        patch.setattr(flow_publish, "publish", publish)
        failed = bench.materialize(document)
    assert bench.result(document)["state"] == State.FAILED
    assert executed_again(bench, failed.run_id) == (False, [LAUNCHED])
    assert launch(bench) == 1
    assert_whole(bench, document)


def test_a_document_that_a_new_run_has_taken_up_meanwhile_stays_with_it(
    bench: Bench, environment: pytest.MonkeyPatch, over: threading.Event
) -> None:
    document = bench.register("letters.md", BOOK)
    killed = killed_in(bench, document, "conclude", environment, over)
    other = bench.instance.create_run_for_job(job().get_definition(), status=dg.DagsterRunStatus.STARTED)
    bench.platform.ledger.begin(document, other.run_id, lambda _: False)
    assert executed_again(bench, killed) == (False, [LAUNCHED])
    row = bench.platform.ledger.document(document)
    assert (row.state, row.run_id) == (State.RUNNING, other.run_id)
    assert launch(bench) == 0
