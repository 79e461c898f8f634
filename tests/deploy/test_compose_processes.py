"""The services of deploy/compose.yaml as plain processes: their commands, environments, health checks and order of starting.

Without a container engine the addresses are rewritten to ports of this machine, and secrets lie in a temporary directory;
PostgreSQL and the graph are the session's. Redis and S3 run by compose's own command lines. Vectors are the local mode unless
AEGIS_TEST_QDRANT_URL names a server.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import psutil
import pytest

from aegis_assets.embedded import secret_volumes
from aegis_assets.embedded.postgres import Postgres
from aegis_assets.model.launch import SMALL_BYTES
from aegis_assets.settings import ROOT
from tests.deploy.compose import services
from tests.doubles.ollama import OllamaDouble
from tests.services import free_ports, open_directory
from tests.waiting import until

QDRANT = os.environ.get("AEGIS_TEST_QDRANT_URL", "")
STARTED = ("code", "webserver", "daemon", "admin", "engine", "worker")
pytestmark = pytest.mark.slow  # two minutes; what compose.yaml says is compared with the code in test_compose.py

PAGES = 6


@dataclass
class Machine:
    """What Docker would be: processes by service, each with the service's environment and the files that it mounts."""

    directory: Path
    addresses: Mapping[str, str]  # of a host and port in the network of the containers, by this machine's
    changes: Mapping[str, str]
    processes: dict[str, subprocess.Popen[bytes]]

    def environment(self, name: str) -> dict[str, str]:
        """This process's own variables, then the service's, then what only a machine without containers needs."""
        plain = {key: value for key, value in os.environ.items() if not key.startswith("AEGIS_")}
        given = {key: self.local(str(value)) for key, value in services()[name].get("environment", {}).items()}
        mounted = {"AEGIS_SECRETS_DIR": str(self.directory / "secrets" / ("engine" if name == "engine" else "aegis"))}
        return {**plain, **given, **self.changes, **mounted}

    def local(self, value: str) -> str:
        parts = urlsplit(value)
        user, _, host = parts.netloc.rpartition("@")
        if host not in self.addresses:
            return value
        return urlunsplit(parts._replace(netloc=f"{user}@{self.addresses[host]}" if user else self.addresses[host]))

    def command(self, words: list[str]) -> list[str]:
        return [sys.executable if word == "python" else word for word in words]

    def start(self, name: str, command: list[str] | None = None) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command or self.command(services()[name]["command"]),
                cwd=ROOT,
                env=self.environment(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, name: str) -> None:
        """Until the service's own health check says that it works."""
        check = self.command(services()[name]["healthcheck"]["test"][1:])

        def healthy() -> bool:
            if self.processes[name].poll() is not None:
                raise AssertionError(f"{name} ended: {self.log(name)[-3000:]}")
            return subprocess.run(check, cwd=ROOT, env=self.environment(name), timeout=60, check=False).returncode == 0

        try:
            until(healthy, 180)
        except TimeoutError as error:
            raise AssertionError(f"{name} is not healthy: {self.log(name)[-3000:]}") from error

    def run(self, service: str, *words: str, seconds: float = 280) -> subprocess.CompletedProcess[str]:
        """What `docker compose exec SERVICE ...` would run."""
        return subprocess.run(
            self.command(list(words)),
            cwd=ROOT,
            env=self.environment(service),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def secrets(self) -> list[str]:
        return [path.read_text().strip() for path in (self.directory / "secrets" / "aegis").iterdir()]

    def stop(self) -> None:
        """Ask all at once, then insist, children included."""
        running = [process for process in self.processes.values() if process.poll() is None]
        children = [child for process in running for child in psutil.Process(process.pid).children(recursive=True)]
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
        for child in children:
            if child.is_running():
                child.kill()


def start_redis(machine: Machine, port: int) -> None:
    """Compose's own command line, with the port of this machine."""
    words = [word.replace("/run/secrets", str(machine.directory / "secrets" / "redis")) for word in services()["redis"]["command"]]
    assert shutil.which(words[0]), "Debian's redis-server is needed: apt-get install redis-server"
    machine.start("redis", [*words, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(machine.directory)])
    until(lambda: "Ready to accept connections" in machine.log("redis"), 30)


def start_s3(machine: Machine, s3: int) -> None:
    """Compose's own command line, with ports and a directory of this machine."""
    folder = machine.directory / "s3"
    folder.mkdir()
    words = [
        word.replace("/run/secrets", str(machine.directory / "secrets" / "s3"))
        .replace("=/data", f"={folder}")
        .replace("s3.port=8333", f"s3.port={s3}")
        .replace("0.0.0.0", "127.0.0.1")
        for word in services()["s3"]["command"]
    ]
    ports = free_ports(8)
    names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port.grpc")
    own = [f"-{name}={port}" for name, port in zip(names, ports, strict=False)]
    sockets = [f"-filer.localSocket={folder}/f.sock", f"-s3.localSocket={folder}/s.sock"]
    weed = shutil.which("weed", path=str(Path(sys.executable).parent)) or "weed"
    machine.start("s3", [weed, *words, *own, *sockets])
    until(lambda: "Start Seaweed S3 API Server" in machine.log("s3"), 60)


@contextmanager
def databases(server: Postgres) -> Iterator[tuple[str, str]]:
    """Names of two databases, which `setup` is to make."""
    names = (f"compose_aegis_{os.getpid()}", f"compose_dagster_{os.getpid()}")
    try:
        yield names
    finally:
        for name in names:
            server.drop_database(name)


@pytest.fixture(scope="module")
def machine(postgres_server: Postgres, arcadedb: tuple[str, str]) -> Iterator[Machine]:
    """Everything that `docker compose up` starts, up and healthy."""
    directory = open_directory("compose")
    ports = dict(zip(("admin", "webserver", "code", "engine", "redis", "s3"), free_ports(6), strict=True))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        aegis, dagster = stack.enter_context(databases(postgres_server))
        ollama = stack.enter_context(OllamaDouble(slots=4))
        words = [word.replace("/secrets", str(directory / "secrets")) for word in services()["secrets"]["command"]]
        subprocess.run([sys.executable, *words[1:]], cwd=ROOT, check=True, timeout=60)
        password = unquote(urlsplit(postgres_server.url()).password or "")
        secret_volumes.put(directory / "secrets", "aegis_postgres_password", password)
        secret_volumes.put(directory / "secrets", "aegis_neo4j_password", arcadedb[1])
        place = f"127.0.0.1:{postgres_server.port}"
        changes = {
            "AEGIS_HOME": str(directory / "home"),
            "AEGIS_LISTEN": "127.0.0.1",
            "AEGIS_CODE_HOST": "127.0.0.1",
            "AEGIS_POSTGRES_URL": f"postgresql://aegis@{place}/{aegis}",
            "AEGIS_DAGSTER_POSTGRES_URL": f"postgresql://aegis@{place}/{dagster}",
            "AEGIS_NEO4J_USER": "root",  # ArcadeDB's
            "AEGIS_QDRANT_URL": QDRANT,
            "AEGIS_ADMIN_PORT": str(ports["admin"]),
            "AEGIS_DAGSTER_PORT": str(ports["webserver"]),
            "AEGIS_CODE_PORT": str(ports["code"]),
            "AEGIS_ENGINE_PORT": str(ports["engine"]),
            "AEGIS_WINDOW_PAGES": "1",
        }
        addresses = {
            "webserver:3000": f"127.0.0.1:{ports['webserver']}",
            "engine:8011": f"127.0.0.1:{ports['engine']}",
            "redis:6379": f"127.0.0.1:{ports['redis']}",
            "s3:8333": f"127.0.0.1:{ports['s3']}",
            "neo4j:7687": urlsplit(arcadedb[0]).netloc,
            "ollama:11434": urlsplit(ollama.url).netloc,
        }
        started = Machine(directory, addresses, changes, {})
        stack.callback(started.stop)
        if not QDRANT:  # the vectors are a directory, which a worker takes only beside the stack that it belongs to
            (directory / "home").mkdir()
            (directory / "home" / "stack.env").touch()
        start_redis(started, ports["redis"])
        start_s3(started, ports["s3"])
        start_ours(started)
        yield started


def start_ours(machine: Machine) -> None:
    """In the order of depends_on; `setup` a second time, as at a second start."""
    setup = services()["setup"]["command"]
    done = machine.run("setup", *setup)
    assert (done.returncode, "User admin created." in done.stdout) == (0, True), done.stdout + done.stderr
    for name in ("engine", "code", "admin", "worker"):
        machine.start(name)
    again = machine.run("setup", *setup)
    assert (again.returncode, "User admin created." in again.stdout) == (0, False), again.stdout + again.stderr
    for name, needed in (("webserver", "code"), ("daemon", "webserver")):
        machine.wait(needed)
        machine.start(name)
    for name in STARTED:
        machine.wait(name)


def ingest(machine: Machine, path: Path) -> dict[str, Any]:
    done = machine.run("admin", "python", "manage.py", "ingest", str(path), "--collection", "compose", "--json")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stdout + done.stderr + machine.log("daemon")[-3000:]
    return dict(json.loads(lines[-1]))


def test_a_document_goes_through_the_workers_and_is_found(machine: Machine, tmp_path: Path) -> None:
    """A large file, since the steps of a small one stay in its run's own process; most of it is a comment, which costs nothing."""
    book = tmp_path / "book.md"
    pages = (
        f"## Page {page}\n\nAda Lovelace wrote note {page} to Charles Babbage. " + "It spoke of wheels. " * 60
        for page in range(PAGES)
    )
    book.write_text("\f".join(pages) + f"\n\n<!-- {'x' * SMALL_BYTES} -->\n")
    report = ingest(machine, book)
    assert report["state"] == "succeeded", report
    assert (report["chunks"] > 0, report["entities"] > 0) == (True, True)
    done = machine.run("admin", "python", "manage.py", "search", "who wrote to Babbage", "--collection", "compose", "--json")
    assert done.returncode == 0, done.stderr
    assert "Ada Lovelace" in json.loads(done.stdout)[0]["text"]
    assert re.search(r"Task aegis\.step\[[\w-]+\] succeeded", machine.log("worker")), machine.log("worker")[-2000:]


def test_the_doctor_finds_every_server_and_the_admin_has_the_password_of_its_file(machine: Machine) -> None:
    done = machine.run("admin", "python", "manage.py", "doctor", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    code = (
        "import django; django.setup()\n"
        "from django.contrib.auth import authenticate\n"
        "from aegis_assets.settings import settings\n"
        "assert authenticate(username='admin', password=settings().admin_password.get_secret_value())"
    )
    login = machine.run("admin", "python", "-c", f"import os; os.environ['DJANGO_SETTINGS_MODULE']='webadmin.settings'\n{code}")
    assert login.returncode == 0, login.stderr


def test_no_secret_is_on_a_command_line_in_a_log_or_in_the_environment_that_a_container_shows(machine: Machine) -> None:
    lines = []
    for process in machine.processes.values():
        for member in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
            try:
                lines.append(" ".join(member.cmdline()))
            except psutil.NoSuchProcess:
                continue
    told = "\n".join([*lines, *(machine.log(name) for name in machine.processes)])
    shown = json.dumps({name: machine.environment(name) for name in STARTED})
    assert len(machine.secrets()) >= len(secret_volumes.GENERATED)
    assert [secret for secret in machine.secrets() if secret in told or secret in shown] == []


def test_a_check_says_no_where_nothing_answers(machine: Machine) -> None:
    check = services()["admin"]["healthcheck"]["test"][1:]
    dead = {**machine.environment("admin"), "AEGIS_ADMIN_PORT": str(free_ports(1)[0])}
    done = subprocess.run(machine.command(check), cwd=ROOT, env=dead, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
