"""Real servers for a whole test session, shared by its xdist workers: the first who asks starts one, the last who leaves stops it.

What is shared is told through a file under a lock. A watcher process outlives the session by a second, so that a test run that was
killed leaves nothing running either. Servers live in a directory of their own below the system's temporary directory and not in
pytest's, which is closed to the account that PostgreSQL drops to under root.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
import psycopg

from aegis_assets.embedded.postgres import Postgres
from aegis_assets.embedded.secrets_file import PORTS
from aegis_assets.settings import ROOT

TEMPLATE = "aegis_template"
Being = tuple[int, float]  # a process: its id and when it was born, because ids are reused


@dataclass(frozen=True)
class Started:
    """values: what tests need to know. pids: what must be gone in the end. word: the signal that asks them to go.

    stop: a command that asks first, in the environment that `values` names as `environment`, as JSON.
    """

    values: dict[str, str]
    pids: tuple[int, ...]
    word: int = signal.SIGTERM
    stop: tuple[str, ...] = ()


@dataclass
class Record:
    values: dict[str, str]
    directory: str
    processes: list[Being]
    word: int
    stop: list[str]
    users: list[Being] = field(default_factory=list)


def free_ports(count: int) -> list[int]:
    """Ports that are free now. All are held open together, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def open_directory(name: str) -> Path:
    """A new temporary directory that every account can enter."""
    directory = Path(tempfile.mkdtemp(prefix=f"aegis-test-{name}-"))
    directory.chmod(0o711)
    return directory


@contextmanager
def shared(folder: Path, name: str, start: Callable[[Path], Started]) -> Iterator[dict[str, str]]:
    """The values of the session's one server of that name. folder: common to all workers. start: gets the server's directory."""
    state = folder / f"{name}.json"
    with _locked(folder / f"{name}.lock"):
        record = _read(state)
        if record is None or not all(_alive(being) for being in record.processes):
            if record is not None:
                _end(record)
            record = _begin(name, start)
        record.users.append(_being(os.getpid()))
        _write(state, record)
        if len(record.users) == 1:
            _watch(state)
    try:
        yield record.values
    finally:
        with _locked(folder / f"{name}.lock"):
            left = _read(state)
            if left is not None:
                left.users = [user for user in left.users if _alive(user) and user[0] != os.getpid()]
                if left.users:
                    _write(state, left)
                else:
                    _end(left)
                    state.unlink()


def start_postgres(directory: Path) -> Started:
    """PostgreSQL with a migrated database that others are copied from, which takes milliseconds where migrating takes seconds.

    Without autovacuum: tests empty tables by DELETE (tests/conftest.py), and would meet rows in another order after one.
    """
    for attempt in range(3):
        server = Postgres(directory / f"postgres-{attempt}", free_ports(1)[0], durable=False)
        with suppress(Exception):  # someone else was faster at that port
            server.start()
            break
    else:
        raise RuntimeError(f"PostgreSQL did not start; see {server.log}")
    try:
        migrate(server.ensure_database(TEMPLATE), directory)
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET autovacuum = off")
            connection.execute("SELECT pg_reload_conf()")
    except BaseException:
        server.stop()
        raise
    return Started({"directory": str(server.directory), "port": str(server.port)}, (server.pid() or 0,), signal.SIGINT)


def stack_environment(home: Path) -> dict[str, str]:
    """The settings of a stack of its own: this home, and ports that are free now."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    return {"AEGIS_HOME": str(home), **{f"AEGIS_{name.upper()}": str(port) for name, port in ports.items()}}


def stack_command(action: str) -> list[str]:
    return [sys.executable, "-m", "aegis_assets.embedded.cli", action]


def start_stack(directory: Path, settings: Mapping[str, str] | None = None) -> Started:
    """All parts, as `make up` starts them. settings: of servers that are elsewhere."""
    environment = {**stack_environment(directory / "home"), **(settings or {})}
    done = subprocess.run(
        stack_command("up"), cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the stack did not start: {done.stdout}{done.stderr}")
    pid = int((directory / "home" / "run" / "supervisord.pid").read_text())
    return Started({"environment": json.dumps(environment)}, (pid,), stop=tuple(stack_command("down")))


def migrate(database_url: str, home: Path) -> None:
    """`manage.py migrate`. Without Django's checks, which import every view: a ledger test needs the tables alone."""
    environment = {**os.environ, "AEGIS_POSTGRES_URL": database_url, "AEGIS_HOME": str(home)}
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--skip-checks", "--verbosity", "0"],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=120,
    )


def _begin(name: str, start: Callable[[Path], Started]) -> Record:
    directory = open_directory(name)
    try:
        started = start(directory)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return Record(started.values, str(directory), [_being(pid) for pid in started.pids], started.word, list(started.stop))


def _end(record: Record) -> None:
    """Ask the processes to go, insist with what does not, and take everything that they started."""
    if record.stop:
        environment = {**os.environ, **json.loads(record.values["environment"])}
        subprocess.run(record.stop, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, timeout=180, check=False)
    processes = []
    for pid, born in record.processes:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.create_time() == born:
                processes += [process, *process.children(recursive=True)]
                process.send_signal(record.word)
    deadline = time.monotonic() + 20
    while any(_runs(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    shutil.rmtree(record.directory, ignore_errors=True)


def _runs(process: psutil.Process) -> bool:
    """A zombie does not run: its parent is another worker, which reaps it when it ends."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _being(pid: int) -> Being:
    return pid, psutil.Process(pid).create_time()


def _alive(being: Being) -> bool:
    with suppress(psutil.Error):
        process = psutil.Process(being[0])
        return process.create_time() == being[1] and process.status() != psutil.STATUS_ZOMBIE
    return False


def _read(state: Path) -> Record | None:
    if not state.exists():
        return None
    record = Record(**json.loads(state.read_text()))
    record.processes = [(int(pid), float(born)) for pid, born in record.processes]
    record.users = [(int(pid), float(born)) for pid, born in record.users]
    return record


def _write(state: Path, record: Record) -> None:
    state.write_text(json.dumps(asdict(record)))


def _watch(state: Path) -> None:
    """The session is the xdist controller, or this process without xdist."""
    session = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    subprocess.Popen(
        [sys.executable, "-m", "tests.services", str(session), str(state)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def watch(session: int, state: Path) -> None:
    """Wait until the session is over. What it should have stopped by then is stopped here."""
    try:
        being = _being(session)
    except psutil.NoSuchProcess:
        being = (0, 0.0)
    while _alive(being) and state.exists():
        time.sleep(1)
    record = _read(state)
    if record is not None:
        _end(record)
        state.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    watch(int(sys.argv[1]), Path(sys.argv[2]))
