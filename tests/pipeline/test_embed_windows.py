"""embed_windows, on a real ledger and vector store: one text that breaks the model fails its chunk alone; an engine that is away
puts the document back, and no chunk has failed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal
from uuid import UUID

import pytest

from aegis_assets.errors import EngineFailed, EngineUnavailable
from aegis_assets.model.document import State
from aegis_assets.model.embedding import EmbedderInfo, Embedding
from aegis_assets.pipeline.flow import limits
from aegis_assets.pipeline.flow.embed import PROBE, embed_windows
from aegis_assets.pipeline.flow.platform import Numbers, Platform
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.vectors import QdrantVectors
from tests.stores.ledger.build import EMBED, RUN, collection, enriched, planned, publish, running

INFO = EmbedderInfo(name="e", dimension=2, sparse="lexical", max_tokens=256, fingerprint=EMBED)
NUMBERS = Numbers(parallel_chunks_per_doc=2, embedding_batch_size=16, window_pages=16, window_chunks=64)
MARKS = "SELECT chunk_id, state FROM aegis_chunk_task WHERE document_id = %s AND stage = 'embed'"
FAILURES = "SELECT chunk_id, kind, message FROM aegis_failure WHERE document_id = %s AND stage = 'embed' AND NOT resolved"


def embedding(text: str) -> Embedding:
    """Of a number: a direction and a word of its own."""
    angle = int(text) / 1000
    return Embedding(dense=(math.cos(angle), math.sin(angle)), indices=(int(text),), values=(1.0,))


class Engine:
    """Breaks on a call that holds a bad text, and says nothing to one that holds a mute text; away when told so. returns: with
    the next probe. narrows: a batch size that somebody sets during the first call."""

    lease = None

    def __init__(self, ledger: Ledger, *bad: str) -> None:
        self.ledger = ledger
        self.bad = set(bad)
        self.mute = ""
        self.away = self.returns = False
        self.narrows = 0
        self.calls: list[int] = []
        self.batches: list[int] = []

    def info(self) -> EmbedderInfo:
        return INFO

    def embed(self, texts: Sequence[str], _: Literal["passage", "query"], batch: int = 0) -> list[Embedding]:
        self.calls.append(len(texts))
        self.batches.append(batch)
        if self.returns and list(texts) == [PROBE]:
            self.mute = ""
        if self.away or self.mute in texts:
            raise EngineUnavailable("The engine server is away.")
        if list(texts) == [PROBE]:
            return []
        if self.bad & set(texts):
            raise EngineFailed("The model stopped.")
        if self.narrows and len(self.calls) == 1:
            with self.ledger.connection() as connection:
                connection.execute("INSERT INTO aegis_limit (name, value) VALUES ('embedding_batch_size', %s)", (self.narrows,))
        return [embedding(text) for text in texts]


@dataclass
class Desk:
    """The platform of a run, and a window of its document."""

    ledger: Ledger
    vectors: QdrantVectors

    def chunked(self, count: int, name: str = "a.md", first: int = 0, content: str = "", windows: int = 2) -> list[UUID]:
        """The chunks of a new document's first window. Their texts are the numbers `first`, ..."""
        content = content or name
        self.document = running(self.ledger, name, content=content)
        keys = [f"key {number}" for number in range(windows)]
        window, *_ = self.ledger.windows(planned(self.ledger, self.document, *keys, content=content).id)
        self.window = window.id
        self.vectors.ensure(collection(), INFO)
        return enriched(self.ledger, self.window, [str(first + n) for n in range(count)])

    def embed(self, engine: Engine, *windows: UUID) -> None:
        """windows: of others instead of its own."""
        prints: Any = SimpleNamespace(fingerprint=lambda *_: "f", earlier=lambda *_: ())
        rest: Any = dict.fromkeys(("bucket", "graph", "leases", "fetch"), None)
        platform = Platform(
            ledger=self.ledger, vectors=self.vectors, embedder=engine, parser=prints, vision=prints, extractor=prints,
            numbers=NUMBERS, **rest,
        )  # fmt: skip
        asyncio.run(embed_windows(platform, windows or [self.window], RUN))

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.ledger.connection() as connection:
            return connection.execute(query, (self.document,)).fetchall()  # type: ignore[arg-type]

    def marked(self, state: str) -> set[UUID]:
        return {row["chunk_id"] for row in self.rows(MARKS) if row["state"] == state}

    def stored(self) -> set[UUID]:
        return self.vectors.chunk_ids(collection(), self.document)

    def found(self, number: int) -> UUID:
        """The chunk that a search for the number finds by its word, which no other has."""
        (hit,) = (hit for hit in self.vectors.search(collection(), embedding(str(number)), 200) if hit.sparse is not None)
        return hit.id


@pytest.fixture
def desk(ledger_url: str, tmp_path: Path) -> Iterator[Desk]:
    one = Desk(Ledger(ledger_url), QdrantVectors(path=tmp_path / "vectors"))
    yield one
    one.vectors.close()
    one.ledger.close()


def test_a_bad_text_fails_its_chunk_and_no_other(desk: Desk) -> None:
    engine = Engine(desk.ledger, "77")
    chunks = desk.chunked(200)
    rest = set(chunks) - {chunks[77]}
    desk.embed(engine)
    assert len(engine.calls) <= 2 + 2 * 7, "halves of a batch of 128, not every text alone"
    assert desk.rows(FAILURES) == [{"chunk_id": chunks[77], "kind": "engine_failed", "message": "The model stopped."}]
    assert (desk.marked("done"), desk.marked("failed")) == (rest, {chunks[77]})
    assert desk.stored() == rest
    assert [desk.found(n) for n in (0, 76, 78, 199)] == [chunks[n] for n in (0, 76, 78, 199)]

    engine.bad.clear()
    engine.calls.clear()
    desk.embed(engine)
    assert engine.calls == [1], "nothing but what had failed is done again"
    assert desk.rows(FAILURES) == []
    assert desk.marked("done") == desk.stored() == set(chunks)
    assert desk.found(77) == chunks[77]


def test_an_engine_that_is_away_puts_the_document_back_and_fails_no_chunk(desk: Desk) -> None:
    engine = Engine(desk.ledger)
    engine.away = True
    chunks = desk.chunked(300)
    desk.embed(engine)
    assert engine.calls == [128, 1], "a batch and a probe, not every half, and not the batches behind it"
    assert desk.rows(FAILURES) == []
    assert desk.marked("pending") == set(chunks)
    assert not desk.stored()
    row = desk.ledger.document(desk.document)
    assert (row.state, row.waiting_for) == (State.PENDING, "the engine server")


def test_a_text_that_gets_no_answer_while_others_do_fails_its_chunk(desk: Desk) -> None:
    engine = Engine(desk.ledger)
    engine.mute = "7"
    chunks = desk.chunked(16)
    desk.embed(engine)
    assert [row["chunk_id"] for row in desk.rows(FAILURES)] == [chunks[7]]
    assert desk.marked("done") == desk.stored() == {*chunks} - {chunks[7]}
    assert desk.ledger.document(desk.document).state == State.RUNNING


def test_a_single_text_is_asked_once_more_of_an_embedder_that_came_back_with_the_probe(desk: Desk) -> None:
    engine = Engine(desk.ledger)
    engine.mute, engine.returns = "0", True
    chunks = desk.chunked(1)
    desk.embed(engine)
    assert desk.rows(FAILURES) == []
    assert desk.marked("done") == desk.stored() == set(chunks)


def test_a_run_that_is_over_neither_asks_nor_fails_anything(desk: Desk) -> None:
    engine = Engine(desk.ledger)
    chunks = desk.chunked(20)
    desk.ledger.request_cancel(desk.document)
    desk.embed(engine)
    assert not engine.calls
    assert desk.rows(FAILURES) == []
    assert desk.marked("pending") == set(chunks)


def test_another_batch_size_acts_with_the_next_call(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LOOK_SECONDS", 0.0)
    engine = Engine(desk.ledger)
    engine.narrows = 4
    chunks = desk.chunked(200)
    desk.embed(engine)
    assert engine.calls == [128, 32, 32, 8]
    assert engine.batches == [16, 4, 4, 4]
    assert desk.marked("done") == desk.stored() == set(chunks)


def test_texts_of_small_documents_go_in_one_call_and_one_that_was_cancelled_is_left_out(desk: Desk) -> None:
    engine = Engine(desk.ledger)
    notes = []
    for number in range(3):
        chunks = desk.chunked(2, f"{number}.md", first=10 * number)
        notes.append((desk.document, desk.window, chunks))
    desk.ledger.request_cancel(notes[1][0])
    desk.embed(engine, *(window for _, window, _ in notes))
    assert engine.calls == [4]
    stored = [desk.vectors.chunk_ids(collection(), document) for document, _, _ in notes]
    assert stored == [set(notes[0][2]), set(), set(notes[2][2])]
    assert desk.found(21) == notes[2][2][1]


def test_a_bad_text_of_one_document_costs_no_other_its_chunks(desk: Desk) -> None:
    engine = Engine(desk.ledger, "11")
    notes = []
    for number in range(3):
        chunks = desk.chunked(2, f"{number}.md", first=10 * number)
        notes.append((desk.document, desk.window, chunks))
    desk.embed(engine, *(window for _, window, _ in notes))
    for number, (document, _, chunks) in enumerate(notes):
        desk.document = document
        assert desk.marked("done") == desk.stored() == set(chunks[:1] if number == 1 else chunks)
        assert [row["chunk_id"] for row in desk.rows(FAILURES)] == ([chunks[1]] if number == 1 else [])


def test_the_embeddings_are_kept_with_the_mark_as_the_engine_made_them(desk: Desk) -> None:
    chunks = desk.chunked(40)
    desk.embed(Engine(desk.ledger))
    kept = desk.ledger.embeddings(chunks)
    assert set(kept) == set(chunks)
    for number in (0, 39):
        made = embedding(str(number))
        assert kept[chunks[number]].dense == pytest.approx(made.dense, abs=1e-7)
        assert (kept[chunks[number]].indices, kept[chunks[number]].values) == (made.indices, made.values)
    assert desk.ledger.unkept(chunks) == {}


def test_where_points_carry_texts_a_chunk_that_may_not_be_seen_yet_has_no_point(desk: Desk, tmp_path: Path) -> None:
    """Readers that know only the vector store filter nothing."""
    desk.vectors.close()
    desk.vectors = QdrantVectors(path=tmp_path / "carrying", carries_text=True, admin_address="http://127.0.0.1:8000")
    chunks = desk.chunked(2)
    desk.embed(Engine(desk.ledger))
    assert desk.stored() == set(chunks), "of a first generation all may be seen"
    publish(desk.ledger, desk.document, desk.ledger.windows(_making(desk))[0].generation)
    desk.ledger.finish(desk.document, RUN, State.SUCCEEDED, "")

    revised = desk.chunked(3, content="newer")
    desk.embed(Engine(desk.ledger))

    assert desk.marked("done") == {*chunks, *revised}
    assert desk.stored() == set(chunks)
    assert set(desk.ledger.embeddings(revised)) == set(revised)


def test_a_document_made_in_one_piece_gets_its_points_when_it_goes_live(desk: Desk) -> None:
    chunks = desk.chunked(2, windows=1)
    desk.embed(Engine(desk.ledger))
    assert desk.marked("done") == set(desk.ledger.embeddings(chunks)) == set(chunks)
    assert desk.stored() == set()


def _making(desk: Desk) -> int:
    making = desk.ledger.document(desk.document).making
    assert making is not None
    return making
