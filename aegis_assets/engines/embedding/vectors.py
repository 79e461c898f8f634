"""Vectors as a server sends them -> vectors that can be stored: of one length, of numbers, of unit length. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aegis_assets.errors import EngineFailed

DECIMALS: Final = 7  # of a float32 below 1
Weights = tuple[tuple[int, ...], tuple[float, ...]]


def in_order(rows: Sequence[tuple[int, Any]], count: int) -> list[Any]:
    """Return what the rows hold, by their index. Raises EngineFailed unless each of `count` indices is there once.

    Servers may answer in any order; lists that do not line up would give texts their neighbours' vectors.
    """
    by_index = dict(rows)
    if len(rows) != count or by_index.keys() != set(range(count)):
        raise EngineFailed(f"The embedding server returned {len(rows)} vectors for {count} texts, or numbered them wrongly.")
    return [by_index[index] for index in range(count)]


def unit(vector: Any, dimension: int | None = None) -> tuple[float, ...]:
    """Return the vector at unit length. Raises EngineFailed if it is none, is zero or has another length than `dimension`."""
    if not isinstance(vector, Sequence) or isinstance(vector, str) or not vector:
        raise EngineFailed("The embedding server returned something that is no vector.")
    try:
        numbers = [float(value) for value in vector]
    except (TypeError, ValueError) as error:
        raise EngineFailed("The embedding server returned a vector that holds no number.") from error
    if dimension is not None and len(numbers) != dimension:
        raise EngineFailed(
            f"The embedding server returned a vector of {len(numbers)} dimensions where it had {dimension}:"
            " another model runs there now."
        )
    if not all(map(math.isfinite, numbers)):
        raise EngineFailed("The embedding server returned a vector that holds no number.")
    length = math.hypot(*numbers)
    if not length:
        raise EngineFailed("The embedding server returned a vector of zeros.")
    return tuple(round(value / length, DECIMALS) for value in numbers)


def mean(vectors: Sequence[Sequence[float]], weights: Sequence[int]) -> tuple[float, ...]:
    """Return the weighted mean of unit vectors, at unit length."""
    return unit(
        [sum(weight * value for weight, value in zip(weights, column, strict=True)) for column in zip(*vectors, strict=True)]
    )


def sparse(pairs: Sequence[Mapping[str, Any]]) -> Weights:
    """Return the weights of a list of {"index", "value"}, by ascending index. Raises EngineFailed if they are none."""
    try:
        weights = {int(pair["index"]): round(float(pair["value"]), 6) for pair in pairs}
    except (TypeError, ValueError, KeyError) as error:
        raise EngineFailed("The embedding server returned sparse weights that are none.") from error
    if not all(math.isfinite(value) and index >= 0 for index, value in weights.items()):
        raise EngineFailed("The embedding server returned sparse weights that are none.")
    indices = tuple(sorted(index for index, value in weights.items() if value > 0))
    return indices, tuple(weights[index] for index in indices)
