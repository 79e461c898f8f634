"""Removal on real stores: what is counted before a document came is counted after it went."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from aegis_assets.errors import NotAllowed, NotFound, StoreUnavailable
from aegis_assets.model.document import State
from aegis_assets.pipeline.drain import drain
from aegis_assets.pipeline.outbox import Stores
from aegis_assets.pipeline.publish import consistency
from aegis_assets.pipeline.remove import REMOVER, remove
from tests.pipeline.crashes import Crash, Fuse, fused
from tests.pipeline.test_publish import FIRST, SECOND
from tests.pipeline.world import World


def nothing_more() -> None:
    """Nobody else knows the document."""


def removed(world: World, document: UUID, **doubles: Any) -> None:
    world.ledger.request_removal(document)
    remove(document, **world.stores() | doubles, forget=nothing_more)


def everything(world: World) -> dict[str, Any]:
    return {**world.state(), "tables": world.tables()}


def test_the_only_document_goes_without_a_trace(world: World) -> None:
    before = everything(world)
    document = world.ingest("a.md", FIRST, merges=True)
    assert everything(world) != before

    removed(world, document)

    assert everything(world) == before
    assert world.vectors.count(world.id) == 0
    assert world.bolt.query("MATCH (n) WHERE n.collection = $c RETURN count(n) AS n", c=str(world.id)) == [{"n": 0}]
    remove(document, **world.stores(), forget=nothing_more)


def test_a_second_removal_does_not_touch_what_was_uploaded_anew(world: World) -> None:
    document = world.ingest("a.md", FIRST)
    world.ledger.request_removal(document)
    stores = world.stores()

    def meanwhile() -> None:
        remove(document, **world.stores(), forget=nothing_more)
        assert world.ingest("a.md", FIRST, run_id="run-2") == document

    remove(document, **stores, forget=meanwhile)

    assert world.ledger.document(document).state == State.SUCCEEDED
    assert consistency(document, world.view, world.vectors, world.graph).agree
    with pytest.raises(NotAllowed):
        remove(document, **stores, forget=nothing_more)


def test_nobody_waits_for_what_a_killed_removal_claimed_once_it_is_freed(world: World) -> None:
    document = world.ingest("a.md", FIRST)
    world.ledger.request_removal(document)
    killed = world.ledger.start_removal(document)
    assert killed is not None
    for kind in {key.kind for key in killed.keys}:
        world.ledger.claim_dirty(world.id, kind, [key.id for key in killed.keys if key.kind is kind], f"{REMOVER}:killed")
    with pytest.raises(StoreUnavailable):
        drain(Stores(world.view, world.vectors, world.graph), world.id, killed.keys, seconds=0.5, run_id=REMOVER)

    world.ledger.release_run(REMOVER)
    remove(document, **world.stores(), forget=nothing_more)

    with pytest.raises(NotFound):
        world.ledger.document(document)


def test_who_else_knows_the_document_is_told_before_its_row_goes(world: World) -> None:
    document = world.ingest("a.md", FIRST)
    seen = []
    world.ledger.request_removal(document)
    remove(document, **world.stores(), forget=lambda: seen.append(world.ledger.document(document).state))
    assert seen == [State.REMOVING]


def test_a_document_that_shares_names_and_statements_leaves_the_other_as_it_was(world: World) -> None:
    kept = world.ingest("a.md", [["Ada uses Engine", "Robot sees Robotss"]], merges=True)
    before = everything(world)
    other = world.ingest("b.md", [["Ada uses Engine"], ["Ada uses Pump", "Robots see Light"]], merges=True)
    assert everything(world) != before

    removed(world, other)

    assert everything(world) == before
    assert consistency(kept, world.view, world.vectors, world.graph).agree


def test_a_revised_document_leaves_nothing_of_any_generation(world: World) -> None:
    before = everything(world)
    document = world.ingest("a.md", FIRST)
    world.ingest("a.md", SECOND, run_id="run-2")
    removed(world, document)
    assert everything(world) == before


def test_a_document_that_failed_half_way_can_be_removed(world: World) -> None:
    before = everything(world)
    document = world.prepare("a.md", FIRST)
    world.ledger.fail_run("run-1", "stopped")
    removed(world, document)
    assert everything(world) == before


def test_bytes_that_another_document_has_stay(new_world: Callable[[], World]) -> None:
    world, other = new_world(), new_world()
    other.bucket, other.salt = world.bucket, world.salt
    document, twin = world.ingest("a.md", FIRST), other.ingest("a.md", FIRST)
    blobs = [key for key in world.files() if key.startswith("blobs/")]

    removed(world, document)
    assert [key for key in world.files() if key.startswith("blobs/")] == blobs
    assert consistency(twin, other.view, other.vectors, other.graph).agree
    assert other.tables()["extraction"] == 4

    removed(other, twin)
    assert world.files() == []
    assert other.tables()["extraction"] == 0


def test_only_a_document_that_is_being_removed_is_removed(world: World) -> None:
    document = world.ingest("a.md", FIRST)
    before = everything(world)
    with pytest.raises(NotAllowed):
        remove(document, **world.stores(), forget=nothing_more)
    assert everything(world) == before


def test_a_crash_at_every_call_in_turn_still_ends_without_a_trace(world: World) -> None:
    world.ingest("a.md", [["Ada uses Engine", "Robot sees Robotss"]], merges=True)
    before = everything(world)
    document = world.ingest("b.md", [["Ada uses Engine"], ["Ada uses Pump", "Robots see Light"]], merges=True)
    world.ledger.request_removal(document)
    crashes = 0
    for at in range(1, 100):
        try:
            remove(document, **fused(world, Fuse(at, after=at % 2 == 0)), forget=nothing_more)
        except Crash:
            crashes += 1
            continue
        break
    assert crashes > 10
    assert everything(world) == before
    assert world.dirty() == []
