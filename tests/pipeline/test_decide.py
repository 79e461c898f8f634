"""What a person decides about names, on real stores: at once in ledger and graph, through every later run, and back again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from aegis_assets.errors import NotAllowed, NotFound, StoreUnavailable
from aegis_assets.model import ids
from aegis_assets.model.document import State
from aegis_assets.pipeline.decide import BY_PERSON, Decided, write_decided
from aegis_assets.pipeline.outbox import Stores
from aegis_assets.pipeline.remove import remove
from aegis_assets.stores.ledger.graph_drop import UNNAMED
from tests.pipeline.crashes import broken
from tests.pipeline.world import World
from tests.stores.ledger.build import dead


def entity(world: World, name: str) -> UUID:
    return ids.entity_id(world.id, name)


def merge(world: World, one: str, other: str) -> int:
    return written(world, world.ledger.merge_entities(world.id, (entity(world, one), entity(world, other)), "ada"))


def split(world: World, whole: str, *names: str) -> int:
    taken = [entity(world, name) for name in names]
    return written(world, world.ledger.split_entity(world.id, entity(world, whole), taken, "ada"))


def undo(world: World, decision: int) -> None:
    written(world, world.ledger.undo_decision(decision, "ada"))


def written(world: World, decided: Decided, **doubles: Any) -> int:
    stores = world.stores() | doubles
    write_decided(decided, Stores(stores["ledger"], stores["vectors"], stores["graph"]))
    return decided.decision


def again(world: World, document: UUID, name: str, windows: Sequence[Sequence[str]], run_id: str) -> None:
    """The document's next content, through the whole line."""
    assert world.prepare(name, windows, run_id, merges=True) == document
    world.publish(document, run_id)
    world.ledger.finish(document, run_id, State.SUCCEEDED, "")


def groups(world: World) -> dict[str, tuple[str, ...]]:
    """Entities of the graph: name -> aliases."""
    return {name: tuple(aliases) for name, _, aliases, _ in world.state()["entities"]}


def merges(world: World) -> list[tuple[object, ...]]:
    found = world.rows("SELECT left_id, right_id, reason, score, undone FROM aegis_merge ORDER BY left_id, right_id")
    return [tuple(row.values()) for row in found]


def test_two_entities_are_one_at_once_in_ledger_and_graph(world: World) -> None:
    documents = [world.ingest("a.md", [["Enigma breaks Codes"]]), world.ingest("b.md", [["Machine helps Turing"]])]

    merge(world, "Enigma", "Machine")

    assert groups(world)["Machine"] == ("Enigma",)
    assert {row[:3] for row in world.state()["relations"]} == {("Machine", "breaks", "Codes"), ("Machine", "helps", "Turing")}
    assert all(world.agreed(document) for document in documents)


def test_a_merge_outlives_a_retry_a_revision_and_a_time_without_the_name(world: World) -> None:
    document = world.ingest("a.md", [["Enigma breaks Codes", "Machine helps Turing"]])
    merge(world, "Enigma", "Machine")

    world.ledger.begin(document, "run-2", dead)
    world.publish(document, "run-2")
    world.ledger.finish(document, "run-2", State.SUCCEEDED, "")
    assert groups(world)["Machine"] == ("Enigma",)

    again(world, document, "a.md", [["Machine helps Turing"]], "run-3")
    assert groups(world)["Machine"] == ()

    again(world, document, "a.md", [["Enigma breaks Codes", "Machine helps Turing"]], "run-4")
    assert groups(world)["Machine"] == ("Enigma",)
    assert world.agreed(document)


def test_a_split_outlives_a_run_that_finds_the_merge_again(world: World) -> None:
    document = world.ingest("a.md", [["Robot moves Stones", "Robots see Light"]], merges=True)
    assert groups(world)["Robots"] == ("Robot",)

    split(world, "Robots", "Robot")
    assert groups(world)["Robots"] == groups(world)["Robot"] == ()
    assert world.agreed(document)

    again(world, document, "a.md", [["Robot moves Stones", "Robots see Light", "Robotss run Fast"]], "run-2")
    assert {name: aliases for name, aliases in groups(world).items() if name.startswith("Robot")} == {
        "Robot": (),
        "Robotss": ("Robots",),
    }
    assert world.agreed(document)


def test_a_split_leaves_two_entities_however_the_names_were_linked(world: World) -> None:
    """Robots held Robot and Robotss together: when it is taken out, these two stay one."""
    world.ingest("a.md", [["Robot moves Stones", "Robots see Light", "Robotss run Fast"]], merges=True)
    assert groups(world)["Robotss"] == ("Robot", "Robots")

    split(world, "Robotss", "Robots")

    assert groups(world)["Robotss"] == ("Robot",)
    assert groups(world)["Robots"] == ()


@pytest.mark.parametrize("kind", ["merge", "split"])
def test_undoing_puts_back_exactly_what_was(world: World, kind: str) -> None:
    world.ingest("a.md", [["Robot moves Stones", "Robots see Light", "Robotss run Fast", "Enigma breaks Codes"]], merges=True)
    before = (world.state(), merges(world))
    decision = merge(world, "Robot", "Enigma") if kind == "merge" else split(world, "Robot", "Robots")
    assert world.state() != before[0]

    undo(world, decision)

    assert (world.state(), merges(world)) == before
    with pytest.raises(NotAllowed, match="undone already"):
        undo(world, decision)


def test_a_name_that_only_waited_for_a_decision_goes_when_that_is_undone(world: World) -> None:
    document = world.ingest("a.md", [["Robot moves Stones", "Enigma breaks Codes"]])
    decision = merge(world, "Robot", "Enigma")
    again(world, document, "a.md", [["Robot moves Stones"]], "run-2")
    named = "SELECT count(*) AS n FROM aegis_entity WHERE normalised = 'enigma'"
    assert world.rows(named)[0]["n"] == 1

    undo(world, decision)

    assert world.rows(named)[0]["n"] == 0
    assert world.agreed(document)


def test_what_was_split_can_be_merged_again_and_the_later_decision_is_undone_first(world: World) -> None:
    world.ingest("a.md", [["Robot moves Stones", "Robots see Light", "Robotss run Fast"]], merges=True)
    before = (world.state(), merges(world))
    first = split(world, "Robot", "Robots", "Robotss")
    second = merge(world, "Robot", "Robots")
    assert groups(world)["Robotss"] == ("Robot", "Robots")
    with pytest.raises(NotAllowed, match="later decision"):
        undo(world, first)
    undo(world, second)
    undo(world, first)
    assert (world.state(), merges(world)) == before


def test_a_decision_stands_when_the_graph_is_away_and_reaches_it_with_the_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = world.ingest("a.md", [["Enigma breaks Codes", "Machine helps Turing"]])
    decided = world.ledger.merge_entities(world.id, (entity(world, "Enigma"), entity(world, "Machine")), "ada")

    written(world, decided, **broken(world, "write_entities", StoreUnavailable("The graph does not answer.")))

    assert groups(world).keys() >= {"Enigma", "Machine"}
    assert world.dirty() != []
    world.sweep(monkeypatch)
    assert groups(world)["Machine"] == ("Enigma",)
    assert world.dirty() == []
    assert world.agreed(document)


def test_a_decision_about_names_of_a_document_that_is_being_published_is_followed_in_the_graph(world: World) -> None:
    one = world.ingest("a.md", [["Enigma breaks Codes", "Machine helps Turing"]])
    two = world.prepare("b.md", [["Enigma breaks Locks"]])
    decided: list[Decided] = []

    class Deciding:
        """A graph at whose first relation a person decides."""

        def __getattr__(self, name: str) -> Any:
            if name == "write_relations" and not decided:
                pair = (entity(world, "Enigma"), entity(world, "Machine"))
                decided.append(world.ledger.merge_entities(world.id, pair, "ada"))
            return getattr(world.graph, name)

    world.publish(two, graph=Deciding())
    written(world, decided[0])

    assert groups(world)["Machine"] == ("Enigma",)
    assert {row[:3] for row in world.state()["relations"]} == {
        ("Machine", "breaks", "Codes"), ("Machine", "breaks", "Locks"), ("Machine", "helps", "Turing"),
    }  # fmt: skip
    assert world.dirty() == []
    assert world.agreed(one)
    assert world.agreed(two)


def test_of_two_who_undo_one_decision_at_once_the_second_is_told(world: World) -> None:
    world.ingest("a.md", [["Enigma breaks Codes", "Machine helps Turing"]])
    decision = merge(world, "Enigma", "Machine")

    def attempt() -> str:
        try:
            undo(world, decision)
        except NotAllowed as error:
            return error.message
        return "undone"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(future.result(30) for future in [pool.submit(attempt) for _ in range(2)])
    assert said == ["This decision is undone already.", "undone"]
    assert merges(world) == []


def test_what_makes_no_sense_is_refused_in_a_sentence(world: World) -> None:
    world.ingest("a.md", [["Robot moves Stones", "Robots see Light"]], merges=True)
    with pytest.raises(NotAllowed, match="one entity already"):
        merge(world, "Robot", "Robots")
    with pytest.raises(NotAllowed, match="not all of them"):
        split(world, "Robots", "Robot", "Robots")
    with pytest.raises(NotAllowed, match="some of the entity's names"):
        split(world, "Robots", "Stones")
    with pytest.raises(NotFound):
        merge(world, "Robot", "Nobody")
    with pytest.raises(NotFound):
        undo(world, 999_999)
    assert world.tables()["decision"] == 0


def test_names_of_another_collection_are_out_of_reach(new_world: Callable[[], World]) -> None:
    ours, theirs = new_world(), new_world()
    ours.ingest("a.md", [["Enigma breaks Codes"]])
    theirs.ingest("a.md", [["Machine helps Turing"]])
    with pytest.raises(NotFound):
        ours.ledger.merge_entities(ours.id, (entity(ours, "Enigma"), entity(theirs, "Machine")), "ada")


def test_a_decision_about_a_removed_document_s_names_is_forgotten_with_it(world: World) -> None:
    document = world.ingest("a.md", [["Enigma breaks Codes", "Machine helps Turing"]])
    decision = merge(world, "Enigma", "Machine")
    world.ledger.request_removal(document)
    remove(document, world.ledger, world.vectors, world.graph, world.bucket, lambda: None)
    assert merges(world) == []
    undo(world, decision)
    assert world.state()["entities"] == []


def test_the_reason_that_keeps_a_name_waiting_is_the_one_that_decisions_have() -> None:
    assert f"'{BY_PERSON}'" in UNNAMED
