"""Our scores of sparse vectors are those of qdrant-client's local mode, which uses ours in its place."""

from __future__ import annotations

import random

import numpy as np
import pytest
from qdrant_client.local import local_collection
from qdrant_client.local.sparse_distances import calculate_distance_sparse
from qdrant_client.models import SparseVector

from aegis_assets.stores.qdrant_sparse import score_faster, scores


def vector(rng: random.Random, entries: int) -> SparseVector:
    indices = sorted(rng.sample(range(2000), entries))
    return SparseVector(indices=indices, values=[rng.random() for _ in indices])


@pytest.mark.parametrize("empty_is_zero", [False, True])
def test_scores_are_the_librarys(empty_is_zero: bool) -> None:
    rng = random.Random(7)
    query, stored = vector(rng, 30), [vector(rng, entries) for entries in (0, 1, 40, 400)]
    assert scores(query, stored, empty_is_zero) == pytest.approx(calculate_distance_sparse(query, stored, empty_is_zero), abs=1e-5)


def test_the_library_looks_its_function_up_where_ours_is_put(monkeypatch: pytest.MonkeyPatch) -> None:
    """If an upgrade moves it, this fails, instead of searches becoming slow."""
    monkeypatch.setattr(local_collection, "calculate_distance_sparse", None)
    score_faster()
    assert local_collection.calculate_distance_sparse is scores
    assert scores(SparseVector(indices=[1], values=[2.0]), []).dtype == np.float32
