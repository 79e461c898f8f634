"""embed_window: one text that breaks the model fails its chunk alone; an engine that is away is not asked again for every half."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest

from aegis_assets.errors import AegisError, EngineFailed, EngineUnavailable, Superseded
from aegis_assets.model.embedding import EmbedderInfo, Embedding, VectorPoint
from aegis_assets.model.ledger import ChunkRow
from aegis_assets.pipeline.flow import embed as module
from aegis_assets.pipeline.flow.embed import embed_window


class Engine:
    """Breaks on a call that holds a bad text; away when told so."""

    lease = None

    def __init__(self, *bad: str) -> None:
        self.bad = set(bad)
        self.away = False
        self.calls: list[int] = []
        self.batches: list[int] = []

    def info(self) -> EmbedderInfo:
        return EmbedderInfo(name="e", dimension=1, sparse="lexical", max_tokens=256, fingerprint="f")

    def embed(self, texts: Sequence[str], _: Literal["passage", "query"], batch: int = 0) -> list[Embedding]:
        self.calls.append(len(texts))
        self.batches.append(batch)
        if self.away:
            raise EngineUnavailable("The engine server is away.")
        if self.bad & set(texts):
            raise EngineFailed("The model stopped.")
        return [Embedding(dense=(float(text),), indices=(), values=()) for text in texts]


class Ledger:
    def __init__(self, chunks: Sequence[ChunkRow]) -> None:
        self.chunks = chunks
        self.over = False
        self.embedded: list[UUID] = []
        self.failed: dict[UUID | None, str] = {}

    def window(self, window: UUID) -> Any:
        return SimpleNamespace(id=window, document=self.chunks[0].document, generation=1)

    def document(self, _: UUID) -> Any:
        return SimpleNamespace(collection=uuid4())

    def chunks_to_do(self, *_: object) -> Sequence[ChunkRow]:
        return self.chunks

    def check(self, *_: object) -> None:
        if self.over:
            raise Superseded("It was cancelled.")

    def start_chunks(self, *_: object) -> None:
        return None

    def visible(self, _: UUID, __: int, chunks: Sequence[UUID]) -> set[UUID]:
        return set(chunks)

    def save_embedded(self, _: UUID, __: str, chunks: Sequence[UUID], *___: object) -> None:
        self.embedded += chunks

    def fail(self, _: UUID, __: str, ___: object, error: AegisError, *, window: UUID, chunk: UUID) -> None:
        self.failed[chunk] = error.message


@pytest.fixture(autouse=True)
def fingerprints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "of_collection", lambda *_: SimpleNamespace(embed="f"))


def run(engine: Engine, count: int, *, over: bool = False, change: Callable[[Any], None] = id) -> tuple[Ledger, list[VectorPoint]]:
    document = uuid4()
    chunks = [ChunkRow(id=uuid4(), document=document, text=str(n), text_hash=str(n), tokens=1, attempts=0) for n in range(count)]
    ledger, points = Ledger(chunks), list[VectorPoint]()
    ledger.over = over

    @asynccontextmanager
    async def lease(*_: object) -> Any:
        yield

    vectors = SimpleNamespace(upsert=lambda _, some: points.extend(some))
    numbers = SimpleNamespace(embedding_batch_size=16)
    platform: Any = SimpleNamespace(
        ledger=ledger, embedder=engine, vectors=vectors, now=lambda: numbers, look=lambda: change(numbers), lease=lease
    )
    asyncio.run(embed_window(platform, uuid4(), "run"))
    return ledger, points


def test_a_bad_text_fails_its_chunk_and_no_other() -> None:
    engine = Engine("77")
    ledger, points = run(engine, 200)
    assert list(ledger.failed) == [ledger.chunks[77].id]
    assert set(ledger.embedded) == {chunk.id for chunk in ledger.chunks} - {ledger.chunks[77].id}
    assert {point.id: point.embedding.dense for point in points} == {
        chunk.id: (float(chunk.text),) for chunk in ledger.chunks if chunk.text != "77"
    }
    assert len(engine.calls) <= 2 + 2 * 7, "halves of a batch of 128, not every text alone"


def test_an_engine_that_is_away_is_asked_once_for_a_batch() -> None:
    engine = Engine()
    engine.away = True
    ledger, points = run(engine, 128)
    assert engine.calls == [128]
    assert len(ledger.failed) == 128
    assert not points


def test_a_run_that_is_over_neither_asks_nor_fails_anything() -> None:
    engine = Engine()
    ledger, _ = run(engine, 20, over=True)
    assert not engine.calls
    assert not ledger.failed


def test_another_batch_size_acts_with_the_next_call() -> None:
    engine = Engine()
    sizes = iter((16, 4, 4, 4))

    def change(numbers: Any) -> None:
        numbers.embedding_batch_size = next(sizes)

    ledger, _ = run(engine, 200, change=change)
    assert engine.calls == [128, 32, 32, 8]
    assert engine.batches == [16, 4, 4, 4]
    assert len(ledger.embedded) == 200
