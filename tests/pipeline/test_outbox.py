"""What must happen in graph and vectors after the ledger has changed: after crashes, beside others, and by who is late."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from aegis_assets.errors import NotAllowed, StoreUnavailable
from aegis_assets.model.document import State
from aegis_assets.model.outbox import Kind
from aegis_assets.pipeline.drain import OutOfTime, drain, sweep
from aegis_assets.pipeline.outbox import Stores
from aegis_assets.pipeline.publish import publish
from aegis_assets.pipeline.remove import remove
from aegis_assets.stores.ledger import outbox
from tests.pipeline.crashes import Crash, Fuse, broken, fused
from tests.pipeline.test_publish import FIRST, SECOND
from tests.pipeline.test_remove import nothing_more
from tests.pipeline.world import World

CONTENTS = (FIRST, SECOND)
# Half a second a crash, and stores are called 40 times a document.
crashing = pytest.mark.parametrize("step", [pytest.param(3, id="third"), pytest.param(1, id="single", marks=pytest.mark.slow)])


def shown(world: World) -> dict[str, Any]:
    """What the stores show to their readers, whichever generation of a document it is."""
    state = world.state()
    return {name: state[name] for name in ("entities", "counted", "relations", "chain", "searchable", "vectors")}


@crashing
def test_a_revision_that_crashes_at_any_call_is_ended_by_the_sweep_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    world.ingest("b.md", [["Ada knows Bob", "Carls repair Pumps"]], merges=True)
    document = world.ingest("a.md", FIRST, merges=True)
    expected = {0: shown(world)}
    for turn, at in enumerate(range(1, 200, step), start=1):
        content, run = turn % 2, f"run-{at}"
        world.prepare("a.md", CONTENTS[content], run, merges=True)
        fuse = Fuse(at, after=turn % 3 == 0)
        try:
            world.publish(document, run, **fused(world, fuse))
        except Crash:
            world.sweep(monkeypatch)
            assert world.dirty() == []
            world.require_mirror()
            if world.ledger.document(document).making is None:
                assert world.agreed(document)
                assert shown(world) == expected.setdefault(content, shown(world)), fuse.log
            world.publish(document, run)
        else:
            break
        world.ledger.finish(document, run, State.SUCCEEDED, "")
        assert shown(world) == expected.setdefault(content, shown(world)), fuse.log
    assert at > 30, fuse.log


@crashing
def test_a_removal_that_crashes_at_any_call_leaves_nothing_in_graph_and_vectors_after_the_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    kept = world.ingest("a.md", [["Ada uses Engine", "Robot sees Robotss"]], merges=True)
    before = shown(world)
    for turn, at in enumerate(range(1, 100, step), start=1):
        document = world.ingest("b.md", [["Ada uses Engine"], ["Ada uses Pump", "Robots see Light"]], merges=True)
        world.ledger.request_removal(document)
        fuse = Fuse(at, after=turn % 3 == 0)
        try:
            remove(document, **fused(world, fuse), forget=nothing_more)
        except Crash:
            world.sweep(monkeypatch)
            assert world.dirty() == []
            world.require_mirror()
            assert world.agreed(kept)
            if at > 1 or fuse.after:
                state = world.state()
                assert {name for name, *_ in state["chunks"]} == {"a.md"}, fuse.log
                assert state["vectors"] | {"b.md": []} == {"a.md": ["Ada uses Engine", "Robot sees Robotss"], "b.md": []}, fuse.log
            remove(document, **world.stores(), forget=nothing_more)
        else:
            break
        assert shown(world) == before
        assert world.agreed(kept)
    assert at > 10, fuse.log


def test_documents_that_share_hubs_are_published_revised_and_removed_at_the_same_time(world: World) -> None:
    def texts(number: int, verb: str) -> list[list[str]]:
        return [["Ada uses Engine", f"Engine {verb} Pump"], [f"Ada {verb} Part{number}", "Bob likes Engine"]]

    def work(number: int) -> UUID:
        for turn, verb in enumerate(("drives", "stops", "drives")):
            document = world.prepare(f"{number}.md", texts(number, verb), f"run-{number}-{turn}")
            result = publish([document], f"run-{number}-{turn}", **world.stores())
            assert result[document].held.agree
            world.ledger.finish(document, f"run-{number}-{turn}", State.SUCCEEDED, "")
        if number % 2:
            world.ledger.request_removal(document)
            remove(document, **world.stores(), forget=nothing_more)
        return document

    with ThreadPoolExecutor(4) as pool:
        documents = list(pool.map(work, range(4)))

    assert world.dirty() == []
    state = world.state()
    assert dict(state["counted"]) == {"Ada": 4, "Bob": 2, "Engine": 6, "Part0": 1, "Part2": 1, "Pump": 2}
    assert {row[:3]: row[5:] for row in state["relations"]} == {
        ("Ada", "uses", "Engine"): (2, 2), ("Engine", "drives", "Pump"): (2, 2), ("Bob", "likes", "Engine"): (2, 2),
        ("Ada", "drives", "Part0"): (1, 1), ("Ada", "drives", "Part2"): (1, 1),
    }  # fmt: skip
    assert all(world.agreed(document) for document in documents[::2])


class Stalling:
    """A graph whose writer stalls before one call for so long that others take its work over."""

    def __init__(self, world: World, method: str, meanwhile: Callable[[], object]) -> None:
        self._graph, self._method, self._meanwhile, self._done = world.graph, method, meanwhile, False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._graph, name)
        if name != self._method or self._done:
            return method

        def call(*args: Any) -> Any:
            self._done = True
            self._meanwhile()
            return method(*args)

        return call


@pytest.mark.parametrize("method", ["delete_entities", "delete_document"])
def test_a_removal_that_wakes_up_when_the_same_was_published_anew_harms_nothing_for_long(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """It deletes what a reader must have again by now, notices that its claims are lost, and has that written again."""
    other = world.ingest("b.md", [["Bob likes Engine"]])
    document = world.ingest("a.md", [["Ada uses Engine"]])
    before = shown(world)
    world.ledger.request_removal(document)

    def meanwhile() -> None:
        monkeypatch.setattr(outbox, "CLAIM_SECONDS", 0)
        remove(document, **world.stores(), forget=nothing_more)
        monkeypatch.undo()
        assert world.ingest("a.md", [["Ada uses Engine"]], run_id="run-2") == document
        assert shown(world) == before

    stalled = {**world.stores(), "graph": Stalling(world, method, meanwhile)}
    with pytest.raises(NotAllowed):
        remove(document, **stalled, forget=nothing_more)
    world.sweep(monkeypatch)

    assert shown(world) == before
    assert world.dirty() == []
    assert world.agreed(document)
    assert world.agreed(other)


def test_who_waits_for_another_ones_claim_ends_with_a_sentence(world: World) -> None:
    document = world.prepare("a.md", FIRST)
    with pytest.raises(Crash):
        world.publish(document, **broken(world, "write_documents"))
    ((collection, keys),) = world.view.left_by([document]).items()
    entities = [key.id for key in keys if key.kind is Kind.ENTITY]
    assert len(world.view.claim_dirty(collection, Kind.ENTITY, entities, "another")) == len(entities)
    stores = Stores(world.view, world.vectors, world.graph)

    with pytest.raises(StoreUnavailable, match="took too long to publish"):
        drain(stores, collection, keys, seconds=0.1)

    world.view.release_dirty("another")
    with pytest.raises(OutOfTime):
        drain(stores, collection, keys, most=0.0)
    assert world.dirty() != []
    drain(stores, collection, keys)
    assert world.dirty() == []
    assert world.agreed(document)


def test_what_cannot_be_written_for_one_collection_does_not_stop_the_sweep_of_others(
    new_world: Callable[[], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    ill, well = new_world(), new_world()
    for world in (ill, well):
        document = world.prepare("a.md", FIRST)
        with pytest.raises(Crash):
            world.publish(document, **broken(world, "write_documents"))

    class Refusing:
        """A graph that refuses one collection."""

        def __getattr__(self, name: str) -> Any:
            def call(collection: UUID, *rest: Any) -> Any:
                if collection == ill.id:
                    raise StoreUnavailable("It is refused.")
                return getattr(well.graph, name)(collection, *rest)

            return getattr(well.graph, name) if name == "keeps_embeddings" else call

    monkeypatch.setattr(outbox, "SWEPT_AFTER", 0)
    with pytest.raises(StoreUnavailable, match="refused"):
        sweep(Stores(well.view, well.vectors, Refusing()))
    assert ill.dirty() != []
    assert well.dirty() == []
    assert well.agreed(document)
