"""A question in the address -> what answers it: a page that can be sent to somebody else. It reads and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from aegis_assets.errors import AegisError
from aegis_assets.model.parsing import Frozen
from webadmin.console import links
from webadmin.console.graph.evidence import Piece, marked
from webadmin.console.graph.queries import collections
from webadmin.console.page import page, render
from webadmin.console.search.marks import excerpt, places
from webadmin.documents.search import Hit, search

HITS: Final = 10
MOST_HITS: Final = 50
ENTITIES_PER_HIT: Final = 8
ENTITIES_DRAWN: Final = 30


class Bar(Frozen):
    """value: of 1, for the eye; number: as it is, None where this search did not find it."""

    name: str
    value: float
    number: float | None


class Shown(Frozen):
    """A hit as the page shows it. before, after: text was left out there. image: '' where there is no picture of its page."""

    hit: Hit
    bars: tuple[Bar, ...]
    pieces: tuple[Piece, ...]
    whole: tuple[Piece, ...]
    before: bool
    after: bool
    address: str
    image: str
    entities: tuple[dict[str, str], ...]
    more_entities: int


@page("documents.view_document")
def page_of_hits(request: HttpRequest) -> HttpResponse:
    question = request.GET.get("q", "").strip()
    chosen = request.GET.get("collection", "")
    limit = _limit(request.GET.get("limit", ""))
    context: dict[str, object] = {"question": question, "chosen": chosen, "collections": collections(), "limit": limit}
    context["graph"] = graph = request.GET.get("graph") != "false"
    if question:
        try:
            result = search(question, chosen or None, limit, graph=graph)
        except AegisError as error:
            context["problem"] = error.message
        else:
            shown = _shown(question, result.hits)
            more = MOST_HITS if len(result.hits) == limit < MOST_HITS else 0
            context |= {"hits": shown, "drawn": _drawn(shown), "more": more, "note": result.note}
    return render(request, "console/search/search.html", context, title=_("Search"))


def _limit(asked: str) -> int:
    return min(MOST_HITS, max(1, int(asked))) if asked.isdecimal() and len(asked) < 4 else HITS


def _shown(question: str, hits: Sequence[Hit]) -> list[Shown]:
    """Bars beside the best of the page: only the dense search, a cosine, and the reranker have a scale of their own."""
    fused = max((hit.score for hit in hits), default=0.0)
    sparse = max((hit.sparse or 0.0 for hit in hits), default=0.0)
    contents = links.pictured(hit.document for hit in hits)
    return [_one(question, hit, fused, sparse, contents.get(hit.document, "")) for hit in hits]


def _one(question: str, hit: Hit, fused: float, sparse: float, content: str) -> Shown:
    marks = places(question, hit.text)
    start, end = excerpt(hit.text, marks)
    bars = (
        Bar(name="fused", value=_part(hit.score, fused), number=hit.score),
        Bar(name="dense", value=_part(hit.dense, 1.0), number=hit.dense),
        Bar(name="sparse", value=_part(hit.sparse, sparse), number=hit.sparse),
    )
    reranked = () if hit.rerank is None else (Bar(name="reranked", value=_part(hit.rerank, 1.0), number=hit.rerank),)
    return Shown(
        hit=hit,
        bars=reranked + bars,
        pieces=marked(hit.text, start, end, marks),
        whole=marked(hit.text, 0, len(hit.text), marks),
        before=start > 0,
        after=end < len(hit.text),
        address=links.chunk(hit.document, hit.chunk),
        image=links.page_picture(hit.document, content, hit.pages[0]) if hit.pages and content else "",
        entities=hit.entities[:ENTITIES_PER_HIT],
        more_entities=max(0, len(hit.entities) - ENTITIES_PER_HIT),
    )


def _part(value: float | None, of: float) -> float:
    return max(0.0, min(1.0, (value or 0.0) / of)) if of > 0 else 0.0


def _drawn(hits: Sequence[Shown]) -> list[UUID]:
    """Entities for the picture: each hit's first ones in turn, so that the last hit is in it too."""
    found: dict[UUID, None] = {}
    for place in range(ENTITIES_PER_HIT):
        found |= dict.fromkeys(UUID(hit.entities[place]["id"]) for hit in hits if place < len(hit.entities))
    return list(found)[:ENTITIES_DRAWN]
