"""Pools follow the number of documents at once, until a person sets a limit on Dagster's page, which steps then keep to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import dagster as dg
import pytest

from aegis_assets.dagster_ext.threads import ThreadedExecutor
from aegis_assets.defs.pools import limits_for, set_limits, settle_pools
from tests.defs.light import Light, dagster_url, light

__all__ = ["dagster_url", "light"]
CHANGE = "INSERT INTO aegis_limit (name, value) VALUES ('parallel_documents', 5)"
GUARD = threading.Lock()
SEEN = {"now": 0, "most": 0}


@dg.executor(requirements=[])
def threads(_: dg.InitExecutorContext) -> dg.Executor:
    return ThreadedExecutor(8, [])


@dg.op(out=dg.DynamicOut(int))
def numbers() -> Iterator[dg.DynamicOutput[int]]:
    for number in range(3):
        yield dg.DynamicOutput(number, mapping_key=f"n{number}")


@dg.op(pool="docling")
def parse(number: int) -> int:
    with GUARD:
        SEEN["now"] += 1
        SEEN["most"] = max(SEEN["most"], SEEN["now"])
    time.sleep(0.2)
    with GUARD:
        SEEN["now"] -= 1
    return number


@dg.job(executor_def=threads)
def windows() -> None:
    numbers().map(parse)


def limits(instance: dg.DagsterInstance) -> dict[str, int]:
    return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}


def test_pools_follow_the_settings_and_the_console(light: Light) -> None:
    light.instance.event_log_storage.initialize_concurrency_limit_to_default("gpu")  # as an older release left it
    for _ in range(2):
        settle_pools(light.instance)
        assert limits(light.instance) == limits_for(2) == {"docling": 4, "gpu": 4, "ollama": 12}
    with light.ledger.connection() as connection:
        connection.execute(CHANGE)
    settle_pools(light.instance)
    assert limits(light.instance) == limits_for(5)


def test_a_limit_of_a_person_stays_until_it_is_deleted(light: Light) -> None:
    settle_pools(light.instance)
    light.instance.event_log_storage.set_concurrency_slots("docling", 1)
    set_limits(light.instance, limits_for(3))
    set_limits(light.instance, limits_for(4))
    assert limits(light.instance) == {**limits_for(4), "docling": 1}
    light.instance.event_log_storage.delete_concurrency_limit("docling")
    set_limits(light.instance, limits_for(4))
    assert limits(light.instance) == limits_for(4)


def test_many_documents_make_no_pool_that_dagster_refuses(light: Light) -> None:
    set_limits(light.instance, limits_for(256))
    assert limits(light.instance)["ollama"] == 1000


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (4, 3)])
def test_steps_keep_to_the_limit_of_a_person(light: Light, limit: int, most: int) -> None:
    SEEN.update(now=0, most=0)
    light.instance.event_log_storage.set_concurrency_slots("docling", limit)
    assert dg.execute_job(dg.reconstructable(windows), light.instance).success
    assert SEEN["most"] == most
