"""A question -> chunks with where they stand: embedded by the engine server, found by the vectors, shown from the ledger.

With the graph, chunks count too that the vectors do not find but a walk over entities comes by (`aegis_assets.pipeline.search`).

Where the engine server has a reranker, it orders the first hits. A search can do without: when the reranker fails or is slow, the
hits come as they were fused, and the result says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from pydantic import Field

from aegis_assets.errors import AegisError, BadInput, NotFound
from aegis_assets.model.embedding import VectorHit
from aegis_assets.model.ledger import SearchRow
from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.fusion import cosine_weight, fused, is_known, seed_strengths
from aegis_assets.pipeline.search import ranking
from aegis_assets.pipeline.search.walk import Walked
from aegis_assets.settings import settings
from aegis_assets.stores.ledger.base import clean
from webadmin.documents import platform
from webadmin.documents.aside import aside
from webadmin.documents.models import Collection

SPARE: Final = 20  # hits more than wanted, for those that may not answer any more
LONGEST: Final = 8000  # characters; embedders read a few hundred words and leave the rest out without a word


class Hit(Frozen):
    """A chunk that answers.

    score: fused over both searches, 0 where only the graph found it; dense, sparse: their own, None where one did not find it.

    path: names of the entities by which the graph leads from the question to the chunk, () where it is not by the graph.

    rerank: the reranker's, from 0 to 1, by which such hits are ordered; None where it has not read the chunk.
    """

    chunk: UUID
    document: UUID
    name: str
    collection: str
    pages: tuple[int, ...]
    headings: tuple[str, ...]
    score: float
    dense: float | None
    sparse: float | None
    rerank: float | None = None
    path: tuple[str, ...] = ()
    text: str
    entities: tuple[dict[str, str], ...] = Field(default=())


class SearchResult(Frozen):
    """The answer to a search. hits: best first. note: why they are in another order than they should be, '' when all went well."""

    hits: tuple[Hit, ...] = ()
    note: str = ""


def search(text: str, collection: str | None, limit: int, *, graph: bool = True) -> SearchResult:
    """Return the best hits. collection None: of all. graph: let the walk over entities order them.

    Raises BadInput, NotFound, EngineUnavailable, StoreUnavailable.
    """
    text = clean(text).strip()
    if not text:
        raise BadInput("The search text is empty.")
    if len(text) > LONGEST:
        raise BadInput(f"The search text has {len(text):,} characters; ask in at most {LONGEST:,}.")
    scopes = _scopes(collection)
    if not scopes:
        return SearchResult()
    query = platform.engine().embed([text], "query")[0]
    reranked = settings().rerank_hits if platform.engine().server_info().reranker else 0
    wanted = max(limit, reranked)
    given = aside.call(platform.search_vectors, list(scopes), query, wanted)
    known = platform.engine().server_info().embedder.languages
    found = _fused([hit for hits in given for hit in hits], known, query.language)
    order, walked = [hit.id for hit in found], Walked()
    if graph:
        order, walked = _by_graph(text, list(scopes), found, cosines=is_known(known, query.language))
    by_id = {hit.id: hit for hit in found}
    hits = [
        _hit(by_id.get(row.chunk), row, scopes[row.collection], walked.path(row.chunk))
        for row in platform.ledger().search_rows(order[: wanted + SPARE])
    ]
    return _rerank(text, hits, reranked, limit) if reranked else SearchResult(hits=tuple(hits[:limit]))


def _fused(hits: list[VectorHit], known: Sequence[str], language: str) -> list[VectorHit]:
    """Return the candidates of all collections in one order. known: languages of the embedder. language: the question's."""
    languages = platform.ledger().languages([hit.id for hit in hits]) if known else {}
    return fused(hits, lambda hit: cosine_weight(known, language, languages.get(hit.id, "")))


def _by_graph(text: str, scopes: list[UUID], found: list[VectorHit], *, cosines: bool) -> tuple[list[UUID], Walked]:
    """Return the chunks in the order of hybrid search and walk, and the walk. cosines: as for `seed_strengths`."""
    ledger = platform.ledger()
    walked = ledger.walk(scopes, text, seed_strengths(found, cosines=cosines))
    sample = [hit.id for hit in found[: ranking.SAMPLE]]
    texts = ledger.chunk_texts(sample)
    first = [texts[chunk] for chunk in sample[: ranking.LOOKED_AT] if chunk in texts]
    return ranking.ranked(found, walked.mass, ranking.covers(text, first, list(texts.values()))), walked


def _scopes(collection: str | None) -> dict[UUID, str]:
    """Return the names of the collections to search, by id. Raises NotFound if there is none of that name."""
    scopes = dict(Collection.objects.order_by("name").values_list("id", "name"))
    if collection is None:
        return scopes
    scopes = {identity: name for identity, name in scopes.items() if name == collection}
    if not scopes:
        raise NotFound(f"There is no collection named {collection!r}.")
    return scopes


def _rerank(text: str, hits: list[Hit], count: int, limit: int) -> SearchResult:
    """Order the first `count` hits by the reranker's scores. Equal ones, and the rest, stay as they were fused."""
    first, rest = hits[:count], hits[count:]
    try:
        scores = platform.engine().rerank(text, [hit.text for hit in first], settings().rerank_timeout)
    except AegisError as error:
        return SearchResult(hits=tuple(hits[:limit]), note=f"The hits are not reranked: {error.message}")
    scored = [hit.model_copy(update={"rerank": score}) for hit, score in zip(first, scores, strict=True)]
    scored.sort(key=lambda hit: -(hit.rerank or 0.0))
    return SearchResult(hits=tuple([*scored, *rest][:limit]))


def _hit(hit: VectorHit | None, row: SearchRow, collection: str, path: tuple[str, ...]) -> Hit:
    return Hit(
        chunk=row.chunk,
        document=row.document,
        name=row.document_name,
        collection=collection,
        pages=row.pages,
        headings=row.headings,
        score=hit.score if hit else 0.0,
        dense=hit.dense if hit else None,
        sparse=hit.sparse if hit else None,
        path=path,
        text=row.text,
        entities=tuple({"id": str(entity.id), "name": entity.name, "type": entity.type} for entity in row.entities),
    )
