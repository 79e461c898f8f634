"""rebuild_vectors on a real ledger: another vector store is filled without an engine, and what differs is put right, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest

from aegis_assets.errors import Misconfigured, StoreUnavailable
from aegis_assets.model.embedding import EmbedderInfo, Embedding, VectorPoint
from aegis_assets.model.ledger import Showing
from aegis_assets.pipeline.flow.rebuild import RebuildProgress
from aegis_assets.pipeline.flow.rebuild_vectors import LexicalSide, rebuild_vectors
from aegis_assets.stores.vectors import QdrantVectors
from tests.doubles.qdrant_server import QdrantDouble
from tests.pipeline.world import INFO, World, embedding
from tests.stores.ledger.build import dead

FIRST = [["Ada met Bob.", "Ada likes Engine."], ["Bob owns Tool."]]
SECOND = [["Ada met Bob.", "Ada likes Music."], ["Bob owns Tool."]]


class Embedder:
    """Counts the texts that it is asked for. away: not to be asked at all."""

    lease = None

    def __init__(self, info: EmbedderInfo = INFO, away: bool = False) -> None:
        self._info, self._away = info, away
        self.texts: list[str] = []

    def info(self) -> EmbedderInfo:
        assert not self._away, "the embedder was asked"
        return self._info

    def embed(self, texts: Sequence[str], kind: Literal["passage", "query"], batch: int = 0) -> list[Embedding]:
        assert not self._away, "the embedder was asked"
        self.texts += texts
        return [embedding(text) for text in texts]


AWAY = Embedder(away=True)


@pytest.fixture
def double() -> Iterator[QdrantDouble]:
    with QdrantDouble() as server:
        yield server


def rebuild(world: World, vectors: QdrantVectors, embedder: Embedder = AWAY) -> list[RebuildProgress]:
    return list(rebuild_vectors(world.ledger, world.bucket, vectors, embedder, world.id))


def filled(world: World) -> UUID:
    """A live document with a revision in the making, and another document that was never published."""
    document = world.ingest("a.md", FIRST)
    world.ledger.set_embedder(world.id, INFO)
    world.prepare("a.md", SECOND, "run-2")
    world.prepare("b.md", [["Eve wrote Letter."]], "run-3")
    return document


def points(world: World, vectors: QdrantVectors) -> dict[str, bool]:
    """Text -> whether it answers searches, of every point, read past the store."""
    texts = {row["id"]: row["text"] for row in world.rows("SELECT id, text FROM aegis_chunk")}
    documents = [row["id"] for row in world.rows("SELECT id FROM aegis_document")]
    live = {hit.id for text in texts.values() for hit in vectors.search(world.id, embedding(text), 100)}
    return {texts[chunk]: chunk in live for chunks in vectors.chunks_of(world.id, documents).values() for chunk in chunks}


def writes(double: QdrantDouble) -> list[str]:
    read = ("/scroll", "/query/batch", "/count", "/exists")
    return [path for method, path, _ in double.asked if method != "GET" and not path.endswith(read)]


def test_another_store_is_filled_without_an_engine_and_a_second_rebuild_writes_nothing(world: World, double: QdrantDouble) -> None:
    filled(world)
    before = points(world, world.vectors)
    server = QdrantVectors(url=double.url)

    assert rebuild(world, server)[-1] == RebuildProgress(2, 2)

    assert points(world, server) == before == {
        "Ada met Bob.": True, "Ada likes Engine.": True, "Bob owns Tool.": True,
        "Ada likes Music.": False, "Eve wrote Letter.": True,
    }  # fmt: skip
    double.asked.clear()
    rebuild(world, server)
    assert writes(double) == []


def test_the_vectors_are_those_that_the_embedder_made(world: World, double: QdrantDouble) -> None:
    filled(world)
    server = QdrantVectors(url=double.url)
    rebuild(world, server)
    for text in ("Ada met Bob.", "Eve wrote Letter."):
        old, new = (store.search(world.id, embedding(text), 5) for store in (world.vectors, server))
        assert [hit.id for hit in new] == [hit.id for hit in old]
        assert [hit.dense for hit in new] == pytest.approx([hit.dense for hit in old])


def test_a_rebuild_that_was_killed_goes_on_where_it_was(
    world: World, double: QdrantDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegis_assets.pipeline.flow.rebuild_vectors.DOCUMENTS", 1)
    filled(world)
    server = QdrantVectors(url=double.url)
    stopped = rebuild_vectors(world.ledger, world.bucket, server, AWAY, world.id)
    assert next(stopped) == RebuildProgress(1, 2)
    stopped.close()
    some = len(points(world, server))
    assert 0 < some < 5
    double.asked.clear()

    rebuild(world, server)

    assert len(points(world, server)) == 5
    assert sum(len(body["points"]) for body in double.requests("/points")) == 5 - some, "what was there is not written again"


def test_points_of_chunks_and_documents_that_are_gone_are_deleted_and_wrong_ones_corrected(world: World) -> None:
    document = filled(world)
    before = points(world, world.vectors)
    chunk = world.rows("SELECT id FROM aegis_chunk WHERE text = 'Ada met Bob.'")[0]["id"]
    ghost, nobody = uuid4(), uuid4()
    made = embedding("x")
    world.vectors.upsert(
        world.id,
        [
            VectorPoint(id=chunk, document=document, embedding=embedding("Ada met Bob."), live=False),
            VectorPoint(id=ghost, document=document, embedding=made, live=True),
            VectorPoint(id=uuid4(), document=nobody, embedding=made, live=True),
        ],
    )
    rebuild(world, world.vectors)
    assert points(world, world.vectors) == before
    assert nobody not in world.vectors.documents(world.id)


def test_only_chunks_whose_embedding_was_not_kept_are_embedded_and_then_it_is_kept(world: World, double: QdrantDouble) -> None:
    filled(world)
    world.execute("DELETE FROM aegis_embedding WHERE chunk_id IN (SELECT id FROM aegis_chunk WHERE text LIKE '%%Tool%%')")
    server, embedder = QdrantVectors(url=double.url), Embedder()
    rebuild(world, server, embedder)
    assert embedder.texts == ["Bob owns Tool."]
    assert len(points(world, server)) == 5
    server.delete_collection(world.id)
    rebuild(world, server)
    assert len(points(world, server)) == 5


def test_another_embedder_does_not_fill_the_gaps(world: World, double: QdrantDouble) -> None:
    filled(world)
    world.execute("DELETE FROM aegis_embedding")
    other = Embedder(INFO.model_copy(update={"name": "large", "fingerprint": "other"}))
    with pytest.raises(Misconfigured, match="AEGIS_EMBEDDER"):
        rebuild(world, QdrantVectors(url=double.url), other)
    assert other.texts == []


def test_a_ledger_that_does_not_say_which_embedder_it_was_asks_the_embedder(world: World, double: QdrantDouble) -> None:
    filled(world)
    world.execute("UPDATE aegis_collection SET embedder = NULL")
    embedder = Embedder()
    rebuild(world, QdrantVectors(url=double.url), embedder)
    assert embedder.texts == []
    assert world.ledger.embedder_of(world.id) == INFO


def test_an_empty_collection_needs_no_engine(world: World, double: QdrantDouble) -> None:
    server = QdrantVectors(url=double.url)
    assert rebuild(world, server) == [RebuildProgress(0, 0)]


def test_a_server_that_goes_away_stops_the_rebuild_and_the_next_one_ends_it(world: World, double: QdrantDouble) -> None:
    filled(world)
    server = QdrantVectors(url=double.url)
    server.ensure(world.id, INFO)
    double.answers = [(500, b'{"status":{"error":"gone"}}', {})] * 4
    with pytest.raises(StoreUnavailable):
        rebuild(world, server)
    double.answers = []
    rebuild(world, server)
    assert len(points(world, server)) == 5


def test_old_lexical_weights_are_renewed_once_from_the_texts_and_without_the_embedder(world: World) -> None:
    filled(world)
    before = points(world, world.vectors)
    read: list[str] = []

    def renew(text: str, embedding: Embedding) -> Embedding:
        read.append(text)
        return embedding.model_copy(update={"indices": (5, 7), "values": (1.0, 2.0), "sparse_fingerprint": "new", "language": "en"})

    for _ in range(2):
        list(
            rebuild_vectors(world.ledger, world.bucket, world.vectors, AWAY, world.id, LexicalSide(fingerprint="new", renew=renew))
        )

    assert sorted(read) == sorted(before), "each text once"
    assert points(world, world.vectors) == before
    old = embedding("Ada met Bob.")
    hits = world.vectors.search(world.id, old.model_copy(update={"indices": (7,), "values": (1.0,)}), 10)
    assert sum(hit.sparse is not None for hit in hits) == sum(before.values()), "all that are live have the new weights"
    assert max(hit.dense or 0.0 for hit in hits) == pytest.approx(1.0), "and their dense vectors"
    assert {row["language"] for row in world.rows("SELECT language FROM aegis_embedding")} == {"en"}


class Ingesting:
    """A ledger beside which a document goes live as soon as its state has been read."""

    def __init__(self, world: World, document: UUID) -> None:
        self._world, self._document, self._done = world, document, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.ledger, name)

    def showing_of(self, documents: Sequence[UUID]) -> list[Showing]:
        rows = self._world.ledger.showing_of(documents)
        if not self._done:
            self._done = True
            self._world.ledger.begin(self._document, "run-9", dead)
            self._world.publish(self._document, "run-9")
        return rows


def test_a_document_that_goes_live_beside_it_stays_live(world: World) -> None:
    document = filled(world)
    ledger: Any = Ingesting(world, document)
    list(rebuild_vectors(ledger, world.bucket, world.vectors, AWAY, world.id))
    assert world.agreed(document)
    now = points(world, world.vectors)
    assert "Ada likes Engine." not in now
    assert all(now.values())


def test_points_begin_and_cease_to_carry_texts_and_then_hidden_chunks_have_none(world: World, tmp_path: Path) -> None:
    document = filled(world)
    place = tmp_path / "vectors"
    world.vectors.close()
    carrying = QdrantVectors(path=place, carries_text=True, admin_address="http://127.0.0.1:8000")
    rebuild(world, carrying)
    assert points(world, carrying) == dict.fromkeys(
        ("Ada met Bob.", "Ada likes Engine.", "Bob owns Tool.", "Eve wrote Letter."), True
    )
    world.vectors = carrying
    world.ledger.begin(document, "run-9", dead)
    world.publish(document, "run-9")
    assert "Ada likes Music." in points(world, carrying), "a chunk that goes live gets its point from the kept embedding"
    assert world.agreed(document)
    carrying.close()

    bare = QdrantVectors(path=place)
    rebuild(world, bare)
    assert bare._qdrant.run(
        f"c_{world.id.hex}",
        lambda client: {key for row in client.scroll(f"c_{world.id.hex}")[0] for key in row.payload or {}},
        set(),
    ) == {"document", "live"}
    bare.close()
