"""A server beside the stack is killed in the middle of a document and away for 20 seconds: the document succeeds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from aegis_assets.model.document import State
from aegis_assets.settings import ROOT
from tests.defs.conftest import Bench
from tests.defs.test_ingest import chapters, paged
from tests.engine_service import start_engine_server, stop
from tests.neo4j_service import USER, start_neo4j
from tests.server_skips import skipped_if_unavailable
from tests.servers.outage import KillableServer
from tests.services import free_ports
from tests.stores.seaweed_service import ACCESS, SECRET, seaweed_ports, start_seaweed
from tests.waiting import until

PAGES = 48
BUCKET = "s3://aegis-outage/data"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def neo4j(environment: pytest.MonkeyPatch, tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[KillableServer]:
    port = free_ports(1)[0]
    with skipped_if_unavailable("Neo4j", pytestconfig):
        server = KillableServer(lambda: start_neo4j(tmp_path / "neo4j", port)[0])
    environment.setenv("AEGIS_NEO4J_URL", f"bolt://127.0.0.1:{port}")
    environment.setenv("AEGIS_NEO4J_USER", USER)
    environment.setenv("AEGIS_NEO4J_PASSWORD", (tmp_path / "neo4j" / "password").read_text())
    yield server
    server.kill()


@pytest.fixture
def s3(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[KillableServer]:
    """With an engine server of its own, which reads and writes the same bucket."""
    ports = seaweed_ports()
    home = tmp_path / "seaweed"
    home.mkdir()
    server = KillableServer(lambda: start_seaweed(home, ports)[0])
    variables = {
        "AEGIS_BUCKET_URL": BUCKET,
        "AEGIS_S3_ENDPOINT": f"http://127.0.0.1:{ports[-1]}",
        "AEGIS_S3_ACCESS_KEY": ACCESS,
        "AEGIS_S3_SECRET_KEY": SECRET,
    }
    engine, address, token = start_engine_server(tmp_path / "engine", variables)
    for name, value in {**variables, "AEGIS_ENGINE_URL": address, "AEGIS_ENGINE_TOKEN": token}.items():
        environment.setenv(name, value)
    yield server
    stop(engine)
    server.kill()


def started(command: list[str], port: int, path: str) -> subprocess.Popen[bytes]:
    """A double as a process of its own: only such a one can be killed."""
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5, trust_env=False).is_success
        return False

    try:
        until(answers, 60)
    except TimeoutError:
        process.kill()
        raise
    return process


@pytest.fixture
def ollama(environment: pytest.MonkeyPatch) -> Iterator[KillableServer]:
    port = free_ports(1)[0]
    command = ["tests.doubles.ollama", f"--port={port}", "--slots=2", "--latency=constant:0.5"]
    server = KillableServer(lambda: started(command, port, "/api/version"))
    environment.setenv("AEGIS_OLLAMA_URL", f"http://127.0.0.1:{port}")
    yield server
    server.kill()


@pytest.fixture
def docling_serve(environment: pytest.MonkeyPatch, engine_bucket: Path, tmp_path: Path) -> Iterator[KillableServer]:
    """With an engine server of its own, which parses by it."""
    port = free_ports(1)[0]
    command = ["tests.servers.docling_serve_process", str(port), "1.5"]
    server = KillableServer(lambda: started(command, port, "/good/version"))
    variables = {
        "AEGIS_PARSER": "docling-serve",
        "AEGIS_DOCLING_SERVE_URL": f"http://127.0.0.1:{port}/good",
        "AEGIS_BUCKET_URL": engine_bucket.as_uri(),
    }
    engine, address, token = start_engine_server(tmp_path / "engine", variables)
    for name, value in {**variables, "AEGIS_ENGINE_URL": address, "AEGIS_ENGINE_TOKEN": token}.items():
        environment.setenv(name, value)
    yield server
    stop(engine)
    server.kill()


@pytest.fixture
def qdrant(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[KillableServer]:
    port, directory = free_ports(1)[0], tmp_path / "qdrant"
    directory.mkdir()
    command = ["tests.servers.qdrant_process", str(port), str(directory)]
    server = KillableServer(lambda: started(command, port, "/collections"))
    environment.setenv("AEGIS_QDRANT_URL", f"http://127.0.0.1:{port}")
    yield server
    server.kill()


def outlive(bench: Bench, server: KillableServer, name: str) -> None:
    document = bench.register(f"{name}.pdf", paged(chapters(PAGES, f"copy without the {name}")))
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(bench.materialize, document)
        until(lambda: run.done() or bench.platform.ledger.progress(document).fraction > 0.1)  # type: ignore[attr-defined]
        assert not run.done(), bench.result(document)
        server.take_away()
        assert run.result(300).success
    result = bench.result(document)
    assert (result["state"], result["failures"]) == (State.SUCCEEDED, [])
    assert result["chunks"] == result["vectors"] >= PAGES
    assert bench.agree(document)


@pytest.mark.neo4j
def test_neo4j(neo4j: KillableServer, bench: Bench) -> None:
    outlive(bench, neo4j, "neo4j")


def test_s3(s3: KillableServer, bench: Bench) -> None:
    outlive(bench, s3, "s3")


def test_ollama(ollama: KillableServer, bench: Bench) -> None:
    outlive(bench, ollama, "ollama")


def test_docling_serve(docling_serve: KillableServer, bench: Bench) -> None:
    outlive(bench, docling_serve, "docling-serve")


def test_qdrant(qdrant: KillableServer, bench: Bench) -> None:
    outlive(bench, qdrant, "qdrant")
