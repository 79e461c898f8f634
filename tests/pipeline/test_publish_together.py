"""Several documents published together: as each alone, whatever happens to one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from aegis_assets.model.document import State
from aegis_assets.pipeline.publish import publish
from tests.pipeline.crashes import Crash, Fuse, fused
from tests.pipeline.world import World
from tests.stores.ledger.build import dead

TEXTS = {
    "a.md": [["Ada uses Engine", "Bob likes Engine"], ["Ada knows Bob"]],
    "b.md": [["Ada uses Engine", "Carl repairs Pump"]],
    "c.md": [["Bob likes Engine"], ["Dora paints Pump", "Ada knows Carl"]],
}
REVISED = {"a.md": [["Ada uses Pump"]], "b.md": [["Ada uses Engine"], ["Eve sells Pump"]], "c.md": [["Bob likes Engine"]]}


def prepared(world: World) -> list[UUID]:
    return [world.prepare(name, windows) for name, windows in TEXTS.items()]


def revised(world: World) -> list[UUID]:
    for document in publish(prepared(world), "run-1", **world.stores()):
        world.ledger.finish(document, "run-1", State.SUCCEEDED, "")
    return [world.prepare(name, windows, run_id="run-2") for name, windows in REVISED.items()]


@pytest.mark.parametrize(("begin", "run"), [(prepared, "run-1"), (revised, "run-2")])
def test_together_and_one_after_another_give_the_same(
    new_world: Callable[[], World], begin: Callable[[World], list[UUID]], run: str
) -> None:
    alone, together = new_world(), new_world()
    one_by_one = [alone.publish(document, run) for document in begin(alone)]
    documents = begin(together)
    results = publish(documents, run, **together.stores())
    assert [results[document] for document in documents] == one_by_one
    assert together.state() == alone.state()
    assert all(together.agreed(document) for document in documents)


class Taking:
    """A store at whose method another run takes a document."""

    def __init__(self, store: Any, method: str, take: Callable[[], object]) -> None:
        self._store, self._method, self._take = store, method, take

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            self._take()
        return getattr(self._store, name)


@pytest.mark.parametrize(("store", "method"), [("ledger", "graph_facts"), ("vectors", "set_live"), ("ledger", "drop_old")])
def test_a_document_that_another_run_takes_meanwhile_drops_out_and_the_others_go_on(world: World, store: str, method: str) -> None:
    documents = revised(world)
    taken = documents[1]
    stores = world.stores()
    stores[store] = Taking(stores[store], method, lambda: world.ledger.begin(taken, "run-3", dead))
    assert set(publish(documents, "run-2", **stores)) == {documents[0], documents[2]}
    assert all(world.agreed(document) for document in (documents[0], documents[2]))

    publish([taken], "run-3", **world.stores())
    assert all(world.agreed(document) for document in documents)
    assert world.state()["searchable"] == sorted({text for windows in REVISED.values() for window in windows for text in window})


def test_a_crash_at_every_call_in_turn_ends_as_without_any(new_world: Callable[[], World]) -> None:
    calm, stormy = new_world(), new_world()
    quiet, documents = revised(calm), revised(stormy)
    expected = publish(quiet, "run-2", **calm.stores())
    for at in range(1, 300):
        fuse = Fuse(at, after=at % 2 == 0)
        try:
            results = publish(documents, "run-2", **fused(stormy, fuse))
        except Crash:
            continue
        break
    assert at > 20, fuse.log
    assert [results[one] for one in documents] == [expected[one] for one in quiet]
    assert stormy.state() == calm.state()
    assert stormy.dirty() == []
    assert all(stormy.agreed(document) for document in documents)
