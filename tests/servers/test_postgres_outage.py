"""PostgreSQL is killed and started again under the ledger, the leases and Dagster's storage: all of them wait for it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy

from aegis_assets.dagster_ext.storage import PooledPostgresStorage, repeated
from aegis_assets.embedded.postgres import Postgres
from aegis_assets.stores.leases import Leases
from aegis_assets.stores.ledger import Ledger
from tests import services

AWAY_SECONDS = 1.5
LONG = 100.0


@pytest.fixture(scope="module")
def own_server() -> Iterator[Postgres]:
    """With the platform's tables in `TEMPLATE`. Each test leaves it running."""
    directory = services.open_directory("outage")
    started = services.start_postgres(directory)
    server = Postgres(Path(started.values["directory"]), int(started.values["port"]), durable=False)
    yield server
    server.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def url(own_server: Postgres) -> str:
    own_server.start()
    return own_server.url(services.TEMPLATE)


def kill(server: Postgres) -> None:
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server.running():  # its children notice within moments
        time.sleep(0.02)


@contextmanager
def outage(server: Postgres) -> Iterator[None]:
    """The server is gone, and comes back while the block runs."""
    kill(server)

    def return_() -> None:
        time.sleep(AWAY_SECONDS)
        server.start()

    back = threading.Thread(target=return_)
    back.start()
    try:
        yield
    finally:
        back.join()


def register(ledger: Ledger, name: str) -> None:
    digest = uuid4().hex * 2
    ledger.register("outages", "upload", name, name, f"blobs/{digest}", digest, 1)


def test_what_a_run_writes_waits_for_the_server(own_server: Postgres, url: str) -> None:
    ledger = Ledger(url, outage_seconds=LONG)
    try:
        register(ledger, "before")
        with outage(own_server):
            register(ledger, "meanwhile")
        with ledger.connection() as connection:
            rows = connection.execute("SELECT name FROM aegis_document ORDER BY name").fetchall()
        assert [row["name"] for row in rows] == ["before", "meanwhile"]
    finally:
        ledger.close()


def test_a_lease_is_held_through_a_restart_and_others_wait_for_theirs(own_server: Postgres, url: str) -> None:
    leases = Leases(url, {"ollama": 1}, outage_seconds=LONG)
    order: list[str] = []

    async def hold(name: str, entered: asyncio.Event, leave: asyncio.Event) -> None:
        async with leases.hold("ollama", 1, uuid4()):
            order.append(name)
            entered.set()
            await leave.wait()

    async def scenario() -> None:
        events = [asyncio.Event() for _ in range(4)]
        first = asyncio.create_task(hold("first", events[0], events[1]))
        await events[0].wait()
        kill(own_server)
        second = asyncio.create_task(hold("second", events[2], events[3]))
        await asyncio.to_thread(own_server.start)
        while not (rows := await asyncio.to_thread(leases.holders)) or len(rows) < 2:
            await asyncio.sleep(0.05)
        assert order == ["first"], "there is one slot, and it is still held"
        events[1].set()
        await events[2].wait()
        events[3].set()
        await asyncio.gather(first, second)
        await leases.close()

    asyncio.run(asyncio.wait_for(scenario(), 60))
    assert order == ["first", "second"]


def test_dagsters_storage_waits_for_the_server(own_server: Postgres) -> None:
    own_server.start()
    own_server.ensure_database("dagster_outage")
    address = own_server.url("dagster_outage").replace("postgresql://", "postgresql+psycopg2://", 1)
    storage = PooledPostgresStorage.from_config_value(None, {"postgres_url": address})
    assert storage.run_storage.get_runs_count() == 0
    with outage(own_server):
        assert storage.run_storage.get_runs_count() == 0


def test_dagsters_tables_that_a_killed_process_did_not_create_are_created_by_the_next(own_server: Postgres, url: str) -> None:
    own_server.start()
    own_server.ensure_database("dagster_killed")
    address = own_server.url("dagster_killed").replace("postgresql://", "postgresql+psycopg2://", 1)
    PooledPostgresStorage.from_config_value(None, {"postgres_url": address})
    with sqlalchemy.create_engine(address).begin() as connection:
        connection.execute(sqlalchemy.text("DROP TABLE dynamic_partitions, instigators, daemon_heartbeats"))
    storage = PooledPostgresStorage.from_config_value(None, {"postgres_url": address})
    storage.event_log_storage.add_dynamic_partitions("documents", ["one"])
    assert storage.event_log_storage.get_dynamic_partitions("documents") == ["one"]
    assert storage.schedule_storage.all_instigator_state() == []
    assert storage.run_storage.get_daemon_heartbeats() == {}


def test_a_call_whose_connection_breaks_is_repeated_once(own_server: Postgres, url: str) -> None:
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg2://", 1), pool_pre_ping=True)
    calls: list[int] = []

    @repeated
    def ask() -> int:
        calls.append(1)
        with engine.connect() as connection:
            if len(calls) == 1:
                kill(own_server)
                own_server.start()
            return int(connection.execute(sqlalchemy.text("SELECT 7")).scalar_one())

    @repeated
    def defective() -> None:
        calls.append(1)
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT nonsense"))

    assert ask() == 7
    assert len(calls) == 2
    calls.clear()
    with pytest.raises(sqlalchemy.exc.ProgrammingError):
        defective()
    assert len(calls) == 1, "a statement that the server refuses is not repeated"
    engine.dispose()
