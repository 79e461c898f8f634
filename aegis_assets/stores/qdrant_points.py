"""Chunks as Qdrant's points: their payload, their vectors, and the filters that select them.

Every filter uses `document` or `live`, which are indexed, or ids, which need no index: a collection in strict mode refuses others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from aegis_assets.errors import EngineFailed
from aegis_assets.model.embedding import Embedding, PointPayload, VectorPoint
from aegis_assets.model.ids import chunk_path

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.models import Filter, FilterSelector

DENSE: Final = "dense"
SPARSE: Final = "sparse"
Payload = tuple[UUID, dict[str, Any]]  # of a point, by its id
Fields = bool | list[str]  # of a payload that are read
BARE: Final = ("document", "live", "name")  # of a payload without texts, and what tells one that has them


def payload_of(point: PointPayload, admin_address: str) -> dict[str, Any]:
    """Return what the point carries.

    With a text it carries what LangChain's and LlamaIndex' Qdrant vector stores read: the text as `text`, the rest under
    `metadata` for the one and beside the text for the other.
    """
    payload: dict[str, Any] = {"document": str(point.document), "live": point.live}
    if point.text is None:
        return payload
    details = {
        "name": point.text.name,
        "headings": list(point.text.headings),
        "pages": list(point.text.pages),
        "link": f"{admin_address}{chunk_path(point.document, point.id)}",
    }
    return {**payload, "text": point.text.text, **details, "metadata": {"document": str(point.document), **details}}


def row_of(point: VectorPoint, admin_address: str) -> Any:
    """Return the point as the client takes it. Raises EngineFailed if a vector holds no number."""
    from qdrant_client import models

    return models.PointStruct(id=str(point.id), vector=_vectors(point.embedding), payload=payload_of(point, admin_address))


def _vectors(embedding: Embedding) -> dict[str, Any]:
    from qdrant_client import models

    if not all(map(math.isfinite, embedding.dense)) or not all(map(math.isfinite, embedding.values)):
        raise EngineFailed("The embedder returned a vector that holds no number.")
    vectors: dict[str, Any] = {DENSE: list(embedding.dense)}
    if embedding.indices:
        vectors[SPARSE] = models.SparseVector(indices=list(embedding.indices), values=list(embedding.values))
    return vectors


def of_documents(documents: Sequence[UUID]) -> Filter:
    """Return the filter for the points of these documents."""
    from qdrant_client import models

    match = models.MatchAny(any=[str(document) for document in documents])
    return models.Filter(must=[models.FieldCondition(key="document", match=match)])


def live_ones() -> Filter:
    """Return the filter for the points that answer searches."""
    from qdrant_client import models

    return models.Filter(must=[models.FieldCondition(key="live", match=models.MatchValue(value=True))])


def selected(chunks: Sequence[UUID], size: int) -> Iterator[FilterSelector]:
    """Yield selectors of at most `size` points each. They are conditions: a selector by ids must not name one that is not there."""
    from qdrant_client import models

    for start in range(0, len(chunks), size):
        ids = models.HasIdCondition(has_id=[str(chunk) for chunk in chunks[start : start + size]])
        yield models.FilterSelector(filter=models.Filter(must=[ids]))


def requests_of(query: Embedding, limit: int, oversampling: float) -> list[Any]:
    """Return the searches by dense and by sparse vector. oversampling: 0 where vectors are not quantised."""
    from qdrant_client import models

    requests = [_nearest(query, live_ones(), limit, oversampling)]
    if query.indices:
        words = models.SparseVector(indices=list(query.indices), values=list(query.values))
        requests.append(models.QueryRequest(query=words, using=SPARSE, filter=live_ones(), limit=limit))
    return requests


def cosines_of(query: Embedding, chunks: Sequence[UUID], oversampling: float) -> Any:
    """Return the search that gives these chunks' cosines."""
    from qdrant_client import models

    only = models.Filter(must=[models.HasIdCondition(has_id=[str(chunk) for chunk in chunks])])
    return _nearest(query, only, len(chunks), oversampling)


def _nearest(query: Embedding, of: Filter, limit: int, oversampling: float) -> Any:
    from qdrant_client import models

    rescored = models.QuantizationSearchParams(rescore=True, oversampling=oversampling) if oversampling else None
    params = models.SearchParams(quantization=rescored) if rescored else None
    return models.QueryRequest(query=list(query.dense), using=DENSE, filter=of, limit=limit, params=params)


def overwrite(client: QdrantClient, name: str, size: int, payloads: Sequence[tuple[UUID, dict[str, Any]]]) -> None:
    """Replace the payloads of points that are there, `size` of them in a request."""
    from qdrant_client import models

    for start in range(0, len(payloads), size):
        operations: list[Any] = [
            models.OverwritePayloadOperation(overwrite_payload=models.SetPayload(payload=payload, points=[str(chunk)]))
            for chunk, payload in payloads[start : start + size]
        ]
        client.batch_update_points(name, operations, wait=True)


def pages_of(client: QdrantClient, name: str, size: int, of: Filter | None, fields: Fields) -> Iterator[Payload]:
    """Yield id and payload of each point, `size` of them to an answer."""
    offset: Any = None
    while True:
        page, offset = client.scroll(name, of, limit=size, offset=offset, with_payload=fields, with_vectors=False)
        for point in page:
            yield UUID(str(point.id)), point.payload or {}
        if offset is None:
            return
