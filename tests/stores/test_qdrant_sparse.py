"""Our scores and counts of sparse vectors are those of qdrant-client's local mode, which uses ours in their place."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client.local import local_collection
from qdrant_client.local.sparse_distances import calculate_distance_sparse
from qdrant_client.models import CreateCollection, Modifier, PointIdsList, PointStruct, SparseVector, SparseVectorParams

from aegis_assets.model.embedding import Embedding, VectorHit
from aegis_assets.stores import qdrant_sparse
from aegis_assets.stores.qdrant_sparse import count_late, hasten, scores
from aegis_assets.stores.vectors import QdrantVectors
from tests.stores.points import INFO, ONE, embedding, point

POINTS, WITH_WORDS, LIVE = 60, 50, 40


def vector(rng: random.Random, entries: int) -> SparseVector:
    indices = sorted(rng.sample(range(2000), entries))
    return SparseVector(indices=indices, values=[rng.random() for _ in indices])


@pytest.mark.parametrize("empty_is_zero", [False, True])
def test_scores_are_the_librarys(empty_is_zero: bool) -> None:
    rng = random.Random(7)
    query, stored = vector(rng, 30), [vector(rng, entries) for entries in (0, 1, 40, 400)]
    ours, theirs = scores(query, stored, empty_is_zero), calculate_distance_sparse(query, stored, empty_is_zero)
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert ours.dtype == theirs.dtype == np.float32
    assert scores(query, []).dtype == np.float32


def test_a_collection_that_counts_late_counts_the_same(tmp_path: Path) -> None:
    """If an upgrade moves the client's methods, this fails, instead of collections opening slowly."""
    spec = importlib.util.find_spec("qdrant_client.local.local_collection")
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)  # whose methods no store of this process has replaced
    spec.loader.exec_module(fresh)
    own, late = fresh.LocalCollection, type("Late", (fresh.LocalCollection,), {})
    count_late(late)
    count_late(late)
    rng = random.Random(3)
    stored = [PointStruct(id=number, vector={"words": vector(rng, 200)} if number % 7 else {}) for number in range(40)]
    config = CreateCollection(vectors={}, sparse_vectors={"words": SparseVectorParams(modifier=Modifier.IDF)})
    query, weighed = vector(rng, 300), []
    for number, collection in enumerate((own(config, str(tmp_path / "own")), late(config, str(tmp_path / "late")))):
        collection.upsert(stored[:30])
        collection.delete(PointIdsList(points=[3, 7, 11]))
        assert ("words" in collection.sparse_vectors_idf) == (number == 0)
        found = [collection._rescore_idf(query, "words").values]
        collection.upsert([*stored[30:], stored[3]])
        collection.delete(PointIdsList(points=[4, 35]))
        collection.upsert([PointStruct(id=5, vector={"words": vector(random.Random(5), 200)})])
        found.append(collection._rescore_idf(query, "words").values)
        collection.close()
        reopened = type(collection)(config, str(tmp_path / ("own" if number == 0 else "late")))
        weighed.append([*found, reopened._rescore_idf(query, "words").values])
        reopened.close()
    assert weighed[0] == weighed[1]
    hasten()
    assert local_collection.LocalCollection._rescore_idf.counts_late  # type: ignore[attr-defined]


def filled(path: Path, sparse: str) -> QdrantVectors:
    """Return a store on the path: points with words and without, with and without a word of the question, live and hidden."""
    rng = random.Random(11)
    store = QdrantVectors(path=path)
    store.ensure(ONE, INFO.model_copy(update={"sparse": sparse}))
    points = [point(number, live=number < LIVE, words=sorted(rng.sample(range(40), 5))) for number in range(WITH_WORDS)]
    for number, made in enumerate(points):
        weighed = made.embedding.model_copy(update={"values": tuple(rng.uniform(0.1, 3.0) for _ in made.embedding.indices)})
        points[number] = made.model_copy(update={"embedding": weighed})
    store.upsert(ONE, points + [point(number) for number in range(WITH_WORDS, POINTS)])
    return store


def by_id(hits: Sequence[VectorHit]) -> list[VectorHit]:
    return sorted(hits, key=lambda hit: hit.id)


@pytest.mark.parametrize("sparse", ["lexical", "bge-m3"])
def test_a_search_of_the_local_mode_calls_our_product_and_finds_what_it_finds_by_the_clients_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sparse: str
) -> None:
    """If an upgrade moves the client's function, this fails, instead of searches becoming slow.

    `lexical` is with the client's inverse document frequency, `bge-m3` without.
    """
    scored: list[int] = []

    def counted(query: SparseVector, vectors: Sequence[SparseVector], empty_is_zero: bool = False) -> Any:
        scored.append(len(vectors))
        return scores(query, vectors, empty_is_zero)

    # The client's own is there until the store opens the collection, and again, as it was before, when the test ends.
    monkeypatch.setattr(local_collection, "calculate_distance_sparse", calculate_distance_sparse)
    monkeypatch.setattr(qdrant_sparse, "scores", counted)
    store = filled(tmp_path, sparse)
    query = Embedding(dense=embedding(3).dense, indices=(33, 2, 7, 900), values=(0.5, 1.0, 2.0, 1.0))

    ours = store.search(ONE, query, POINTS)
    assert scored == [POINTS], "one call, for every point"

    monkeypatch.setattr(local_collection, "calculate_distance_sparse", calculate_distance_sparse)
    theirs = store.search(ONE, query, POINTS)
    assert scored == [POINTS], "no call: this search was the client's own"

    assert 0 < sum(hit.sparse is not None for hit in theirs) < len(theirs) == LIVE + POINTS - WITH_WORDS
    for one, other in zip(by_id(ours), by_id(theirs), strict=True):
        assert one.id == other.id
        assert one.dense == pytest.approx(other.dense, abs=1e-6)
        assert one.sparse == (None if other.sparse is None else pytest.approx(other.sparse, rel=1e-5))
    assert [hit.id for hit in ours] == [hit.id for hit in theirs]
    store.close()
