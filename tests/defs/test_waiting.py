"""Servers that are away for longer than a run waits for them: documents go back to pending, and nothing of them has failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import dagster as dg
import pytest

from aegis_assets.defs import run as run_module
from aegis_assets.defs.platform import PlatformResource
from aegis_assets.defs.sensors import launch_pending
from aegis_assets.model.document import State
from tests.defs.conftest import Bench
from tests.defs.test_failures import BOOK
from tests.doubles.door import Door
from tests.doubles.ollama import OllamaDouble
from tests.waiting import until

GRAPH = "the graph server"
MODEL = "the language model"


@pytest.fixture
def door(environment: pytest.MonkeyPatch, arcadedb: tuple[str, str]) -> Iterator[Door]:
    """In front of the graph server; a run waits for it half a second."""
    address = urlsplit(arcadedb[0])
    with Door(str(address.hostname), address.port or 7687) as door:
        environment.setenv("AEGIS_NEO4J_URL", f"bolt://127.0.0.1:{door.port}")
        environment.setenv("AEGIS_OUTAGE_SECONDS", "0.5")
        yield door


@pytest.fixture
def ollama(environment: pytest.MonkeyPatch) -> Iterator[OllamaDouble]:
    with OllamaDouble(slots=4) as double:
        environment.setenv("AEGIS_OLLAMA_URL", double.url)
        environment.setenv("AEGIS_LLM_FIRST_TOKEN_TIMEOUT", "0.5")
        environment.setenv("AEGIS_OUTAGE_SECONDS", "0.5")
        yield double


class Sensor:
    """Ticks with the cursor of the tick before."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._cursor: str | None = None

    def tick(self) -> tuple[int, str | None]:
        """How many runs it launches, and why none."""
        context = dg.build_sensor_context(self._bench.instance, self._cursor, resources={"platform": PlatformResource()})
        done = launch_pending.evaluate_tick(context)
        self._cursor = done.cursor
        return len(done.run_requests or ()), done.skip_message


def waiting(bench: Bench, document: UUID, server: str) -> Any:
    row = bench.platform.ledger.document(document)
    assert (row.state, row.waiting_for) == (State.PENDING, server), (row.state, row.message)
    assert bench.result(document)["failures"] == []
    return row


def test_documents_wait_for_a_graph_server_with_one_probe_and_go_on_when_it_is_back(door: Door, bench: Bench) -> None:
    sensor = Sensor(bench)
    first, second, untried = (bench.register(f"{n}.md", f"# Note {n}\n\nAda met Charles.".encode()) for n in range(3))
    door.close()
    assert not bench.materialize(first).success
    row = waiting(bench, first, GRAPH)
    assert row.sentence.startswith(f"Waiting for {GRAPH}, next try in ")
    assert not bench.materialize(second).success
    waiting(bench, second, GRAPH)
    for _ in range(2):
        assert sensor.tick() == (0, f"Waiting for {GRAPH}."), "no run is launched, not even for what was not tried yet"
    assert bench.platform.ledger.document(untried).state == State.PENDING

    door.open()
    assert sensor.tick()[0] > 0
    states = {bench.platform.ledger.document(one).state for one in (first, second, untried)}
    assert states == {State.QUEUED}, "at once, and not when each one's time has come"
    for document in (first, second, untried):
        assert bench.materialize(document).success
        row = bench.platform.ledger.document(document)
        assert (row.state, row.waits, row.waiting_since) == (State.SUCCEEDED, 0, None)


def test_a_graph_server_that_goes_away_before_publishing_costs_no_work(
    door: Door, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = bench.register("book.md", BOOK)
    publish = run_module.publish_documents

    def without_graph(*arguments: Any) -> Any:
        door.close()
        return publish(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(run_module, "publish_documents", without_graph)
        ended = bench.materialize(document)
    assert not ended.success
    waiting(bench, document, GRAPH)
    fraction = bench.platform.ledger.standings([document])[0].fraction  # type: ignore[attr-defined]
    assert fraction > 0.5

    door.open()
    assert bench.materialize(document).success
    result = bench.result(document)
    assert (result["state"], result["failures"]) == (State.SUCCEEDED, [])
    assert result["work"] == {"parsed_windows": 0, "embedded_chunks": 0, "extracted_chunks": 0, "llm_calls": 0}
    assert bench.agree(document)


@pytest.mark.slow
def test_a_model_that_answers_nothing_puts_the_document_back_and_uses_up_no_attempt(ollama: OllamaDouble, bench: Bench) -> None:
    ollama.fault("never")
    document = bench.register("book.md", BOOK)
    assert not bench.materialize(document).success
    waiting(bench, document, MODEL)
    with bench.platform.ledger.connection() as connection:  # type: ignore[attr-defined]
        tasks = connection.execute("SELECT state, attempts FROM aegis_chunk_task WHERE stage = 'extract'").fetchall()
    assert {(task["state"], task["attempts"]) for task in tasks} == {("pending", 0)}

    ollama.reset()
    assert bench.materialize(document).success
    result = bench.result(document)
    assert (result["state"], result["failures"]) == (State.SUCCEEDED, [])
    assert result["work"]["extracted_chunks"] == 6  # type: ignore[index]
    assert result["work"]["parsed_windows"] == 0  # type: ignore[index]


@pytest.mark.slow
def test_a_failed_chunk_beside_an_outage_ends_partial_after_the_rest_is_done(ollama: OllamaDouble, bench: Bench) -> None:
    ollama.fault("junk", match="Chapter 3")
    ollama.fault("never")
    document = bench.register("book.md", BOOK)
    bench.materialize(document)
    row = bench.platform.ledger.document(document)
    assert (row.state, row.waiting_for) == (State.PENDING, MODEL)

    ollama.fault("none")
    ollama.fault("junk", match="Chapter 3")
    bench.materialize(document)
    result = bench.result(document)
    assert result["state"] == State.PARTIAL
    assert [failure["kind"] for failure in result["failures"]] == ["engine_failed"]  # type: ignore[attr-defined]
    assert bench.platform.ledger.document(document).waits == 0


def test_after_the_hours_of_the_setting_the_document_fails(
    door: Door, environment: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    environment.setenv("AEGIS_OUTAGE_HOURS", str(1 / 3600))
    bench: Bench = request.getfixturevalue("bench")
    document = bench.register("a.md", b"# Note\n\nAda met Charles.")
    door.close()
    bench.materialize(document)
    waiting(bench, document, GRAPH)
    sensor = Sensor(bench)

    def failed() -> bool:
        sensor.tick()
        return bench.platform.ledger.document(document).state == State.FAILED

    until(failed, 20)
    assert bench.platform.ledger.document(document).message.startswith(f"Gave up waiting for {GRAPH} after ")
