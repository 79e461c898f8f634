"""Documents that have waited for long: they fail for a server that is away, and not for time in which nobody tried them."""

from __future__ import annotations

from uuid import UUID

import dagster as dg
import pytest

from aegis_assets.defs.platform import PlatformResource
from aegis_assets.defs.reaper import LAUNCHER, UNREACHED
from aegis_assets.defs.sensors import housekeeping, launch_pending, servers_away
from aegis_assets.errors import StoreUnavailable
from aegis_assets.model.document import State
from aegis_assets.model.launch import CLAIM_TAG
from aegis_assets.pipeline.flow import away as outages_module
from aegis_assets.stores.ledger.waiting import LOST_RUNS
from tests.defs.light import Light, dagster_url, light

__all__ = ["dagster_url", "light"]
GRAPH = "the graph server"
SINCE_FRIDAY = "UPDATE aegis_document SET waiting_since = now() - interval '80 hours', not_before = now() - interval '79 hours'"
CLAIMED_LONG_AGO = "UPDATE aegis_document SET run_claimed_at = now() - interval '1 hour' WHERE state = 'queued'"
DUE = "UPDATE aegis_document SET not_before = now()"


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What the probe finds away."""
    servers: set[str] = set()

    async def probed(*_: object) -> set[str]:
        return set(servers)

    monkeypatch.setattr(outages_module, "outages", probed)
    return servers


@pytest.fixture
def overdue(light: Light) -> UUID:
    """A document that met an outage on Friday, before the platform was switched off."""
    document = light.register("a.md")
    light.ledger.begin(document, "run", lambda _: False)
    light.ledger.put_back(document, "run", StoreUnavailable("The graph server does not answer.", server=GRAPH))
    execute(light, SINCE_FRIDAY)
    return document


def execute(light: Light, statement: str) -> None:
    with light.ledger.connection() as connection:
        connection.execute(statement)


def state(light: Light, document: UUID) -> State:
    return light.ledger.document(document).state


def sensor_context(light: Light, cursor: str | None = None) -> dg.SensorEvaluationContext:
    return dg.build_sensor_context(light.instance, cursor)


def test_the_first_tick_after_days_launches_what_waited_for_a_server_that_answers(
    light: Light, away: set[str], overdue: UUID
) -> None:
    assert len(light.tick(launch_pending)) == 1
    assert state(light, overdue) == State.QUEUED


def test_a_document_fails_while_its_server_stays_away_but_for_no_other_server(
    light: Light, away: set[str], overdue: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages_module, "SETTLE_SECONDS", 0.0)
    context = sensor_context(light)
    away.add("the bucket")
    for _ in range(2):
        assert servers_away(context, PlatformResource()) == {"the bucket"}
    away.add(GRAPH)
    servers_away(context, PlatformResource())
    assert state(light, overdue) == State.PENDING, "the first probe that finds it away fails nobody"
    servers_away(context, PlatformResource())
    row = light.ledger.document(overdue)
    assert (row.state, row.message.startswith(f"Gave up waiting for {GRAPH} after ")) == (State.FAILED, True)


def test_servers_that_start_beside_the_platform_have_time_to(light: Light, away: set[str], overdue: UUID) -> None:
    context = sensor_context(light)
    away.add(GRAPH)
    for _ in range(3):
        servers_away(context, PlatformResource())
    assert state(light, overdue) == State.PENDING


def test_what_a_process_before_this_one_found_away_counts_as_found_away_only_to_be_tried_when_it_is_back(
    light: Light, away: set[str], overdue: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages_module, "SETTLE_SECONDS", 0.0)
    context = sensor_context(light)
    away.add(GRAPH)
    servers_away(context, PlatformResource())
    monkeypatch.setattr(outages_module, "PROCESS", "another process")
    servers_away(context, PlatformResource())
    assert state(light, overdue) == State.PENDING
    execute(light, "UPDATE aegis_document SET not_before = now() + interval '1 hour'")
    away.clear()
    servers_away(context, PlatformResource())
    assert light.ledger.claim(1) == [overdue]


@pytest.mark.parametrize("cursor", [f'["{GRAPH}"]', "{", "null"])
def test_a_cursor_of_another_version_is_as_none(light: Light, away: set[str], overdue: UUID, cursor: str) -> None:
    away.add(GRAPH)
    assert servers_away(sensor_context(light, cursor), PlatformResource()) == {GRAPH}
    assert state(light, overdue) == State.PENDING


def test_a_document_that_no_run_ever_reached_waits_for_dagster_and_goes_on_being_launched(light: Light, away: set[str]) -> None:
    document = light.register("a.md")
    for number in range(LOST_RUNS + 2):
        (request,) = light.tick(launch_pending)
        light.run(dg.DagsterRunStatus.FAILURE, **{CLAIM_TAG: request.tags[CLAIM_TAG]})
        execute(light, CLAIMED_LONG_AGO)
        light.tick(housekeeping)
        row = light.ledger.document(document)
        assert (row.state, row.waiting_for, row.waits) == (State.PENDING, LAUNCHER, number + 1)
        assert row.sentence.endswith(UNREACHED)
        assert light.tick(launch_pending) == [], "it is tried with back-off"
        execute(light, DUE)
