"""Calls that come back after their document was removed, on real stores: nothing of them stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from aegis_assets.errors import LimitExceeded
from aegis_assets.model.embedding import EmbedderInfo, Embedding, VectorPoint
from aegis_assets.model.parsing import ChunkDraft, ParsedWindow
from aegis_assets.pipeline.flow import late
from aegis_assets.pipeline.flow.embed import embed_windows
from aegis_assets.pipeline.flow.enrich import enrich_window
from aegis_assets.pipeline.flow.late import sweep_removed
from aegis_assets.pipeline.flow.parse import parse_window
from aegis_assets.pipeline.flow.platform import Numbers, Platform
from tests.pipeline.crashes import Broken, Crash
from tests.pipeline.test_remove import everything, removed
from tests.pipeline.world import INFO, World, embedding
from tests.stores.ledger.build import PARSE, RUN, draft, enriched, parsed, planned, running

NUMBERS = Numbers(2, 16, 16, 64, longest_call_seconds=0.0)
Meanwhile = Callable[[], object]


class Late:
    """Every engine: it answers only after something else has happened. A parser has stored its artifacts by then, as the engine
    server does."""

    lease = None

    def __init__(self, world: World, meanwhile: Meanwhile) -> None:
        self._world, self._meanwhile = world, meanwhile
        self.fails = False

    def fingerprint(self, *_: object) -> str:
        return PARSE

    def earlier(self, *_: object) -> tuple[str, ...]:
        return ()

    def info(self) -> EmbedderInfo:
        return INFO

    def embed(self, texts: Sequence[str], *_: object) -> list[Embedding]:
        self._meanwhile()
        return [embedding(text) for text in texts]

    def parse(self, request: Any) -> ParsedWindow:
        self._meanwhile()
        self._world.bucket.put(f"{request.artifacts}/window.json", b"{}")
        if self.fails:
            raise LimitExceeded("It took too long.")
        return parsed(f"{request.artifacts}/window.json")

    def chunk(self, request: Any) -> tuple[ChunkDraft, ...]:
        self._meanwhile()
        return (draft("Ada uses Engine"),)


def platform(world: World, engine: Late, **doubles: Any) -> Platform:
    rest: dict[str, Any] = {"extractor": engine, "leases": None, "fetch": None}
    engines = {"parser": engine, "vision": engine, "embedder": engine}
    return Platform(**{**world.stores(), "ledger": world.ledger, **engines, **rest, **doubles}, numbers=NUMBERS)


@pytest.fixture
def document(world: World) -> UUID:
    """Of two windows, which are not parsed yet."""
    world.vectors.ensure(world.id, INFO)
    made = running(world.ledger, "late.md", collection=world.collection)
    planned(world.ledger, made, "key", "another")
    return made


def window_of(world: World, document: UUID) -> UUID:
    window, _ = world.ledger.windows(world.ledger.document(document).making or 0)
    return window.id


def gone(world: World, document: UUID) -> Meanwhile:
    """Cancel, and remove to the end."""

    def meanwhile() -> None:
        world.ledger.cancel_run(RUN)
        removed(world, document)

    return meanwhile


def nothing_left(world: World, document: UUID) -> bool:
    tables = {table: count for table, count in world.tables().items() if count}
    return not tables and world.vectors.chunk_ids(world.id, document) == set() and world.files() == []


def test_vectors_that_come_after_the_removal_are_deleted_by_their_step(world: World, document: UUID) -> None:
    window = window_of(world, document)
    enriched(world.ledger, window, ["Ada uses Engine", "Ada"])
    asyncio.run(embed_windows(platform(world, Late(world, gone(world, document))), [window], RUN))
    assert nothing_left(world, document)


@pytest.mark.parametrize("fails", [False, True])
def test_a_parse_that_comes_after_the_removal_leaves_no_artifact(world: World, document: UUID, fails: bool) -> None:
    engine = Late(world, gone(world, document))
    engine.fails = fails
    work = platform(world, engine)
    asyncio.run(parse_window(work, window_of(world, document), RUN))
    assert nothing_left(world, document) is not fails
    assert sweep_removed(work) == 1
    assert nothing_left(world, document)


def test_chunks_that_come_after_the_removal_leave_no_row(world: World, document: UUID) -> None:
    window = window_of(world, document)
    world.ledger.save_parsed(window, RUN, parsed(), PARSE, 0.1)
    asyncio.run(enrich_window(platform(world, Late(world, gone(world, document))), window, RUN))
    assert nothing_left(world, document)


def test_what_a_killed_step_wrote_late_is_swept(world: World, document: UUID) -> None:
    window = window_of(world, document)
    chunks = enriched(world.ledger, window, ["Ada uses Engine"])
    gone(world, document)()
    world.vectors.upsert(world.id, [VectorPoint(id=chunks[0], document=document, embedding=embedding("x"), live=True)])
    world.bucket.put(f"artifacts/{document}/late.json", b"{}")
    world.bucket.put(f"descriptions/{document}/late", b"{}")
    work = platform(world, Late(world, lambda: None))

    assert sweep_removed(replace(work, numbers=replace(NUMBERS, longest_call_seconds=3600.0))) == 0, "a call may still come back"
    assert world.files() != []
    assert sweep_removed(work) == 1
    assert nothing_left(world, document)
    assert sweep_removed(work) == 0


def test_a_document_that_has_come_back_is_not_swept(world: World) -> None:
    document = world.ingest("a.md", [["Ada uses Engine"]])
    removed(world, document)
    assert world.ingest("a.md", [["Ada uses Engine"]], run_id="run-2") == document
    before = everything(world)
    assert sweep_removed(platform(world, Late(world, lambda: None))) == 1
    assert everything(world) == before
    assert world.agreed(document)


def test_the_late_end_of_a_superseded_run_takes_nothing_from_the_run_that_has_the_document(world: World, document: UUID) -> None:
    window = window_of(world, document)
    chunks = enriched(world.ledger, window, ["Ada uses Engine"])

    def another_run() -> None:
        world.ledger.begin(document, "run-2", lambda _: False)

    asyncio.run(embed_windows(platform(world, Late(world, another_run)), [window], RUN))
    assert world.vectors.chunk_ids(world.id, document) == set(chunks)


def test_a_sweep_whose_store_is_away_is_for_the_next_time(world: World, document: UUID) -> None:
    gone(world, document)()
    work = platform(world, Late(world, lambda: None))
    with pytest.raises(Crash):
        sweep_removed(replace(work, vectors=Broken(world.vectors, "delete_document")))
    assert sweep_removed(work) == 1


def test_one_document_that_cannot_be_swept_does_not_stop_those_behind_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.md", "b.md"):
        removed(world, world.ingest(name, [[f"Ada uses {name}"]]))
    refused: list[UUID] = []

    def files(_: Platform, document: UUID) -> None:
        if not refused:
            refused.append(document)
            raise LimitExceeded("Not this one.")

    monkeypatch.setattr(late, "delete_files", files)
    work = platform(world, Late(world, lambda: None))
    assert sweep_removed(work) == 2, "it comes last, and then it works"
    assert len(refused) == 1


def test_a_part_whose_parts_before_it_are_never_parsed_fails_after_the_longest_call(world: World) -> None:
    """Their steps died: nobody is at work on them."""
    document = running(world.ledger, "a.md", collection=world.collection)
    generation = planned(world.ledger, document, "first", "second")
    _, second = world.ledger.windows(generation.id)
    world.ledger.save_parsed(second.id, RUN, parsed(), PARSE, 0.1)
    asyncio.run(enrich_window(platform(world, Late(world, lambda: None)), second.id, RUN))
    (failure,) = world.ledger.failures(document)
    assert (failure.stage, failure.window, failure.retryable) == ("enrich", second.id, True)
    assert "before this one" in failure.message
