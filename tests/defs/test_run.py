"""How a run lets go of a document that it cannot go on with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from aegis_assets.defs.platform import PlatformResource
from aegis_assets.defs.run import _planned, give_up
from aegis_assets.errors import StoreUnavailable
from aegis_assets.model.document import State
from tests.defs.light import Light, dagster_url, light

__all__ = ["dagster_url", "light"]
AWAY = StoreUnavailable("The graph server does not answer.", server="the graph server")


def op_context(light: Light) -> Any:
    said: list[str] = []
    return SimpleNamespace(run_id="run", instance=light.instance, log=SimpleNamespace(warning=said.append))


def waiting(light: Light, hours: int) -> UUID:
    """A document that was put back, and may be tried again now."""
    document = light.register("a.md")
    light.ledger.begin(document, "a run before", lambda _: False)
    light.ledger.put_back(document, "a run before", AWAY)
    with light.ledger.connection() as connection:
        values = {"hours": hours, "document": document}
        statement = "waiting_since = now() - make_interval(hours => %(hours)s), not_before = now() WHERE id = %(document)s"
        connection.execute(f"UPDATE aegis_document SET {statement}", values)
    return document


@pytest.mark.parametrize(("hours", "state"), [(71, State.PENDING), (73, State.FAILED)])
def test_a_document_that_waited_too_long_when_its_plan_met_an_outage_stays_failed(light: Light, hours: int, state: State) -> None:
    document = waiting(light, hours)
    assert _planned(op_context(light), PlatformResource().probe(), document) is None
    row = light.ledger.document(document)
    assert row.state == state
    assert row.message.startswith("Gave up waiting for ") == (state == State.FAILED)
    assert row.waits == (1 if state == State.PENDING else 0)


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.PARTIAL, State.FAILED])
def test_what_this_run_has_ended_is_not_begun_again_and_what_another_one_has_waits_like_any(light: Light, state: State) -> None:
    context = op_context(light)
    ours, others = light.register("a.md"), light.register("b.md")
    for document, run in ((ours, context.run_id), (others, "another run")):
        light.ledger.begin(document, run, lambda _: False)
        light.ledger.finish(document, run, state, "It ended.")
        give_up(context, PlatformResource().use(), document, AWAY)
    row = light.ledger.document(ours)
    assert (row.state, row.message) == (state, "It ended.")
    assert light.ledger.document(others).state == State.PENDING
