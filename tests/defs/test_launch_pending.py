"""However many documents are pending, few runs wait in Dagster's queue, and a tick costs what it costs with few documents."""

from __future__ import annotations

from uuid import UUID

import dagster as dg

from aegis_assets.defs.sensors import WAITING_RUNS, launch_pending
from aegis_assets.model.document import State
from aegis_assets.model.ids import collection_id
from aegis_assets.model.launch import (
    ALONE_AFTER,
    CLAIM_TAG,
    DOCUMENTS_PER_RUN,
    PARTITION_TAG,
    REMOVALS_PER_RUN,
    SMALL_BYTES,
    documents_of,
)
from tests.defs.light import Light, dagster_url, light
from tests.stores.ledger.test_launching import PENDING

__all__ = ["dagster_url", "light"]
MANY = 20_000
AT_ONCE = WAITING_RUNS[0] * DOCUMENTS_PER_RUN


def pend(light: Light, number: int, prefix: str = "page", state: State = State.PENDING) -> None:
    light.register("first.md")
    with light.ledger.connection() as connection:
        connection.execute("DELETE FROM aegis_document WHERE name = 'first.md'")
        values = {"prefix": prefix, "number": number, "size": 10, "collection": collection_id("books")}
        connection.execute(PENDING, values)
        if state != State.PENDING:
            connection.execute("UPDATE aegis_document SET state = %s WHERE name LIKE %s", (state, f"{prefix}%"))


def states(light: Light) -> dict[str, int]:
    with light.ledger.connection() as connection:
        found = connection.execute("SELECT state, count(*) AS n FROM aegis_document GROUP BY state").fetchall()
    return {row["state"]: row["n"] for row in found}


def documents(requests: list[dg.RunRequest]) -> list[UUID]:
    return [UUID(key) for request in requests for key in documents_of(request.run_config)]


def test_of_twenty_thousand_pending_documents_a_tick_claims_what_the_queue_takes_soon_and_costs_no_more(light: Light) -> None:
    pend(light, AT_ONCE)
    with light.counted() as statements:
        assert len(light.tick(launch_pending)) == WAITING_RUNS[0]
    few = (len(statements.ledger), len(statements.dagster))
    with light.ledger.connection() as connection:
        connection.execute("DELETE FROM aegis_document")
    pend(light, MANY, "many")
    with light.counted() as statements:
        requests = light.tick(launch_pending)
    assert (len(statements.ledger), len(statements.dagster)) == few
    assert len(statements.dagster) <= 3, "partitions are added in one go, and no run is asked for"
    assert [row.name for row in light.ledger.documents(documents(requests))] == [f"many{n + 1}" for n in range(AT_ONCE)]
    assert states(light) == {"queued": AT_ONCE, "pending": MANY - AT_ONCE}

    with light.counted() as statements:
        assert light.tick(launch_pending) == [], "the runs that wait are enough"
    assert len(statements.ledger) <= 7
    assert statements.dagster == []

    for document in documents(requests)[: 3 * DOCUMENTS_PER_RUN]:
        light.ledger.begin(document, "run", lambda _: False)
    following = light.tick(launch_pending)
    assert [row.name for row in light.ledger.documents(documents(following))] == [
        f"many{AT_ONCE + n + 1}" for n in range(3 * DOCUMENTS_PER_RUN)
    ]


def test_more_documents_at_once_let_more_runs_wait(light: Light) -> None:
    pend(light, 1500)
    with light.ledger.connection() as connection:
        connection.execute("INSERT INTO aegis_limit (name, value) VALUES ('parallel_documents', 5)")
    assert len(light.tick(launch_pending)) == 20


def test_large_documents_and_those_whose_runs_kept_ending_have_runs_of_their_own(light: Light) -> None:
    large, suspect = light.register("large.pdf", SMALL_BYTES), light.register("suspect.md")
    small = [light.register(f"{number}.md") for number in range(3)]
    with light.ledger.connection() as connection:
        connection.execute("UPDATE aegis_document SET waits = %s WHERE id = %s", (ALONE_AFTER, suspect))
    requests = light.tick(launch_pending)
    alone = {request.tags[PARTITION_TAG]: request for request in requests if PARTITION_TAG in request.tags}
    assert set(alone) == set(light.ledger.partition_keys([large, suspect]).values())
    assert set(documents(requests)) == set(small)
    assert {row.run_id for row in light.ledger.documents(small)} <= {request.tags[CLAIM_TAG] for request in requests}


def test_removal_goes_by_bounded_batches_one_after_another(light: Light) -> None:
    pend(light, REMOVALS_PER_RUN + 1, state=State.REMOVING)
    (request,) = light.tick(launch_pending)
    assert request.job_name == "remove"
    assert len(request.run_config["ops"]["remove_documents"]["config"]["documents"]) == REMOVALS_PER_RUN

    @dg.job(name="remove")
    def remove() -> None: ...

    light.instance.create_run_for_job(remove, status=dg.DagsterRunStatus.STARTED)
    assert light.tick(launch_pending) == []
