"""Fixtures that several packages share: real servers, started when a test first asks for one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from aegis_assets.embedded.postgres import Postgres
from aegis_assets.settings import ROOT
from tests import services
from tests.server_skips import pytest_report_teststatus, pytest_terminal_summary, skipped_if_unavailable

__all__ = ["pytest_report_teststatus", "pytest_terminal_summary"]  # hooks

# Its cost grows with the rows that the last test wrote. TRUNCATE of all tables together takes 45 ms of CPU whatever they hold, this
# 2 ms, so it is for large ones only. Triggers and references are off: every table is emptied.
EMPTY_TABLES = r"""
DO $$
DECLARE
  name text;
  used boolean;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR name IN SELECT tablename FROM pg_tables
      WHERE schemaname = 'public' AND tablename LIKE 'aegis\_%' AND tablename <> 'aegis_transition' LOOP
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', name) INTO used;
    IF pg_relation_size(name::regclass) > 200000 THEN
      EXECUTE format('TRUNCATE %I CASCADE', name);
    ELSIF used THEN
      EXECUTE format('DELETE FROM %I', name);
    END IF;
  END LOOP;
  PERFORM setval(format('%I.%I', schemaname, sequencename), start_value, false)
    FROM pg_sequences WHERE sequencename LIKE 'aegis\_%' AND last_value IS NOT NULL;
END $$"""
# Files of half a minute and more, longest first: begun last, one of them would keep a single core busy in the end. Files of one
# stack do not follow each other, because some of their tests must not meet.
LONG_FILES = (
    "architecture/test_types.py",
    "webadmin/console/test_every_page.py",
    "e2e/test_line.py",
    "defs/test_queues.py",
    "e2e/test_neo4j_line.py",
    "deploy/test_compose_processes.py",
    "e2e/test_hostile.py",
    "defs/test_failures.py",
    "webadmin/console/test_process.py",
    "embedded/test_stack.py",
    "engines/test_server.py",
    "e2e/test_outages.py",
    "webadmin/console/test_document_browser.py",
    "defs/test_embedding_server.py",
    "embedded/test_supervision.py",
    "webadmin/console/test_live_page.py",
    "webadmin/console/test_browser.py",
    "defs/test_llm_servers.py",
    "webadmin/console/test_proxies.py",
    "pipeline/test_publish_together.py",
    "e2e/test_console.py",
    "dagster_ext/test_coordinator.py",
    "e2e/test_browser.py",
    "webadmin/console/test_live.py",
    "engines/test_served_restart.py",
    "e2e/test_limits.py",
    "pipeline/test_neo4j_graphrag.py",
    "webadmin/test_rebuild_command.py",
    "stores/test_graph.py",
    "stores/test_graph_at_once.py",
)
FOR_TESTS = ("AEGIS_TEST_", "AEGIS_REQUIRE_SERVERS")  # AEGIS_TEST_QDRANT_URL, ...: servers that tests may use


@dataclass(frozen=True)
class Stack:
    """environment: AEGIS_HOME and the ports; with it in the environment, `settings.load()` and every command meet this stack."""

    home: Path
    environment: dict[str, str]

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.environment['AEGIS_ADMIN_PORT']}"

    @property
    def dagster(self) -> str:
        return f"http://127.0.0.1:{self.environment['AEGIS_DAGSTER_PORT']}"

    @property
    def admin_password(self) -> str:
        return (self.home / "admin-password").read_text().strip()

    def run(self, *words: str, time_out: float = 280.0) -> subprocess.CompletedProcess[str]:
        """A command in the project, as typed beside the running stack: run(sys.executable, "manage.py", "doctor")."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=time_out, check=False)


@dataclass(frozen=True)
class GraphServer:
    """kind: arcadedb or neo4j."""

    kind: str
    address: str
    user: str
    password: str


def pytest_addoption(parser: pytest.Parser) -> None:
    required = "servers (Neo4j,llama.cpp, or all) that fail their tests where they cannot be had, instead of skipping them"
    parser.addoption("--require-servers", metavar="NAMES", default="", help=required)
    parser.addoption("--on", metavar="FIXTURE", help="run only the tests that use this fixture: those of one server")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave only the tests that use the fixture of --on, and let long files begin first."""
    order = {Path(__file__).parent / name: number for number, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: order.get(item.path, len(order)))
    if fixture := config.getoption("on"):
        others = [item for item in items if fixture not in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


def pytest_configure(config: pytest.Config) -> None:
    """No test may meet the settings or the stack of whoever runs it. FOR_TESTS stay: xdist's workers look at them too."""
    if names := os.environ.get("AEGIS_REQUIRE_SERVERS"):
        config.option.require_servers = names
    for name in [name for name in os.environ if name.startswith("AEGIS_") and not name.startswith(FOR_TESTS)]:
        del os.environ[name]
    os.environ["AEGIS_HOME"] = str(Path(tempfile.gettempdir()) / "aegis-test-no-home")


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same directory in every xdist worker of the session."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def postgres_server(session_folder: Path) -> Iterator[Postgres]:
    """One PostgreSQL for the session. Tests that kill or stop one start their own."""
    with services.shared(session_folder, "postgres", services.start_postgres) as values:
        yield Postgres(Path(values["directory"]), int(values["port"]), durable=False)


@pytest.fixture(scope="session")
def database_url(postgres_server: Postgres) -> Iterator[str]:
    """This worker's own migrated database."""
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}_{os.getpid()}"
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(services.TEMPLATE))
        )
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def ledger_url(database_url: str) -> str:
    """The worker's database with the platform's tables empty, save for the table of allowed transitions."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '10s'")  # a connection that a test left open is found here, not by a hang
        connection.execute(EMPTY_TABLES)
    return database_url


@pytest.fixture(scope="session")
def arcadedb(session_folder: Path) -> Iterator[tuple[str, str]]:
    """Bolt address and the password of `root` of the session's graph server. Tests keep apart by their collections."""

    def start(directory: Path) -> services.Started:
        from tests.arcadedb_service import start_arcadedb

        process, address, password = start_arcadedb(directory)
        return services.Started({"address": address, "password": password}, (process.pid,))

    with services.shared(session_folder, "arcadedb", start) as values:
        yield values["address"], values["password"]


@pytest.fixture(scope="session")
def neo4j_server(session_folder: Path, pytestconfig: pytest.Config) -> Iterator[GraphServer]:
    """The session's Neo4j. Tests keep apart by their collections, and skip without a JRE or Maven."""

    def start(directory: Path) -> services.Started:
        from tests.neo4j_service import start_neo4j

        process, address, password = start_neo4j(directory)
        return services.Started({"address": address, "password": password}, (process.pid,), signal.SIGKILL)  # asked, it takes 10 s

    with skipped_if_unavailable("Neo4j", pytestconfig), services.shared(session_folder, "neo4j", start) as values:
        yield GraphServer("neo4j", values["address"], "neo4j", values["password"])


@pytest.fixture(scope="session")
def llamacpp_server(session_folder: Path, pytestconfig: pytest.Config) -> Iterator[str]:
    """Address of the session's llama.cpp server, which has one slot. Tests that need other slots, or a kill, start their own."""

    def start(directory: Path) -> services.Started:
        from tests.llamacpp_service import start_llamacpp

        process, address = start_llamacpp(directory)
        return services.Started({"address": address}, (process.pid,))

    with skipped_if_unavailable("llama.cpp", pytestconfig), services.shared(session_folder, "llamacpp", start) as values:
        yield values["address"]


@pytest.fixture(scope="session")
def engine_server(session_folder: Path) -> Iterator[tuple[str, str]]:
    """Address and token of the session's engine server, which takes seconds to load its models.

    It reranks by `tiny-reranker` in its home once a test has put a checkpoint there (test_search_reranked.py).
    """

    def start(directory: Path) -> services.Started:
        from tests.engine_service import start_engine_server

        process, address, token = start_engine_server(directory, {"AEGIS_RERANKER_PATH": str(directory / "tiny-reranker")})
        return services.Started({"address": address, "token": token, "home": str(directory)}, (process.pid,))

    with services.shared(session_folder, "engine", start) as values:
        yield values["address"], values["token"]


@pytest.fixture(scope="session")
def engine_home(engine_server: tuple[str, str], session_folder: Path) -> Path:
    """AEGIS_HOME of the session's engine server."""
    return Path(json.loads((session_folder / "engine.json").read_text())["values"]["home"])


@pytest.fixture(scope="session")
def engine_bucket(engine_home: Path) -> Path:
    """The directory of the bucket that the session's engine server reads and writes."""
    return engine_home / "bucket"


@pytest.fixture(scope="session")
def stack(session_folder: Path) -> Iterator[Stack]:
    """The whole process group, started by our own code on free ports. Tests that kill parts wait until they are back."""
    with services.shared(session_folder, "stack", services.start_stack) as values:
        environment = json.loads(values["environment"])
        yield Stack(Path(environment["AEGIS_HOME"]), environment)
