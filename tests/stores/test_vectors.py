"""The vector store on each implementation: the local mode of qdrant-client, the double of a server, a real server."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from aegis_assets.errors import EngineFailed, Misconfigured, NotFound, StoreUnavailable
from aegis_assets.model.embedding import EmbedderInfo, Embedding, VectorPoint
from aegis_assets.stores.vectors import QdrantVectors, named
from tests.stores.points import DOCUMENT, INFO, ONE, OTHER, SECOND, chunk, embedding, payload, point


def test_writing_twice_is_writing_once_and_ids_come_back_by_document(vectors: QdrantVectors) -> None:
    points = [point(n) for n in range(600)] + [point(n, document=SECOND) for n in range(600, 610)]
    for _ in range(2):
        vectors.upsert(ONE, points)
        vectors.ensure(ONE, INFO)

    assert vectors.chunk_ids(ONE, DOCUMENT) == {chunk(n) for n in range(600)}
    assert vectors.count(ONE) == 610
    assert vectors.count(ONE, SECOND) == 10


def test_a_dense_and_a_sparse_match_are_both_found_and_carry_their_own_scores(vectors: QdrantVectors) -> None:
    vectors.upsert(ONE, [point(n) for n in range(200)] + [point(500, words=(77,)), point(501, words=(78,))])
    query = Embedding(dense=embedding(3).dense, indices=(77,), values=(1.0,))

    hits = vectors.search(ONE, query, limit=300)

    by_id = {hit.id: hit for hit in hits}
    assert by_id[chunk(3)].dense == pytest.approx(1.0, abs=1e-5)
    assert by_id[chunk(3)].sparse is None
    assert by_id[chunk(500)].sparse is not None
    assert by_id[chunk(500)].sparse > 0
    assert by_id[chunk(500)].dense is not None, "what only the words find has its cosine all the same"
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert vectors.search(ONE, query, limit=5) == hits[:5]


@pytest.mark.parametrize(("sparse", "rare_wins"), [("lexical", True), ("bge-m3", False)])
def test_a_rare_word_outweighs_a_common_one_for_lexical_weights_only(tmp_path: Path, sparse: str, rare_wins: bool) -> None:
    common, rare = 1, 2
    store = QdrantVectors(path=tmp_path / sparse)
    store.ensure(ONE, INFO.model_copy(update={"sparse": sparse}))
    store.upsert(ONE, [point(n, words=(rare if n == 0 else common,)) for n in range(5)])
    query = Embedding(dense=embedding(99).dense, indices=(rare, common), values=(1.0, 1.2))

    scores = {hit.id: hit.sparse or 0.0 for hit in store.search(ONE, query, limit=5)}

    assert (scores[chunk(0)] > scores[chunk(1)]) is rare_wins


def test_only_live_chunks_answer_and_a_generation_goes_live_at_once(vectors: QdrantVectors) -> None:
    vectors.upsert(ONE, [point(n, live=False, words=(5,)) for n in range(30)])
    query = embedding(7, words=(5,))
    assert vectors.search(ONE, query, limit=10) == []

    wanted = [payload(n) for n in range(30)]
    assert vectors.set_live(ONE, [*wanted, payload(999)]) == {chunk(999)}
    assert vectors.set_live(ONE, wanted) == set()

    assert vectors.search(ONE, query, limit=10)[0].id == chunk(7)
    assert vectors.count(ONE) == 30


def test_deleting_is_by_chunk_or_by_document_and_twice_is_once(vectors: QdrantVectors) -> None:
    vectors.upsert(ONE, [point(n) for n in range(10)] + [point(50, document=SECOND)])
    for _ in range(2):
        vectors.delete(ONE, [chunk(0), chunk(1), UUID(int=999)])
        assert vectors.chunk_ids(ONE, DOCUMENT) == {chunk(n) for n in range(2, 10)}
    for _ in range(2):
        vectors.delete_document(ONE, DOCUMENT)
        assert (vectors.count(ONE, DOCUMENT), vectors.count(ONE)) == (0, 1)


def test_collections_do_not_see_each_other_and_a_missing_one_is_empty(vectors: QdrantVectors) -> None:
    vectors.ensure(OTHER, INFO)
    vectors.upsert(ONE, [point(1)])
    vectors.upsert(OTHER, [point(1), point(2)])
    vectors.delete_document(ONE, DOCUMENT)
    assert vectors.chunk_ids(OTHER, DOCUMENT) == {chunk(1), chunk(2)}

    vectors.delete_collection(OTHER)

    assert vectors.search(OTHER, embedding(1), 5) == []
    assert vectors.chunk_ids(OTHER, DOCUMENT) == set()
    vectors.delete(OTHER, [chunk(1)])
    vectors.delete_document(OTHER, DOCUMENT)
    assert vectors.set_live(OTHER, [payload(1)]) == {chunk(1)}
    with pytest.raises(NotFound):
        vectors.upsert(OTHER, [point(1)])


def test_a_deleted_collection_of_the_local_mode_leaves_no_directory(local_vectors: QdrantVectors, tmp_path: Path) -> None:
    assert (tmp_path / "vectors" / named(ONE)).exists()
    local_vectors.delete_collection(ONE)
    assert not (tmp_path / "vectors" / named(ONE)).exists()


def test_another_embedder_is_refused_with_what_to_do_unless_nothing_is_stored_yet(vectors: QdrantVectors) -> None:
    other = EmbedderInfo(name="large", dimension=8, sparse="bge-m3", max_tokens=8192, fingerprint="f2")
    vectors.upsert(ONE, [point(1)])
    with pytest.raises(Misconfigured, match=r"small \(4 dimensions\).*large \(8 dimensions\).*AEGIS_EMBEDDER"):
        vectors.ensure(ONE, other)
    with pytest.raises(Misconfigured, match="other options"):
        vectors.ensure(ONE, INFO.model_copy(update={"fingerprint": "f3"}))

    vectors.delete_document(ONE, DOCUMENT)
    vectors.ensure(ONE, other)

    with pytest.raises(Misconfigured):
        vectors.upsert(ONE, [point(1)])


def test_a_vector_that_holds_no_number_is_the_embedders_failure(vectors: QdrantVectors) -> None:
    broken = Embedding(dense=(math.nan, 0, 0, 1), indices=(), values=())
    with pytest.raises(EngineFailed):
        vectors.upsert(ONE, [VectorPoint(id=chunk(1), document=DOCUMENT, embedding=broken, live=True)])
    assert vectors.count(ONE) == 0


def test_chunks_of_several_documents_are_told_apart(vectors: QdrantVectors) -> None:
    vectors.upsert(ONE, [point(1), point(2), point(3, document=SECOND)])
    nobody = UUID(int=13)
    assert vectors.chunks_of(ONE, [DOCUMENT, SECOND, nobody]) == {
        DOCUMENT: {chunk(1), chunk(2)}, SECOND: {chunk(3)}, nobody: set(),
    }  # fmt: skip
    assert vectors.chunks_of(ONE, []) == {}
    assert vectors.documents(ONE) == {DOCUMENT, SECOND}


def test_a_server_that_does_not_answer_is_named_by_its_setting() -> None:
    store = QdrantVectors(url="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable, match="AEGIS_QDRANT_URL"):
        store.check()


def test_importing_the_store_loads_no_qdrant() -> None:
    code = "import sys, aegis_assets.stores.vectors; sys.exit('qdrant_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
