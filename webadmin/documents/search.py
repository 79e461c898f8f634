"""A question -> chunks with where they stand: embedded by the engine server, found by the vectors, shown from the ledger."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from pydantic import Field

from aegis_assets.errors import BadInput, NotFound
from aegis_assets.model.embedding import VectorHit
from aegis_assets.model.ledger import SearchRow
from aegis_assets.model.parsing import Frozen
from aegis_assets.stores.ledger.base import clean
from webadmin.documents import platform
from webadmin.documents.aside import aside
from webadmin.documents.models import Collection

LONGEST: Final = 8000  # characters; embedders read a few hundred words and leave the rest out without a word


class Hit(Frozen):
    """score: fused over both searches; dense, sparse: their own, None where one did not find the chunk."""

    chunk: UUID
    document: UUID
    name: str
    collection: str
    pages: tuple[int, ...]
    headings: tuple[str, ...]
    score: float
    dense: float | None
    sparse: float | None
    text: str
    entities: tuple[dict[str, str], ...] = Field(default=())


def search(text: str, collection: str | None, limit: int) -> list[Hit]:
    """Best first. collection None: all of them. Raises BadInput, NotFound, EngineUnavailable, StoreUnavailable."""
    text = clean(text).strip()
    if not text:
        raise BadInput("The search text is empty.")
    if len(text) > LONGEST:
        raise BadInput(f"The search text has {len(text):,} characters; ask in at most {LONGEST:,}.")
    scopes = dict(Collection.objects.order_by("name").values_list("id", "name"))
    if collection is not None:
        scopes = {identity: name for identity, name in scopes.items() if name == collection}
        if not scopes:
            raise NotFound(f"There is no collection named {collection!r}.")
    if not scopes:
        return []
    query = platform.engine().embed([text], "query")[0]
    hits = aside.call(platform.search_vectors, list(scopes), query, limit)
    found = [(hit, name) for name, those in zip(scopes.values(), hits, strict=True) for hit in those]
    found.sort(key=lambda pair: (-pair[0].score, str(pair[0].id)))
    rows = {row.chunk: row for row in platform.ledger().search_rows([hit.id for hit, _ in found])}
    return [_hit(hit, rows[hit.id], name) for hit, name in found if hit.id in rows][:limit]


def _hit(hit: VectorHit, row: SearchRow, collection: str) -> Hit:
    return Hit(
        chunk=row.chunk,
        document=row.document,
        name=row.document_name,
        collection=collection,
        pages=row.pages,
        headings=row.headings,
        score=hit.score,
        dense=hit.dense,
        sparse=hit.sparse,
        text=row.text,
        entities=tuple({"id": str(entity.id), "name": entity.name, "type": entity.type} for entity in row.entities),
    )
