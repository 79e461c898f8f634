"""What the ledger says of chunks -> the points of the vector store, without an engine: from the embeddings that are kept.

With texts in the points (`Vectors.carries_text`) readers that know only the vector store take whatever it holds. So a chunk that
does not answer searches yet has no point then, and gets it from its kept embedding when it goes live.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol, TypeVar
from uuid import UUID

from aegis_assets.model.embedding import Embedding, PointPayload, PointText, VectorPoint
from aegis_assets.pipeline.ports import Vectors

T = TypeVar("T")

BATCH = 500  # embeddings in memory: 500 of 1,024 numbers are 20 MB as Python's floats


class PointLedger(Protocol):
    """See `aegis_assets.stores.ledger.embeddings`."""

    def embeddings(self, chunks: Sequence[UUID]) -> dict[UUID, Embedding]: ...
    def point_texts(self, chunks: Sequence[UUID], generations: Sequence[int]) -> dict[UUID, PointText]: ...


def payloads(
    ledger: PointLedger, vectors: Vectors, chunks: Mapping[UUID, UUID], live: set[UUID], generations: Sequence[int]
) -> list[PointPayload]:
    """Return what the chunks' points should carry. chunks: the document of each. live: those that answer searches."""
    texts: dict[UUID, PointText] = {}
    if vectors.carries_text:
        chunks = {chunk: document for chunk, document in chunks.items() if chunk in live}
        for batch in batches(chunks, BATCH):
            texts |= ledger.point_texts(batch, generations)
    return [
        PointPayload(id=chunk, document=document, live=chunk in live, text=texts.get(chunk)) for chunk, document in chunks.items()
    ]


def write_payloads(ledger: PointLedger, vectors: Vectors, collection: UUID, points: Sequence[PointPayload]) -> None:
    """Make the points carry what they should, and add those that are missing and whose embedding is kept."""
    missing = vectors.set_live(collection, points)
    for batch in batches([point for point in points if point.id in missing], BATCH):
        vectors.upsert(collection, embedded(batch, ledger.embeddings([point.id for point in batch])))


def embedded(points: Iterable[PointPayload], embeddings: Mapping[UUID, Embedding]) -> list[VectorPoint]:
    """Return those of the points that have an embedding, with it."""
    return [
        VectorPoint(id=point.id, document=point.document, live=point.live, text=point.text, embedding=embeddings[point.id])
        for point in points
        if point.id in embeddings
    ]


def batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the rows in lists of at most `size`."""
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch
