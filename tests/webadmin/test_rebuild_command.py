"""`manage.py rebuild` as people type it, on real stores: what it says, what it writes, and its exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis_assets.settings import ROOT, settings
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.graph import BoltGraph
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.ledger.graph_view import GraphView
from tests.conftest import GraphServer
from tests.pipeline.world import INFO, World
from tests.waiting import until
from tests.webadmin.conftest import forget
from tests.webadmin.typed import Typed
from webadmin.documents import platform

DOCUMENT = [["Ada uses Engine", "Bob likes Engine"], ["Ada knows Bob"]]


@pytest.fixture
def world(site: Path, ledger: Ledger, arcadedb: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The stores that the site uses, with a graph that is ArcadeDB."""
    address, password = arcadedb
    for name, value in (("URL", address), ("USER", "root"), ("PASSWORD", password)):
        monkeypatch.setenv(f"AEGIS_NEO4J_{name}", value)
    forget()
    view = GraphView(settings().postgres_url.get_secret_value())
    graph, bolt = BoltGraph.from_settings(settings()), Bolt(address, "root", password)
    graph.ensure_schema()
    yield World(f"rebuilt-{site.name}", ledger, view, platform.vectors(), graph, platform.bucket(), bolt)
    for one in (view, graph, bolt):
        one.close()


def lost(world: World) -> None:
    world.bolt.run(("MATCH (n) WHERE n.collection = $c DETACH DELETE n", {"c": str(world.id)}))


@pytest.mark.parametrize("store", ["graph", "vectors"])
def test_a_lost_store_is_written_again_and_the_way_is_told(world: World, store: str) -> None:
    document = world.ingest("a.md", DOCUMENT)
    world.ledger.set_embedder(world.id, INFO)
    before = world.state()
    lost(world) if store == "graph" else world.vectors.delete_collection(world.id)

    typed = Typed("rebuild", store, "--collection", world.collection, "--json")

    assert typed.code == 0, typed.err
    (report,) = typed.objects()
    assert (report["store"], report["collection"], report["ok"], report["problem"]) == (store, world.collection, True, "")
    assert report["done"] == report["total"] > 0
    assert f"{world.collection}: 100 %" in typed.err
    assert world.state() == before
    assert world.agreed(document)


def test_without_a_name_every_collection_is_rebuilt_and_said_in_words(world: World) -> None:
    world.ingest("a.md", DOCUMENT)
    world.ledger.register("another", "upload", "b.md", "b.md", "blobs/x", "x", 1)
    lost(world)
    typed = Typed("rebuild", "graph")
    assert typed.code == 0, typed.err
    assert {line.split(":")[0] for line in typed.out.splitlines()} == {world.collection, "another"}
    assert f"{world.collection}: graph rebuilt" in typed.out
    assert world.nodes()["entities"]


def test_an_unknown_collection_and_a_graph_that_is_away_are_failures_with_a_sentence(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = Typed("rebuild", "graph", "--collection", "no-such")
    assert (typed.code, typed.err.strip()) == (1, "There is no collection named 'no-such'.")

    world.ingest("a.md", DOCUMENT)
    monkeypatch.setenv("AEGIS_NEO4J_TYPED", "true")
    forget()
    typed = Typed("rebuild", "graph", "--json")
    assert typed.code == 1
    assert "AEGIS_NEO4J_TYPED needs Neo4j 5.26" in typed.err
    assert [(report["ok"], report["problem"]) for report in typed.objects()] == [(False, typed.err.strip().partition(": ")[2])]


def test_there_may_be_nothing_to_rebuild(site: Path) -> None:
    typed = Typed("rebuild", "graph")
    assert (typed.code, typed.err.strip()) == (0, "There is no collection to rebuild.")


def test_a_rebuild_killed_in_mid_work_is_gone_on_with_by_the_same_command(world: World) -> None:
    for number in range(20):
        world.ingest(f"{number}.md", [[f"Ada uses Tool{number}"]])
    before = world.state()
    lost(world)
    mark = f"rebuild/graph-{world.id}.json"
    words = [sys.executable, "manage.py", "rebuild", "graph", "--collection", world.collection]
    process = subprocess.Popen(words, cwd=ROOT, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def is_under_way() -> bool:
        if not world.bucket.exists(mark):
            return False
        progress = json.loads(world.bucket.get(mark))
        return bool(10 * progress["done"] >= progress["total"])  # the first line says 10 % then

    until(is_under_way, 60)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert world.bucket.exists(mark), "it was killed before its end"

    typed = Typed("rebuild", "graph", "--collection", world.collection)

    assert typed.code == 0, typed.err
    assert f"{world.collection}: 0 %" not in typed.err
    assert world.state() == before
    assert not world.bucket.exists(mark)


@pytest.mark.neo4j
def test_the_doctor_names_edition_version_and_database_and_a_database_that_is_not_there(
    site: Path, neo4j_server: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("URL", neo4j_server.address), ("USER", neo4j_server.user), ("PASSWORD", neo4j_server.password)):
        monkeypatch.setenv(f"AEGIS_NEO4J_{name}", value)

    def graph() -> dict[str, object]:
        forget()
        checks: list[dict[str, object]] = json.loads(Typed("doctor", "--json").out)["checks"]
        return next(check for check in checks if check["part"] == "graph")

    found = graph()
    assert found["ok"]
    assert str(found["used"]).startswith(f"Neo4j at {neo4j_server.address} (Neo4j 5.26.")
    assert str(found["used"]).endswith(" community, database neo4j)")
    monkeypatch.setenv("AEGIS_NEO4J_DATABASE", "no-such")
    found = graph()
    assert (found["ok"], found["sentence"]) == (
        False,
        "The graph server has no database named 'no-such': check AEGIS_NEO4J_DATABASE.",
    )


def test_the_doctor_knows_arcadedb(world: World) -> None:
    check = next(check for check in json.loads(Typed("doctor", "--json").out)["checks"] if check["part"] == "graph")
    assert check["ok"]
    assert "(ArcadeDB 2" in check["used"]
