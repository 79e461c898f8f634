"""What a document left in any store is seen, by id, and after its removal there is nothing to see."""

from __future__ import annotations

from typing import Any, LiteralString, cast

from bench.harness import Stack
from bench.held import Held, Stores, nothing
from tests.pipeline.test_remove import removed
from tests.pipeline.world import World


class LedgerOf:
    """The one method of a stack that is asked, over a world's ledger."""

    def __init__(self, world: World) -> None:
        self._ledger = world.ledger

    def rows(self, query: LiteralString, **values: object) -> list[dict[str, Any]]:
        with self._ledger.connection() as connection:
            return connection.execute(query, values).fetchall()


def held(world: World) -> Held:
    return Stores(cast("Stack", LedgerOf(world)), world.vectors, world.bolt, world.bucket).of(world.collection)


def test_every_store_shows_a_document_by_id_and_nothing_of_it_after_its_removal(world: World) -> None:
    document = world.ingest("a.md", [["Ada knows Bob.", "Bob pays Cleo."]])
    found = held(world)
    assert {name for name, ids in found.items() if not ids} == {"outbox"}
    assert (len(found["graph chunks"]), len(found["graph entities"]), len(found["graph relations"])) == (2, 3, 2)
    assert found["live chunks"] == found["vectors"]
    removed(world, document)
    assert held(world) == nothing(found)
