"""Scores of sparse vectors in qdrant-client's local mode.

Its own function merges every stored vector with the query's, an entry at a time: 0.37 ms for the 420 entries of a chunk, so 7 s a
search at 20,000 points. The product by a dictionary takes 0.065 ms. A contract test holds both to the same scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qdrant_client.models import SparseVector


def score_faster() -> None:
    """Let the local mode use `scores`. A second call changes nothing."""
    from qdrant_client.local import local_collection

    setattr(local_collection, "calculate_distance_sparse", scores)  # noqa: B010  the module does not export it


def scores(query: SparseVector, vectors: Sequence[SparseVector], empty_is_zero: bool = False) -> Any:
    """Return the product of each vector with the query's, as 32-bit numbers: minus infinity, or zero, where they share no index."""
    import numpy as np

    weights = dict(zip(query.indices, query.values, strict=True))
    nothing = 0.0 if empty_is_zero else float("-inf")
    products = []
    for vector in vectors:
        shared = [weights[index] * value for index, value in zip(vector.indices, vector.values, strict=True) if index in weights]
        products.append(sum(shared) if shared else nothing)
    return np.array(products, dtype=np.float32)
