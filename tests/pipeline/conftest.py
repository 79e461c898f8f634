"""A world of real stores for publish and removal; each world is a collection of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from aegis_assets.settings import Settings
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.bucket import open_bucket
from aegis_assets.stores.graph import BoltGraph
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.ledger.graph_view import GraphView
from aegis_assets.stores.vectors import QdrantVectors
from tests.pipeline.world import World


@pytest.fixture
def new_world(ledger_url: str, arcadedb: tuple[str, str], tmp_path: Path) -> Iterator[Callable[[], World]]:
    address, password = arcadedb
    ledger, view = Ledger(ledger_url), GraphView(ledger_url)
    graph, bolt = BoltGraph(address, "root", password), Bolt(address, "root", password)
    graph.ensure_schema()

    made: list[World] = []

    def make() -> World:
        name = f"world-{uuid4().hex[:12]}"
        bucket = open_bucket((tmp_path / name).as_uri(), Settings())
        made.append(World(name, ledger, view, QdrantVectors(path=tmp_path / "vectors"), graph, bucket, bolt, name))
        return made[-1]

    yield make
    for world in made:
        world.require_mirror()
    for one in (ledger, view, graph, bolt):
        one.close()


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    return new_world()
