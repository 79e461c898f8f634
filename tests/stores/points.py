"""Vectors for the stores' tests, the same in every process: a number makes a chunk's id and its embedding."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from uuid import UUID, uuid5

from aegis_assets.model.embedding import EmbedderInfo, Embedding, PointPayload, VectorPoint

ONE, OTHER = UUID(int=1), UUID(int=2)
DOCUMENT, SECOND = UUID(int=11), UUID(int=12)
INFO = EmbedderInfo(name="small", dimension=4, sparse="lexical", max_tokens=256, fingerprint="f1")


def chunk(number: int) -> UUID:
    return uuid5(DOCUMENT, str(number))


def unit(*values: float) -> tuple[float, ...]:
    length = math.hypot(*values)
    return tuple(value / length for value in values)


def embedding(number: int, words: Sequence[int] = ()) -> Embedding:
    rng = random.Random(number)
    dense = unit(*(rng.uniform(-1, 1) for _ in range(4)))
    return Embedding(dense=dense, indices=tuple(words), values=tuple(1.0 for _ in words))


def point(number: int, *, document: UUID = DOCUMENT, live: bool = True, words: Sequence[int] = ()) -> VectorPoint:
    return VectorPoint(id=chunk(number), document=document, embedding=embedding(number, words), live=live)


def payload(number: int, *, document: UUID = DOCUMENT, live: bool = True) -> PointPayload:
    return PointPayload(id=chunk(number), document=document, live=live)
