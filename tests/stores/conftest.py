"""Real servers for the stores' tests, started once per session and only when a test asks for them; and a vector store on a path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aegis_assets.settings import Settings
from aegis_assets.stores.vectors import QdrantVectors
from tests.conftest import GraphServer
from tests.stores.points import INFO, ONE
from tests.stores.seaweed_service import ACCESS, SECRET, start_seaweed


@dataclass(frozen=True)
class S3:
    """filer: takes names that no S3 client would send."""

    endpoint: str
    filer: str

    def settings(self, **changes: object) -> Settings:
        return Settings(s3_endpoint=self.endpoint, s3_access_key=ACCESS, s3_secret_key=SECRET, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    process, endpoint, filer = start_seaweed(tmp_path_factory.mktemp("seaweed"))
    yield S3(endpoint, filer)
    process.kill()  # it takes 20 s to say goodbye, and its data goes with the directory
    process.wait(10)


@pytest.fixture(scope="session", params=["arcadedb", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def graph_server(request: pytest.FixtureRequest) -> GraphServer:
    """Every server that the graph's port has: a test that asks for it runs on each."""
    if request.param == "neo4j":
        server: GraphServer = request.getfixturevalue("neo4j_server")
        return server
    address, password = request.getfixturevalue("arcadedb")
    return GraphServer("arcadedb", address, "root", password)


@pytest.fixture
def vectors(tmp_path: Path) -> QdrantVectors:
    store = QdrantVectors(path=tmp_path / "vectors")
    store.ensure(ONE, INFO)
    return store
