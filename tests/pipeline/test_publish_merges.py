"""Names that are one, or no longer: what publish makes of them for the document itself and for the others that say them."""

from __future__ import annotations

import pytest

from tests.pipeline.crashes import Crash, broken
from tests.pipeline.world import World
from tests.stores.ledger.build import dead


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
    assert world.agreed(one)
    assert world.agreed(two)


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
    assert world.agreed(apart)


def test_a_relation_whose_ends_became_one_is_gone(world: World) -> None:
    document = world.prepare("a.md", [["Robot replaces Robots", "Robot lifts Stone"]], merges=True)
    world.publish(document)
    assert [row[1] for row in world.state()["relations"]] == ["lifts"]
    assert world.agreed(document)


def undo_merges(world: World) -> None:
    world.execute("UPDATE aegis_merge SET undone = true WHERE collection_id = %s", world.id)


def robots(world: World) -> dict[str, tuple[str, ...]]:
    """The texts that are evidence of each robot in the graph."""
    return {name: texts for name, _, _, texts in world.state()["entities"] if name.startswith("Robot")}


@pytest.mark.parametrize("run_again", ["a.md", "b.md"])
def test_a_merge_that_a_person_undid_comes_apart_with_the_next_run_of_either_document(world: World, run_again: str) -> None:
    documents = {
        "a.md": world.ingest("a.md", [["Robot moves Stones"]]),
        "b.md": world.ingest("b.md", [["Robots see Light"]], merges=True),
    }
    assert len(robots(world)) == 1
    undo_merges(world)
    assert len(robots(world)) == 1

    world.ledger.begin(documents[run_again], "run-2", dead)
    world.publish(documents[run_again], "run-2")

    assert robots(world) == {"Robot": ("Robot moves Stones",), "Robots": ("Robots see Light",)}
    assert {row[:3] for row in world.state()["relations"]} == {("Robot", "moves", "Stones"), ("Robots", "see", "Light")}
    assert all(world.agreed(document) for document in documents.values())


def test_names_that_moved_in_the_ledger_alone_move_in_the_graph_when_the_outbox_is_swept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = world.ingest("a.md", [["Robot moves Stones"]])
    two = world.prepare("b.md", [["Robots see Light"]], merges=True)
    with pytest.raises(Crash):
        world.publish(two, **broken(world, "delete_entities"))
    assert world.dirty() != []

    world.sweep(monkeypatch)

    assert len(robots(world)) == 1
    assert world.dirty() == []
    assert world.agreed(one)
    assert world.agreed(two)
