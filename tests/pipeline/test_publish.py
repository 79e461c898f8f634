"""publish on real stores: PostgreSQL, Qdrant, ArcadeDB and a directory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from aegis_assets.errors import NotFound, Superseded
from aegis_assets.model.document import State
from aegis_assets.model.embedding import VectorPoint
from aegis_assets.model.graph import GraphChunk, GraphDocument, GraphEntity, GraphRelation
from aegis_assets.model.ids import relation_id
from aegis_assets.pipeline.publish import consistency, publish
from tests.pipeline.world import World, embedding
from tests.stores.ledger.build import dead

FIRST = [["Ada uses Engine", "Bob likes Engine"], ["Ada knows Bob", "Carl repairs Pump"]]
SECOND = [["Ada uses Engine", "Bob likes Engine"], ["Ada knows Dora", "Dora paints Engine"]]


class Crash(Exception):
    pass


class Fuse:
    """Blows at the n-th call to any store that it is put before; `after`: the call is made first, only its answer is lost."""

    def __init__(self, at: int, after: bool = False) -> None:
        self.at, self.after, self.calls, self.log = at, after, 0, list[str]()


class Fused:
    def __init__(self, store: Any, fuse: Fuse) -> None:
        self._store, self._fuse = store, fuse

    def __getattr__(self, name: str) -> Any:
        method, fuse = getattr(self._store, name), self._fuse

        def call(*args: Any, **kwargs: Any) -> Any:
            fuse.calls += 1
            fuse.log.append(name)
            mine = fuse.calls == fuse.at  # a call may make others before it answers
            if mine and not fuse.after:
                raise Crash(name)
            answer = method(*args, **kwargs)
            if mine:
                raise Crash(name)
            return answer

        return call


class Broken:
    """One method of a store always fails."""

    def __init__(self, store: Any, method: str) -> None:
        self._store, self._method = store, method

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            raise Crash(name)
        return getattr(self._store, name)


def fused(world: World, fuse: Fuse) -> dict[str, Any]:
    return {name: Fused(store, fuse) for name, store in world.stores().items()}


def broken(world: World, method: str) -> dict[str, Any]:
    return {name: Broken(store, method) for name, store in world.stores().items()}


def agreed(world: World, document: UUID) -> bool:
    return consistency(document, world.view, world.vectors, world.graph).agree


def test_a_first_generation_reaches_every_store_and_they_agree(world: World) -> None:
    document = world.prepare("a.md", FIRST)

    result = world.publish(document)

    assert result.model_dump() == {"chunks": 4, "entities": 5, "relations": 4, "added": 4, "kept": 0, "removed": 0}
    state = world.state()
    assert state["searchable"] == state["texts"] == sorted(text for window in FIRST for text in window)
    assert [row[0] for row in state["entities"]] == ["Ada", "Bob", "Carl", "Engine", "Pump"]
    assert ("Ada", "uses", "Engine", 0.44, "Ada uses Engine", ("Ada uses Engine",)) in state["relations"]
    assert [(ordinal, text) for _, _, ordinal, text in state["chunks"]] == list(
        enumerate(text for window in FIRST for text in window)
    )
    assert len(state["chain"]) == 3
    found = consistency(document, world.view, world.vectors, world.graph)
    assert found.agree
    assert found.counts() == {
        "chunks": 4, "graph_chunks": 4, "embedded": 4, "vectors": 4, "entities": 5, "graph_entities": 5, "relations": 4,
        "graph_relations": 4, "lost": 0, "stray": 0,
    }  # fmt: skip


def test_publishing_again_changes_nothing_and_counts_the_same(world: World) -> None:
    document = world.prepare("a.md", FIRST)
    first, before = world.publish(document), world.state()
    assert world.publish(document) == first
    assert world.state() == before


def test_a_revision_answers_only_when_published_and_leaves_nothing_of_the_old(world: World) -> None:
    document = world.ingest("a.md", FIRST)
    world.prepare("a.md", SECOND, run_id="run-2")
    assert world.state()["searchable"] == sorted(text for window in FIRST for text in window)

    result = world.publish(document, "run-2")

    assert (result.added, result.kept, result.removed) == (2, 2, 2)
    state = world.state()
    assert state["searchable"] == state["texts"] == state["vectors"]["a.md"] == sorted(text for window in SECOND for text in window)
    assert [row[0] for row in state["entities"]] == ["Ada", "Bob", "Dora", "Engine"]
    assert [row[:3] for row in state["relations"]] == [
        ("Ada", "knows", "Dora"), ("Ada", "uses", "Engine"), ("Bob", "likes", "Engine"), ("Dora", "paints", "Engine"),
    ]  # fmt: skip
    assert [name for name, _ in state["names"]] == ["Ada", "Bob", "Dora", "Engine"]
    assert len([key for key in state["keys"] if key.startswith("artifacts/")]) == 4
    assert len([key for key in state["keys"] if key.startswith("blobs/")]) == 1
    assert world.tables()["extraction"] == 4
    assert agreed(world, document)


@pytest.mark.parametrize("method", ["write_relations", "set_live", "switch"])
def test_the_old_generation_answers_whatever_fails_before_the_switch(world: World, method: str) -> None:
    document = world.ingest("a.md", FIRST)
    before = world.state()
    world.prepare("a.md", SECOND, run_id="run-2")

    with pytest.raises(Crash):
        world.publish(document, "run-2", **broken(world, method))

    after = world.state()
    assert set(before["searchable"]) <= set(after["searchable"])
    assert {text for *_, text in before["chunks"]} <= {text for *_, text in after["chunks"]}
    assert {row[0] for row in before["entities"]} <= {row[0] for row in after["entities"]}


def test_what_two_documents_say_is_one_entity_and_one_relation_with_the_evidence_of_both(world: World) -> None:
    one = world.ingest("a.md", [["Ada uses Engine"]])
    two = world.ingest("b.md", [["It is said that Ada uses Engine", "Engine drives Pump"]])

    state = world.state()

    evidence = [row for row in state["relations"] if row[:3] == ("Ada", "uses", "Engine")]
    assert [row[5] for row in evidence] == [("Ada uses Engine", "It is said that Ada uses Engine")]
    assert {row[0]: len(row[3]) for row in state["entities"]} == {"Ada": 2, "Engine": 3, "It": 1, "Pump": 1}
    assert agreed(world, one)
    assert agreed(world, two)

    world.prepare("b.md", [["Engine drives Pump"]], run_id="run-2")
    world.publish(two, "run-2")
    assert [row[5] for row in world.state()["relations"] if row[1] == "uses"] == [("Ada uses Engine",)]
    assert agreed(world, one)
    assert agreed(world, two)


def test_a_merge_found_later_moves_the_other_documents_evidence_too(world: World) -> None:
    one = world.ingest("a.md", [["Robots move Boxes", "Robots see Light"]])
    two = world.ingest("b.md", [["Robot moves Box"]], merges=True)

    state = world.state()

    names = {row[0]: row for row in state["entities"]}
    assert ("Robot" in names) != ("Robots" in names)
    chosen = names.get("Robot") or names["Robots"]
    assert set(chosen[2]) | {chosen[0]} == {"Robot", "Robots"}
    assert chosen[3] == ("Robot moves Box", "Robots move Boxes", "Robots see Light")
    assert {row[0] for row in state["relations"]} == {chosen[0]}
    assert agreed(world, one)
    assert agreed(world, two)


def test_a_bridge_that_goes_lets_the_names_apart_again(world: World) -> None:
    apart = world.ingest("a.md", [["Robot sees Robotss", "Robotss move Stones"]], merges=True)
    alone = world.state()
    bridge = world.ingest("b.md", [["Robots move Stones"]], merges=True)
    assert len(world.state()["entities"]) == 2
    assert [row[1] for row in world.state()["relations"]] == ["move"]

    world.prepare("b.md", [["Water runs"]], run_id="run-2")
    world.publish(bridge, "run-2")

    together = world.state()
    assert [row for row in together["entities"] if row[0] != "Water"] == alone["entities"]
    assert together["relations"] == alone["relations"]
    assert agreed(world, apart)


def test_a_relation_whose_ends_became_one_is_gone(world: World) -> None:
    document = world.prepare("a.md", [["Robot replaces Robots", "Robot lifts Stone"]], merges=True)
    world.publish(document)
    assert [row[1] for row in world.state()["relations"]] == ["lifts"]
    assert agreed(world, document)


def test_a_crash_at_every_call_in_turn_ends_as_without_any(new_world: Callable[[], World]) -> None:
    def begun(world: World) -> UUID:
        world.ingest("b.md", [["Ada knows Bob", "Carls repair Pumps"]], merges=True)
        document = world.ingest("a.md", FIRST, merges=True)
        world.prepare("a.md", SECOND, run_id="run-2")
        return document

    calm, stormy = new_world(), new_world()
    expected = calm.publish(begun(calm), "run-2")
    document = begun(stormy)
    crashes = 0
    for at in range(1, 200):
        fuse = Fuse(at, after=at % 2 == 0)
        try:
            result = stormy.publish(document, "run-2", **fused(stormy, fuse))
        except Crash:
            crashes += 1
            continue
        break
    assert crashes > 20, fuse.log
    assert result == expected
    assert stormy.state() == calm.state()
    assert agreed(stormy, document)


@pytest.mark.parametrize("method", ["drop_old", "delete_chunks", "artifacts_in_use", "idle_blobs"])
def test_a_crash_after_the_switch_is_repaired_by_the_next_publish(new_world: Callable[[], World], method: str) -> None:
    calm, stormy = new_world(), new_world()
    documents = {}
    for world in (calm, stormy):
        documents[world.collection] = world.ingest("a.md", FIRST)
        world.prepare("a.md", SECOND, run_id="run-2")
    expected = calm.publish(documents[calm.collection], "run-2")
    document = documents[stormy.collection]
    with pytest.raises(Crash):
        stormy.publish(document, "run-2", **broken(stormy, method))
    assert set(stormy.state()["searchable"]) >= {text for window in SECOND for text in window}

    assert stormy.publish(document, "run-2") == expected
    assert stormy.state() == calm.state()


def test_what_an_unknown_hand_left_in_the_stores_is_removed(world: World) -> None:
    document = world.ingest("a.md", FIRST)
    before = world.state()
    ghost = UUID(int=99)
    ada = world.rows("SELECT id FROM aegis_entity WHERE collection_id = %s AND name = 'Ada'", world.id)[0]["id"]
    world.vectors.upsert(world.id, [VectorPoint(id=ghost, document=document, embedding=embedding("x"), live=True)])
    chunk = GraphChunk(id=ghost, ordinal=0, text="ghost", headings=(), pages=())
    world.graph.write_document(world.id, GraphDocument(id=document, name="a.md", generation=1), [chunk])
    world.graph.write_entities(world.id, [GraphEntity(id=ghost, name="Ghost", type="thing", aliases=(), chunks=(ghost,))])
    haunts = GraphRelation(
        id=relation_id(ghost, "haunts", ada), source=ghost, target=ada, type="haunts", confidence=1, chunks=(ghost,), evidence=""
    )
    world.graph.write_relations(world.id, [haunts])
    world.bucket.put(f"artifacts/{document}/old/window.json", b"")
    assert not agreed(world, document)

    world.ledger.begin(document, "run-2", dead)
    world.publish(document, "run-2")

    assert world.state() == before
    assert agreed(world, document)


def test_a_document_without_chunks_publishes(world: World) -> None:
    document = world.prepare("empty.md", [[]])
    assert world.publish(document).chunks == 0
    assert agreed(world, document)
    world.ledger.finish(document, "run-1", State.SUCCEEDED, "")


def test_another_run_cannot_publish_and_an_unknown_document_is_not_found(world: World) -> None:
    document = world.prepare("a.md", FIRST)
    with pytest.raises(Superseded):
        world.publish(document, "another-run")
    with pytest.raises(NotFound):
        world.publish(UUID(int=5))
    assert world.state()["entities"] == []


def test_two_documents_of_one_collection_publish_in_turns_and_both_agree(world: World) -> None:
    documents = [
        world.prepare(f"{n}.md", [[f"Ada uses Engine and Tool{n}" for _ in range(3)] + [f"Bob likes Part{n}"]]) for n in range(4)
    ]
    errors: list[BaseException] = []

    def work(document: UUID) -> None:
        try:
            publish(document, "run-1", world.view, world.vectors, world.graph, world.bucket)
        except BaseException as error:  # noqa: BLE001  told to the test below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(document,)) for document in documents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(agreed(world, document) for document in documents)
    assert {row[0]: len(row[3]) for row in world.state()["entities"]}["Ada"] == 12


def test_the_same_document_in_two_collections_stays_two(new_world: Callable[[], World]) -> None:
    left, right = new_world(), new_world()
    one, two = left.ingest("a.md", FIRST), right.ingest("a.md", FIRST)
    before = right.state()
    left.prepare("a.md", SECOND, run_id="run-2")
    left.publish(one, "run-2")
    assert right.state() == before
    assert agreed(left, one)
    assert agreed(right, two)
