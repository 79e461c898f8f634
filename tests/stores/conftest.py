"""Real servers for the stores' tests, started once per session and only when a test asks for them; and a vector store on a path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from aegis_assets.settings import Settings
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.graph import BoltGraph
from aegis_assets.stores.vectors import QdrantVectors
from tests.conftest import GraphServer
from tests.doubles.qdrant_server import QdrantDouble
from tests.download_cache import ServerUnavailable
from tests.server_skips import skipped_if_unavailable
from tests.stores.points import INFO, ONE, OTHER
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


@pytest.fixture(params=["local mode", "double", "server"])
def vectors(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[QdrantVectors]:
    """Every implementation of the port: a test that asks for it runs on each. AEGIS_TEST_QDRANT_URL names the real server."""
    with opened_vectors(request, tmp_path) as store:
        store.ensure(ONE, INFO)
        yield store


@contextmanager
def opened_vectors(request: pytest.FixtureRequest, tmp_path: Path, **options: Any) -> Iterator[QdrantVectors]:
    """Yield the store that the test's parameter names; a real server's collections of the tests are deleted before and after."""
    if request.param == "local mode":
        store = QdrantVectors(path=tmp_path / "vectors", **options)
        yield store
        store.close()
    elif request.param == "double":
        with QdrantDouble() as double:
            store = QdrantVectors(url=double.url, **options)
            yield store
            store.close()
    else:
        url, key = os.environ.get("AEGIS_TEST_QDRANT_URL", ""), os.environ.get("AEGIS_TEST_QDRANT_API_KEY", "")
        with skipped_if_unavailable("Qdrant", request.config):
            if not url:
                raise ServerUnavailable("AEGIS_TEST_QDRANT_URL names none")
        store = QdrantVectors(url=url, api_key=key, **options)
        for collection in (ONE, OTHER):
            store.delete_collection(collection)
        yield store
        for collection in (ONE, OTHER):
            store.delete_collection(collection)
        store.close()


@pytest.fixture
def local_vectors(tmp_path: Path) -> QdrantVectors:
    """The local mode, for what it alone has: turns among processes."""
    store = QdrantVectors(path=tmp_path / "vectors")
    store.ensure(ONE, INFO)
    return store


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A watched directory, empty."""
    path = tmp_path / "inbox"
    path.mkdir()
    return path


@pytest.fixture(scope="module")
def server_graph(graph_server: GraphServer) -> Iterator[BoltGraph]:
    store = BoltGraph(graph_server.address, graph_server.user, graph_server.password)
    store.ensure_schema()
    yield store
    store.close()


@pytest.fixture
def graph(server_graph: BoltGraph) -> BoltGraph:
    return server_graph


@pytest.fixture(scope="module")
def bolt(graph_server: GraphServer) -> Iterator[Bolt]:
    store = Bolt(graph_server.address, graph_server.user, graph_server.password)
    yield store
    store.close()


@pytest.fixture
def collection() -> UUID:
    return uuid4()
