"""The embedded graph server: secret, ready, durable."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from neo4j import GraphDatabase

from aegis_assets.embedded import arcadedb
from tests.arcadedb_service import free_ports, start_arcadedb, stop


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "graph with space"


def test_the_password_is_made_once_kept_private_and_not_on_the_command_line(home: Path) -> None:
    command = arcadedb.command(home, 1, 2)
    secret = arcadedb.password(home)

    assert len(secret) >= 24
    assert arcadedb.password(home) == secret
    assert not any(secret in word for word in command)
    assert (home / "password").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in home.iterdir() if path.name.startswith(".password")] == []


def test_an_empty_password_file_left_by_a_kill_is_replaced(home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "password").touch()

    assert len(arcadedb.password(home)) >= 24


def test_what_was_committed_survives_sigkill_and_a_wrong_password_is_not_ready(home: Path) -> None:
    ports = (free_ports(2)[0], free_ports(2)[1])
    assert arcadedb.ready(ports[0], "nobody is there") is False
    process, address, secret = start_arcadedb(home, ports)
    try:
        assert arcadedb.ready(ports[0], "wrong") is False
        with GraphDatabase.driver(address, auth=(arcadedb.USER, secret)) as driver:
            driver.execute_query("UNWIND range(1, 500) AS n CREATE (:Kept {key: n})")
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        process, address, secret = start_arcadedb(home, ports)
        with GraphDatabase.driver(address, auth=(arcadedb.USER, secret)) as driver:
            assert driver.execute_query("MATCH (n:Kept) RETURN count(n) AS n").records[0]["n"] == 500
    finally:
        stop(process)
    assert process.returncode is not None
    assert [path for path in Path("/tmp").glob("hsperfdata_*/*") if path.name == str(process.pid)] == []
