"""The graph rebuilt from the ledger: on another server, with other settings, after a loss, interrupted, and beside ingestion."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from aegis_assets.errors import StoreUnavailable
from aegis_assets.model.document import State
from aegis_assets.model.graph import GraphChunk, GraphDocument, GraphEntity, GraphRelation
from aegis_assets.model.ids import relation_id
from aegis_assets.pipeline.flow import rebuild as rebuilding
from aegis_assets.pipeline.flow.rebuild import RebuildProgress, rebuild_graph
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.graph import BoltGraph
from tests.conftest import GraphServer
from tests.pipeline.crashes import Crash
from tests.pipeline.world import World

neo4j = pytest.mark.neo4j
DOCUMENTS = {
    "a.md": [["Ada uses Engine", "Bob likes Engine"], ["Ada knows Bob"]],
    "b.md": [["Engine drives Pump", "It is said that Ada uses Engine"]],
    "c.md": [["Adas paint Pumps"]],
    "empty.md": [[]],
}


@pytest.fixture
def neo4j_world(world: World, neo4j_server: GraphServer) -> Iterator[Callable[..., World]]:
    """Make the same world with a Neo4j as its graph."""
    opened: list[Any] = []

    def make(**settings: bool) -> World:
        where = (neo4j_server.address, neo4j_server.user, neo4j_server.password)
        graph, bolt = BoltGraph(*where, **settings), Bolt(*where)  # type: ignore[arg-type]
        opened.extend((graph, bolt))
        return replace(world, graph=graph, bolt=bolt)

    yield make
    for store in opened:
        store.close()


def filled(world: World) -> dict[str, UUID]:
    return {name: world.ingest(name, windows, merges=True) for name, windows in DOCUMENTS.items()}


def rebuilt(world: World, **doubles: Any) -> list[RebuildProgress]:
    stores = {"bucket": world.bucket, "vectors": world.vectors, "graph": world.graph} | doubles
    return list(rebuild_graph(world.ledger, collection=world.id, **stores))


def haunts(source: UUID, target: UUID) -> GraphRelation:
    ends = {"source": source, "type": "haunts", "target": target}
    return GraphRelation(id=relation_id(source, "haunts", target), **ends, confidence=1, sentences=(), chunks=1, documents=1)


def everything(world: World) -> dict[str, list[dict[str, Any]]]:
    """All nodes and edges with the server's own ids, which change where one is replaced."""
    scope = {"c": str(world.id)}
    nodes = "MATCH (n) WHERE n.collection = $c RETURN elementId(n) AS id, labels(n) AS labels, properties(n) AS values"
    edges = "MATCH (n)-[r]->() WHERE n.collection = $c RETURN elementId(r) AS id, type(r) AS type, properties(r) AS values"
    found = {"nodes": world.bolt.query(nodes, **scope), "edges": world.bolt.query(edges, **scope)}
    return {what: sorted(rows, key=lambda row: str(row["id"])) for what, rows in found.items()}


class Dying:
    """A store whose n-th call of one method fails."""

    def __init__(self, store: Any, method: str, at: int = 1) -> None:
        self._store, self._method, self._at, self._calls = store, method, at, 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls += 1
            if self._calls == self._at:
                raise Crash(name)
            return method(*args, **kwargs)

        return call if name == self._method else method


@neo4j
def test_an_empty_neo4j_gets_what_arcadedb_had_and_a_second_rebuild_changes_nothing(
    world: World, neo4j_world: Callable[..., World]
) -> None:
    documents = filled(world)
    before, elsewhere = world.state(), neo4j_world()

    steps = rebuilt(elsewhere)

    assert elsewhere.state() == before
    assert all(elsewhere.agreed(document) for document in documents.values())
    assert (steps[0].done, steps[-1].done) == (0, steps[-1].total)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    whole = everything(elsewhere)
    rebuilt(elsewhere)
    assert everything(elsewhere) == whole
    assert not list(world.bucket.keys("rebuild"))


def test_what_was_lost_comes_back_and_what_does_not_belong_there_goes(world: World) -> None:
    documents = filled(world)
    before, ghost, scope = world.state(), uuid4(), {"c": str(world.id)}
    world.bolt.run(("MATCH (e:Entity {collection: $c, name: 'Engine'}) DETACH DELETE e", scope))
    world.bolt.run(("MATCH (k:Chunk) WHERE k.collection = $c AND k.text = 'Ada knows Bob' DETACH DELETE k", scope))
    chunk = GraphChunk(id=ghost, ordinal=0, text="ghost", headings=(), pages=())
    world.graph.write_documents(world.id, [(GraphDocument(id=ghost, name="gone.md", generation=1), [chunk])])
    world.graph.write_entities(world.id, [GraphEntity(id=ghost, name="Ghost", type="thing", aliases=(), chunks=1)])
    world.graph.write_evidence(world.id, {ghost: {ghost}})
    ada = world.rows("SELECT id FROM aegis_entity WHERE collection_id = %s AND name = 'Ada'", world.id)[0]["id"]
    bob = world.rows("SELECT id FROM aegis_entity WHERE collection_id = %s AND name = 'Bob'", world.id)[0]["id"]
    world.graph.write_relations(world.id, [haunts(ghost, ada), haunts(ada, bob)])

    rebuilt(world)

    assert world.state() == before
    assert all(world.agreed(document) for document in documents.values())


@neo4j
@pytest.mark.parametrize(
    "method",
    ["write_documents", "write_entities", "write_evidence", "write_relations", "entity_page", "document_page", "entity_counts"],
)
def test_a_rebuild_that_was_killed_goes_on_where_it_stopped(
    world: World, neo4j_world: Callable[..., World], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "DOCUMENTS", 2)
    monkeypatch.setattr(rebuilding, "OBJECTS", 2)
    filled(world)
    before, elsewhere = world.state(), neo4j_world()
    calm = [step.done for step in rebuilt(world)]
    done: list[RebuildProgress] = []
    with pytest.raises(Crash):
        done.extend(rebuild_graph(world.ledger, world.bucket, world.vectors, Dying(elsewhere.graph, method, at=2), world.id))
    reached = done[-1].done if done else 0
    again = rebuilt(elsewhere)

    numbers = [step.done for step in again]
    assert numbers == sorted(numbers)
    assert (numbers[0] >= reached, numbers[-1]) == (True, calm[-1])
    assert elsewhere.state() == before


@neo4j
def test_the_mark_of_a_rebuild_elsewhere_or_of_data_that_are_gone_does_no_harm(
    world: World, neo4j_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "DOCUMENTS", 1)
    filled(world)
    before, elsewhere, typed = world.state(), neo4j_world(), neo4j_world(typed=True)
    with pytest.raises(Crash):
        rebuilt(elsewhere, graph=Dying(elsewhere.graph, "entity_page"))
    assert rebuilt(typed)[0].done == 0, "other settings, so from the start"

    with pytest.raises(Crash):
        rebuilt(elsewhere, graph=Dying(elsewhere.graph, "entity_page"))
    elsewhere.bolt.run(("MATCH (n) WHERE n.collection = $c DETACH DELETE n", {"c": str(world.id)}))
    steps = rebuilt(elsewhere)
    assert steps[0].done > 0
    assert elsewhere.state() == before


@neo4j
def test_types_become_labels_by_a_rebuild_and_properties_again_by_another(neo4j_world: Callable[..., World]) -> None:
    plain, typed = neo4j_world(), neo4j_world(typed=True)
    documents = filled(plain)
    plain.execute("UPDATE aegis_collection SET relation_types = ARRAY['uses'] WHERE id = %s", plain.id)
    before = everything(plain)

    rebuilt(typed)

    labels = {tuple(sorted(row["labels"])) for row in everything(typed)["nodes"] if "Entity" in row["labels"]}
    assert labels == {("Entity", "thing")}
    types = {row["values"]["type"]: row["type"] for row in everything(typed)["edges"] if "type" in row["values"]}
    assert types["uses"] == "uses"
    assert set(types.values()) == {"uses", "RELATES_TO"}
    assert all(typed.agreed(document) and plain.agreed(document) for document in documents.values())

    rebuilt(plain)
    assert {id: (labels, values) for id, labels, values in map(dict.values, everything(plain)["nodes"])} == {
        id: (labels, values) for id, labels, values in map(dict.values, before["nodes"])
    }
    assert {row["type"] for row in everything(plain)["edges"] if "type" in row["values"]} == {"RELATES_TO"}


@neo4j
def test_a_typed_graph_is_revised_and_removed_like_any_other(neo4j_world: Callable[..., World]) -> None:
    world = neo4j_world(typed=True)
    document = world.ingest("a.md", DOCUMENTS["a.md"])
    world.execute("UPDATE aegis_collection SET relation_types = ARRAY['uses', 'likes'] WHERE id = %s", world.id)
    other = world.ingest("b.md", DOCUMENTS["b.md"])
    assert world.agreed(document)
    assert world.agreed(other)

    world.prepare("a.md", [["Bob likes Engine", "Dora uses Bob"]], run_id="run-2")
    world.publish(document, "run-2")
    world.ledger.finish(document, "run-2", State.SUCCEEDED, "")

    assert world.agreed(document)
    assert world.agreed(other)
    types = {row["values"]["type"]: row["type"] for row in everything(world)["edges"] if "type" in row["values"]}
    assert types == {"likes": "likes", "uses": "uses", "drives": "RELATES_TO"}


def test_documents_are_published_while_the_graph_is_rebuilt_and_all_agree(
    new_world: Callable[[], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "DOCUMENTS", 1)
    monkeypatch.setattr(rebuilding, "OBJECTS", 1)
    world = new_world()
    documents = dict(filled(world))
    errors: list[BaseException] = []

    def ingest() -> None:
        try:
            for number in range(4):
                name = f"new-{number}.md"
                documents[name] = world.ingest(name, [[f"Ada uses Tool{number}", "Bob likes Engine"]])
                world.prepare("a.md", [[f"Ada knows Carl{number}"]], run_id=f"run-{number}")
                world.publish(documents["a.md"], f"run-{number}")
                world.ledger.finish(documents["a.md"], f"run-{number}", State.SUCCEEDED, "")
        except BaseException as error:
            errors.append(error)
            raise

    writer = threading.Thread(target=ingest)
    writer.start()
    while writer.is_alive():
        rebuilt(world)
    writer.join()

    assert not errors
    whole = world.state()
    rebuilt(world)
    assert world.state() == whole
    assert all(world.agreed(document) for document in documents.values())


def test_a_graph_that_takes_nothing_is_no_success(world: World) -> None:
    filled(world)

    class Deaf(Dying):
        def __getattr__(self, name: str) -> Any:
            return (lambda *_: None) if name == self._method else getattr(self._store, name)

    world.bolt.run(("MATCH (e:Entity {collection: $c}) DETACH DELETE e", {"c": str(world.id)}))
    with pytest.raises(StoreUnavailable, match=r"does not hold what the ledger does for 3 documents \(") as caught:
        rebuilt(world, graph=Deaf(world.graph, "write_entities"))
    assert not caught.value.retryable


def test_a_collection_without_documents_is_rebuilt_at_once(world: World) -> None:
    world.ledger.register(world.collection, "upload", "a.md", "a.md", "blobs/x", "x", 1)
    assert rebuilt(world)[-1] == RebuildProgress(0, 0)
