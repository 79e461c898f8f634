"""The session's engine server, as the engines' tests want it: a client, and the directory of its bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aegis_assets.engines.client import EngineClient


@pytest.fixture(scope="session")
def engine(engine_server: tuple[str, str]) -> Iterator[EngineClient]:
    client = EngineClient(*engine_server)
    yield client
    client.close()


@pytest.fixture(scope="session")
def engine_bucket(engine_server: tuple[str, str]) -> Path:
    """Whoever started the server put its data directory into its environment."""
    port = engine_server[0].rpartition(":")[2]
    for process in psutil.process_iter(["cmdline"]):
        if "aegis_assets.engines.server" in (process.info["cmdline"] or ()):
            environment = process.environ()
            if environment.get("AEGIS_ENGINE_PORT") == port:
                bucket = Path(environment["AEGIS_HOME"]) / "bucket"
                bucket.mkdir(parents=True, exist_ok=True)
                return bucket
    raise AssertionError("The session's engine server is not running.")
