"""`make up`, `make status`, `make down` on a real stack. Engine and graph are elsewhere here; tests/e2e starts them all."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from aegis_assets.embedded import stack
from aegis_assets.embedded.supervision import MARK
from aegis_assets.settings import ROOT
from tests import services


@dataclass(frozen=True)
class Own:
    home: Path
    environment: dict[str, str]

    def cli(self, action: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, **self.environment, **environment}
        command = services.stack_command(action)
        return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=280, check=False)

    def pids(self, status: str = "") -> dict[str, int]:
        rows = (line.split() for line in (status or self.cli("status").stdout).splitlines())
        return {row[0]: int(row[2]) for row in rows if len(row) > 2 and row[2].isdigit()}

    def left(self) -> list[str]:
        """Processes of this stack, by mark or by a path on their command line."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get(MARK) == str(self.home) or str(self.home) in " ".join(process.cmdline())
                if ours and process.pid != os.getpid():
                    found.append(" ".join(process.cmdline()))
            except (psutil.Error, OSError):
                continue
        return found


@pytest.fixture(scope="module")
def own() -> Iterator[Own]:
    directory = services.open_directory("own-stack")
    home = directory / "home"
    elsewhere = {"AEGIS_ENGINE_URL": "http://127.0.0.1:1", "AEGIS_NEO4J_URL": "bolt://127.0.0.1:1"}
    one = Own(home, services.stack_environment(home) | elsewhere)
    yield one
    one.cli("down")
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def first(own: Own) -> subprocess.CompletedProcess[str]:
    """What the first `make up` said."""
    done = own.cli("up")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_first_start_makes_an_admin_account_whose_password_is_kept_closed(
    own: Own, first: subprocess.CompletedProcess[str]
) -> None:
    password = (own.home / "admin-password").read_text().strip()
    assert first.stdout.count(password) == 1
    assert (own.home / "admin-password").stat().st_mode & 0o777 == 0o600
    page = f"http://127.0.0.1:{own.environment['AEGIS_ADMIN_PORT']}/admin/login/"
    with httpx.Client(timeout=30, trust_env=False) as browser:
        browser.get(page)
        form = {"username": "admin", "password": password, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        assert browser.post(page, data=form, headers={"Referer": page}).status_code == 302


def test_no_secret_stands_in_a_log_or_on_a_command_line(own: Own, first: subprocess.CompletedProcess[str]) -> None:
    lines = (own.home / "stack.env").read_text().splitlines()
    secrets = [
        line.split("'")[1] for line in lines if any(word in line for word in ("KEY=", "TOKEN=", "PASSWORD=", "POSTGRES_URL="))
    ]
    assert len(secrets) >= 4
    told = "".join(path.read_text(errors="replace") for path in (own.home / "logs").iterdir()) + "".join(own.left())
    assert [secret for secret in secrets if secret in told] == []


def test_status_shows_every_part_and_what_is_elsewhere(own: Own, first: subprocess.CompletedProcess[str]) -> None:
    done = own.cli("status")
    states = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[1:]}
    running = dict.fromkeys(("postgres", "code", "webserver", "daemon", "admin"), "running")
    assert states == running | {"graph": "elsewhere", "engine": "elsewhere"}
    assert done.returncode == 0


def test_a_second_start_says_that_it_runs_and_touches_nothing(own: Own, first: subprocess.CompletedProcess[str]) -> None:
    before = own.pids()
    done = own.cli("up")
    assert (done.returncode, "Already running." in done.stdout) == (0, True)
    assert (own.home / "admin-password").read_text().strip() not in done.stdout
    assert own.pids() == before


def test_ports_changed_since_the_start_are_told_apart_from_those_in_use(own: Own, first: subprocess.CompletedProcess[str]) -> None:
    done = own.cli("up", AEGIS_ADMIN_PORT="1")
    assert (done.returncode, "The ports have changed" in done.stdout) == (0, True)
    assert f":{own.environment['AEGIS_ADMIN_PORT']}/admin/" in done.stdout


@pytest.mark.parametrize("name", ["postgres", "admin"])
def test_a_killed_part_comes_back(own: Own, first: subprocess.CompletedProcess[str], name: str) -> None:
    before = own.pids()[name]
    os.kill(psutil.Process(before).pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while True:
        done = own.cli("status")
        if done.returncode == 0 and own.pids(done.stdout)[name] != before:
            return
        assert time.monotonic() < deadline, done.stdout
        time.sleep(0.5)


def test_after_a_killed_supervisord_status_says_so_and_a_start_takes_over(
    own: Own, first: subprocess.CompletedProcess[str]
) -> None:
    os.kill(int((own.home / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
    told = own.cli("status")
    assert (told.returncode, "`make up` takes over" in told.stderr) == (1, True)
    done = own.cli("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Stopped what an earlier stack had left behind." in done.stdout
    assert own.cli("status").returncode == 0


def test_stopping_leaves_no_process_no_socket_and_all_data(own: Own, first: subprocess.CompletedProcess[str]) -> None:
    assert own.cli("down").returncode == 0
    assert own.left() == []
    assert not (own.home / "run").exists()
    assert (own.home / "postgres" / "data" / "PG_VERSION").exists()
    assert own.cli("status").returncode == 1
    assert own.cli("down").stdout.strip() == "Nothing runs."


def test_a_taken_port_stops_the_start_with_its_owner_and_setting(own: Own, first: subprocess.CompletedProcess[str]) -> None:
    own.cli("down")
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", 0))
        taker.listen()
        port = str(taker.getsockname()[1])
        done = own.cli("up", AEGIS_DAGSTER_PORT=port)
    assert done.returncode == 1
    assert f"Port {port}, wanted by Dagster's page, is taken by process {os.getpid()} (" in done.stderr
    assert "set AEGIS_DAGSTER_PORT to another one" in done.stderr
    assert own.left() == []


def test_a_directory_with_other_files_is_not_taken_for_a_home(own: Own) -> None:
    """`make up` would close it to others, and `make clean` delete it."""
    other = own.home.parent / "documents"
    other.mkdir(mode=0o755)
    (other / "letter.txt").write_text("Dear Ada")
    (other / "logs").mkdir()  # as a home has, and many another directory
    for action in ("up", "clean"):
        done = own.cli(action, AEGIS_HOME=str(other))
        assert done.returncode == 1
        assert str(other) in done.stderr
    assert sorted(path.name for path in other.iterdir()) == ["letter.txt", "logs"]
    assert other.stat().st_mode & 0o777 == 0o755


def test_a_file_that_is_missing_while_the_home_is_held_is_an_error_like_any_other(own: Own) -> None:
    entered: list[bool] = []

    def held() -> None:
        with stack._alone(own.home.parent / "held", make=True) as there:
            entered.append(there)
            raise FileNotFoundError("no-such-program")

    with pytest.raises(FileNotFoundError, match="no-such-program"):
        held()
    assert entered == [True]


def test_whoever_waits_for_a_home_that_is_deleted_meanwhile_gets_a_new_one(own: Own) -> None:
    """`make clean` and `make up` at once: the lock that `up` then gets belongs to a deleted file."""
    home = own.home.parent / "deleted"
    held, release = threading.Event(), threading.Event()

    def clean() -> None:
        with stack._alone(home, make=True):
            held.set()
            release.wait(20)
            shutil.rmtree(home)

    cleaning = threading.Thread(target=clean)
    cleaning.start()
    assert held.wait(20)
    threading.Timer(0.3, release.set).start()
    with stack._alone(home, make=True) as there:
        cleaning.join(20)
        assert there
        assert (home / "stack.lock").exists()
        assert (home / "bucket").is_dir()


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("AEGIS_POSTGRES_URL", "postgresql//me:hush@127.0.0.1:1/ledger"),
        ("AEGIS_POSTGRES_URL", "postgresql://me:hu[sh@127.0.0.1:1/ledger"),
        ("AEGIS_POSTGRES_URL", "postgresql://me:hush@127.0.0.1:1"),
        ("AEGIS_DAGSTER_POSTGRES_URL", "mysql://me:hush@127.0.0.1:1/dagster"),
    ],
)
def test_an_address_that_is_none_is_named_without_its_password(own: Own, name: str, url: str) -> None:
    done = own.cli("up", **{"AEGIS_HOME": str(own.home.parent / "other"), name: url})
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name} is not an address like")
    assert "hush" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_of_the_wrong_kind_is_named(own: Own) -> None:
    done = own.cli("up", AEGIS_ADMIN_PORT="eight")
    assert done.returncode == 1
    assert done.stderr.startswith("AEGIS_ADMIN_PORT: ")
    assert "Traceback" not in done.stderr


def test_a_database_that_does_not_answer_is_named_without_its_password(own: Own) -> None:
    home = own.home.parent / "other"
    done = own.cli("up", AEGIS_HOME=str(home), AEGIS_POSTGRES_URL="postgresql://me:hush@127.0.0.1:1/ledger")
    assert done.returncode == 1
    assert "AEGIS_POSTGRES_URL does not answer" in done.stderr
    assert "hush" not in done.stdout + done.stderr
    assert own.left() == []
