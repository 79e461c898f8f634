"""Dense and lexical scores of chunks -> one score each, that stays comparable between collections.

The sum is of scores, not of ranks: a lexical score counts by its share of the question's best one, a cosine by a weight. Measured
on XQuAD (nDCG@10): English .975 at a weight of 1 and .977 at 2. The embedded default knows no German: its cosines say
nothing there, and the less they count the better (.9574 at 0.25, .9584 at 0.1, .9593 from 0.05 on). So they break ties, no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final
from uuid import UUID

from aegis_assets.model.embedding import VectorHit

KNOWN: Final = 2.0  # weight of a cosine where the embedder knows the languages of question and chunk
UNKNOWN: Final = 0.05  # where it does not: between texts whose words say the same


def fused(hits: Iterable[VectorHit], weight: Callable[[VectorHit], float] = lambda hit: KNOWN) -> list[VectorHit]:
    """Return the hits with their scores, best first; equals by id, so that the order in which a store gives them does not decide.

    hits: of one question, from one collection or several. weight: of the hit's cosine.
    """
    given = list(hits)
    best = max((hit.sparse or 0.0 for hit in given), default=0.0) or 1.0
    scored = [
        hit.model_copy(update={"score": max(0.0, hit.sparse or 0.0) / best + weight(hit) * max(0.0, hit.dense or 0.0)})
        for hit in given
    ]
    return sorted(scored, key=lambda hit: (-hit.score, hit.id))


def seed_strengths(hits: Sequence[VectorHit], *, cosines: bool) -> dict[UUID, float]:
    """Return how strongly a walk over the graph begins at each hit. hits: fused, best first.

    cosines: where the embedder knows the question's language; else the cosines say little, and it is the shares of the best score.
    """
    best = (hits[0].score if hits else 0.0) or 1.0
    return {hit.id: hit.dense or 0.0 if cosines else hit.score / best for hit in hits}


def cosine_weight(known: Sequence[str], question: str, chunk: str) -> float:
    """Return how much a cosine counts. known: languages of the embedder, empty for all. question, chunk: theirs, '' if not told."""
    return KNOWN if is_known(known, question) and is_known(known, chunk) else UNKNOWN


def is_known(known: Sequence[str], language: str) -> bool:
    """Return whether an embedder of the known languages knows this one. Parameters as of `cosine_weight`."""
    return not known or not language or language in known
