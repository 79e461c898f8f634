"""Every connection to PostgreSQL has the parameters of aegis_assets.postgres_options: in the source, and on live connections."""

from __future__ import annotations

import ast
import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from aegis_assets.dagster_ext.storage import PooledPostgresStorage, with_options
from aegis_assets.embedded.postgres import Postgres
from aegis_assets.postgres_options import CONNECT_SECONDS, IDLE_SECONDS, PROBE_SECONDS, PROBES, UNCONFIRMED_MS, connection_options
from aegis_assets.settings import ROOT
from aegis_assets.stores.changes import changes
from aegis_assets.stores.holds import Holds
from aegis_assets.stores.leases import Leases
from aegis_assets.stores.ledger import Ledger

# What opens a connection, by the name that it is called by; and what stands in the call where the parameters are ours.
OPENERS = ("psycopg.connect", "psycopg.AsyncConnection.connect", "ConnectionPool", "AsyncConnectionPool")
ENGINES = ("create_engine", "create_pg_engine", "sqlalchemy.create_engine")
WITH_OPTIONS_IN_ITS_ADDRESS = {"aegis_assets/dagster_ext/storage.py"}
SHOWN = {
    "tcp_keepalives_idle": str(IDLE_SECONDS),
    "tcp_keepalives_interval": str(PROBE_SECONDS),
    "tcp_keepalives_count": str(PROBES),
    "tcp_user_timeout": str(UNCONFIRMED_MS),
}
SETTINGS = "SELECT name, current_setting(name) FROM pg_settings WHERE name LIKE 'tcp\\_%'"


def calls() -> Iterator[tuple[str, ast.Call, ast.Module]]:
    for package in ("aegis_assets", "webadmin"):
        for path in (ROOT / package).rglob("*.py"):
            module = ast.parse(path.read_text())
            for node in ast.walk(module):
                if isinstance(node, ast.Call):
                    yield str(path.relative_to(ROOT)), node, module


def test_no_connection_is_opened_without_the_parameters() -> None:
    bare, seen = [], 0
    for path, call, module in calls():
        name = ast.unparse(call.func)
        if name in OPENERS:
            seen += 1
            parameters = [ast.unparse(keyword.value) for keyword in call.keywords]
            assigned = {
                ast.unparse(node.targets[0]): ast.unparse(node.value) for node in ast.walk(module) if isinstance(node, ast.Assign)
            }
            if not any("connection_options(" in assigned.get(value, value) for value in parameters):
                bare.append(f"{path}:{call.lineno}")
        if name in ENGINES and path not in WITH_OPTIONS_IN_ITS_ADDRESS:
            bare.append(f"{path}:{call.lineno}")
    assert bare == []
    assert seen > 8


def test_an_address_that_has_parameters_keeps_them() -> None:
    options = connection_options("aegis", {"connect_timeout": "9", "options": "-c search_path=mine", "sslmode": "require"})
    assert (options["connect_timeout"], options["sslmode"], options["keepalives_idle"]) == ("9", "require", IDLE_SECONDS)
    assert options["options"].endswith("-c search_path=mine")
    assert "tcp_user_timeout" in with_options("postgresql://a:b%25@c/d?options=-c%20search_path%3Dmine")
    assert "search_path" in with_options("postgresql://a:b%25@c/d?options=-c%20search_path%3Dmine")


def told(connection: Any) -> dict[str, str]:
    """What the server's session has."""
    with connection.cursor() as cursor:
        cursor.execute(SETTINGS)
        return dict(tuple(row.values()) if isinstance(row, dict) else row for row in cursor.fetchall())


def probed(descriptor: int) -> None:
    """What our end of the socket has."""
    with socket.socket(fileno=os.dup(descriptor)) as end:
        assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == IDLE_SECONDS
        assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == PROBE_SECONDS
        assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == PROBES
        assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNCONFIRMED_MS


def test_the_ledgers_pool_has_them(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    with ledger.connection() as connection:
        assert told(connection) == SHOWN
        probed(connection.fileno())
        assert connection.execute("SHOW statement_timeout").fetchone() == {"statement_timeout": "2min"}
    ledger.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Connections of psycopg that were opened since, as they were when they were new."""
    seen: list[Any] = []

    def noting(real: Callable[..., Any]) -> Callable[..., Any]:
        def connect(*positional: Any, **named: Any) -> Any:
            connection = real(*positional, **named)
            seen.append((told(connection), connection))
            probed(connection.fileno())
            return connection

        return connect

    monkeypatch.setattr(psycopg, "connect", noting(psycopg.connect))
    return seen


def test_connections_of_their_own_have_them(ledger_url: str, opened: list[Any]) -> None:
    ledger = Ledger(ledger_url)
    with ledger.storing("blobs/x"), Holds(ledger_url).hold("step"):
        Leases(ledger_url, {}).announce()
    ledger.close()
    assert len(opened) == 3
    assert [settings for settings, _ in opened] == [SHOWN] * 3


def test_the_embedded_server_is_asked_with_them(postgres_server: Postgres, opened: list[Any]) -> None:
    assert postgres_server.answers()
    assert [settings for settings, _ in opened] == [SHOWN]


def test_connections_that_listen_have_them(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = psycopg.AsyncConnection.connect, []

    async def connect(*positional: Any, **named: Any) -> Any:
        connection = await real(*positional, **named)
        probed(connection.fileno())
        seen.append({row[0]: row[1] for row in await (await connection.execute(SETTINGS)).fetchall()})
        return connection

    async def listen() -> None:
        stream = changes(ledger_url)
        assert await anext(stream) is None
        await stream.aclose()
        async with Leases(ledger_url, {"thing": 1}).hold("thing", 1, uuid4()):
            pass

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", connect)
    asyncio.run(listen())
    assert seen == [SHOWN] * 2


def test_dagsters_storage_has_them(database_url: str, tmp_path: Path) -> None:
    storage = PooledPostgresStorage.from_config_value(
        None, {"postgres_url": database_url.replace("postgresql:", "postgresql+psycopg2:")}
    )
    for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
        pooled = part._engine.raw_connection()  # type: ignore[attr-defined]
        assert told(pooled.driver_connection) == SHOWN
        probed(pooled.driver_connection.fileno())
        pooled.close()


def test_djangos_connections_have_them(database_url: str, tmp_path: Path) -> None:
    """In a process of its own: Django's settings are read once."""
    script = (
        "import django; django.setup(); from django.db import connection as c; import sys\n"
        "from tests.architecture.test_postgres_options import SETTINGS, SHOWN, probed\n"
        "cursor = c.cursor(); cursor.execute(SETTINGS)\n"
        "assert dict(cursor.fetchall()) == SHOWN; probed(c.connection.fileno())"
    )
    environment = {
        **os.environ,
        "AEGIS_HOME": str(tmp_path),
        "AEGIS_POSTGRES_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "webadmin.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_connection_attempt_has_an_end() -> None:
    assert connection_options("aegis")["connect_timeout"] == CONNECT_SECONDS
