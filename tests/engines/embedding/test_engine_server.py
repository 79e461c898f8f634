"""The real engine server with AEGIS_EMBEDDING_URL: what it loads, and what it says while the server there is away or refuses."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from aegis_assets.engines.client import EngineClient
from aegis_assets.errors import EngineUnavailable, Misconfigured
from aegis_assets.model.parsing import InspectRequest
from tests.doubles.embedding_server import EmbeddingDouble
from tests.engine_service import READY_SECONDS, start_engine_server, stop
from tests.engines.test_server import until


def embedder_state(address: str) -> str:
    return str(httpx.get(f"{address}/health", trust_env=False).json()["engines"]["embedder"])


def test_a_server_that_refuses_is_said_to_all_parsing_goes_on_and_it_is_used_when_it_takes_the_key(tmp_path: Path) -> None:
    with EmbeddingDouble(key="hush", fault="status 503") as double:
        settings = {"AEGIS_EMBEDDING_URL": double.url, "AEGIS_EMBEDDING_API_KEY": "hush", "AEGIS_EMBEDDING_MODEL": double.model}
        process, address, token = start_engine_server(tmp_path, settings, wait=False)
        try:
            until(lambda: "overloaded" in embedder_state_or_none(address), READY_SECONDS)
            client = EngineClient(address, token, patience=1.0)
            with pytest.raises(EngineUnavailable, match="overloaded"):
                client.info()
            double.key, double.fault = "changed", ""
            until(lambda: "AEGIS_EMBEDDING_API_KEY" in embedder_state(address))
            with pytest.raises(Misconfigured, match="AEGIS_EMBEDDING_API_KEY"):
                client.embed(["text"], "query")
            assert "hush" not in (tmp_path / "engine.log").read_text()
            double.key = "hush"
            until(lambda: embedder_state(address) == "ready")
            until(lambda: httpx.get(f"{address}/health", trust_env=False).status_code == 200, READY_SECONDS)
            assert client.info().name == double.model
            assert len(client.embed(["one", "two"], "passage")) == 2
            assert parsed(client, tmp_path / "bucket") == "markdown"
            workers = [
                child for child in psutil.Process(process.pid).children(recursive=True) if "spawn_main" in " ".join(child.cmdline())
            ]
            assert len(workers) == 1, "spaCy's alone: no model is loaded to embed"

            double.__exit__(None, None, None)
            assert parsed(client, tmp_path / "bucket") == "markdown", "how long a chunk may be is known"
            assert embedder_state(address) == "ready", "an outage is its callers' error"
            with pytest.raises(EngineUnavailable, match="cannot be reached"):
                client.embed(["three"], "query")
            double.__enter__()
        finally:
            stop(process)


def embedder_state_or_none(address: str) -> str:
    try:
        return embedder_state(address)
    except httpx.HTTPError:
        return ""


def parsed(client: EngineClient, bucket: Path) -> str:
    prefix = f"test/{uuid4()}"
    (bucket / prefix).mkdir(parents=True)
    (bucket / prefix / "blob").write_text("# Title\n\nWords below it.\n")
    return client.inspect(InspectRequest(blob=f"{prefix}/blob", name="a.md", artifacts=f"{prefix}/whole")).format


def test_a_setting_that_cannot_be_right_is_said_and_the_server_runs(tmp_path: Path) -> None:
    process, address, token = start_engine_server(tmp_path, {"AEGIS_EMBEDDER": "openai"}, wait=False)
    try:
        client = EngineClient(address, token, patience=READY_SECONDS)
        with pytest.raises(Misconfigured, match="AEGIS_EMBEDDER is 'openai' and AEGIS_EMBEDDING_URL is empty"):
            client.embed(["text"], "query")
        assert "AEGIS_EMBEDDING_URL" in client.health().engines["embedder"]
        assert not client.health().ready
    finally:
        stop(process)
