"""publish on real stores: PostgreSQL, Qdrant, ArcadeDB and a directory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import UUID

import pytest

from aegis_assets.model.document import State
from aegis_assets.model.embedding import VectorPoint
from aegis_assets.model.graph import GraphChunk, GraphDocument
from aegis_assets.pipeline.publish import consistency, publish
from tests.pipeline.crashes import Crash, Fuse, broken, fused
from tests.pipeline.world import World, embedding
from tests.stores.ledger.build import dead

FIRST = [["Ada uses Engine", "Bob likes Engine"], ["Ada knows Bob", "Carl repairs Pump"]]
SECOND = [["Ada uses Engine", "Bob likes Engine"], ["Ada knows Dora", "Dora paints Engine"]]


def test_a_first_generation_reaches_every_store_and_they_agree(world: World) -> None:
    document = world.prepare("a.md", FIRST)

    result = world.publish(document)

    assert (result.added, result.kept, result.removed) == (4, 0, 0)
    state = world.state()
    assert state["searchable"] == state["texts"] == sorted(text for window in FIRST for text in window)
    assert [row[0] for row in state["entities"]] == ["Ada", "Bob", "Carl", "Engine", "Pump"]
    assert ("Ada", "uses", "Engine", 0.44, ("Ada uses Engine",), 1, 1) in state["relations"]
    assert world.dirty() == []
    assert [(ordinal, text) for _, _, ordinal, text in state["chunks"]] == list(
        enumerate(text for window in FIRST for text in window)
    )
    assert len(state["chain"]) == 3
    assert result.held == consistency(document, world.view, world.vectors, world.graph)
    assert result.held.agree
    assert result.held.counts() == {
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
    assert world.agreed(document)


@pytest.mark.parametrize(
    "method", ["switch", "claim_dirty", "write_documents", "write_entities", "write_evidence", "write_relations", "set_live"]
)
def test_the_old_generation_answers_whatever_fails_before_the_vectors_go_live(world: World, method: str) -> None:
    document = world.ingest("a.md", FIRST)
    before = world.state()
    old = [hit.id for hit in world.vectors.search(world.id, embedding("x"), 100)]
    world.prepare("a.md", SECOND, run_id="run-2")

    with pytest.raises(Crash):
        world.publish(document, "run-2", **broken(world, method))

    after = world.state()
    assert set(before["searchable"]) <= set(after["searchable"])
    assert {text for *_, text in before["chunks"]} <= {text for *_, text in after["chunks"]}
    assert {row[0] for row in before["entities"]} <= {row[0] for row in after["entities"]}
    assert sorted(row.text for row in world.ledger.search_rows(old)) == before["searchable"]


def test_what_two_documents_say_is_one_entity_and_one_relation_with_the_evidence_of_both(world: World) -> None:
    one = world.ingest("a.md", [["Ada uses Engine"]])
    two = world.ingest("b.md", [["It is said that Ada uses Engine", "Engine drives Pump"]])

    state = world.state()

    assert [row[4:] for row in state["relations"] if row[:3] == ("Ada", "uses", "Engine")] == [(("Ada uses Engine",), 2, 2)]
    assert {row[0]: len(row[3]) for row in state["entities"]} == {"Ada": 2, "Engine": 3, "It": 1, "Pump": 1}
    assert world.agreed(one)
    assert world.agreed(two)

    world.prepare("b.md", [["Engine drives Pump"]], run_id="run-2")
    world.publish(two, "run-2")
    assert [row[4:] for row in world.state()["relations"] if row[1] == "uses"] == [(("Ada uses Engine",), 1, 1)]
    assert world.agreed(one)
    assert world.agreed(two)


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
    assert stormy.agreed(document)
    assert stormy.dirty() == []


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


def test_what_an_unknown_hand_left_of_a_document_in_the_stores_is_removed_and_what_it_took_comes_back(world: World) -> None:
    document = world.ingest("a.md", FIRST)
    before = world.state()
    ghost, scope = UUID(int=99), {"c": str(world.id)}
    world.bolt.run(("MATCH (e:Entity {collection: $c, name: 'Engine'}) DETACH DELETE e", scope))
    world.bolt.run(("MATCH (k:Chunk) WHERE k.collection = $c AND k.text = 'Ada knows Bob' DETACH DELETE k", scope))
    world.vectors.upsert(world.id, [VectorPoint(id=ghost, document=document, embedding=embedding("x"), live=True)])
    chunk = GraphChunk(id=ghost, ordinal=0, text="ghost", headings=(), pages=())
    world.graph.write_documents(world.id, [(GraphDocument(id=document, name="a.md", generation=1), [chunk])])
    world.bucket.put(f"artifacts/{document}/old/window.json", b"")
    assert not world.agreed(document)

    world.ledger.begin(document, "run-2", dead)
    world.publish(document, "run-2")

    assert world.state() == before
    assert world.agreed(document)


def test_a_document_without_chunks_publishes(world: World) -> None:
    document = world.prepare("empty.md", [[]])
    assert world.publish(document).held.chunks == 0
    assert world.agreed(document)
    world.ledger.finish(document, "run-1", State.SUCCEEDED, "")


def test_another_run_cannot_publish_and_an_unknown_document_is_passed_over(world: World) -> None:
    document = world.prepare("a.md", FIRST)
    assert publish([document], "another-run", **world.stores()) == {}
    assert publish([UUID(int=5)], "run-1", **world.stores()) == {}
    assert world.state()["entities"] == []


def test_documents_that_share_names_publish_at_the_same_time_and_all_agree(world: World) -> None:
    documents = [
        world.prepare(f"{n}.md", [[f"Ada uses Engine and Tool{n}" for _ in range(3)] + [f"Bob likes Part{n}"]]) for n in range(4)
    ]
    errors: list[BaseException] = []

    def work(document: UUID) -> None:
        try:
            publish([document], "run-1", world.view, world.vectors, world.graph, world.bucket)
        except BaseException as error:  # noqa: BLE001  told to the test below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(document,)) for document in documents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(world.agreed(document) for document in documents)
    state = world.state()
    assert {row[0]: len(row[3]) for row in state["entities"]}["Ada"] == dict(state["counted"])["Ada"] == 12
    assert [row[5:] for row in state["relations"] if row[1] == "uses"] == [(12, 4)]
    assert world.dirty() == []


def test_the_same_document_in_two_collections_stays_two(new_world: Callable[[], World]) -> None:
    left, right = new_world(), new_world()
    one, two = left.ingest("a.md", FIRST), right.ingest("a.md", FIRST)
    before = right.state()
    left.prepare("a.md", SECOND, run_id="run-2")
    left.publish(one, "run-2")
    assert right.state() == before
    assert left.agreed(one)
    assert right.agreed(two)
