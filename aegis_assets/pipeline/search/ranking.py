"""Hybrid hits and a walk over the graph -> one order. Measured in docs/search.md.

The first hybrid hits stay in front: a question that one passage answers loses nothing by the graph. Two of them, or five where one
of the first three has most of the question's words.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from aegis_assets.model.embedding import VectorHit

HYBRID_WEIGHT: Final = 1.5
HYBRID_POWER: Final = 3  # so that only hits near the best one count much
UNREACHED: Final = 3e-4  # of the walk's mass, added to each chunk's: a hit that only the words find may have none
KEPT, KEPT_IF_COVERED, COVERED = 2, 5, 0.8
LOOKED_AT: Final = 3  # hits of which one must have the question's words
SAMPLE: Final = 100  # hits whose texts tell how rare a word is
STEM: Final = 6  # characters of a word that count, in any language
_WORD: Final = re.compile(r"\w+")
# Words by which a question asks, and which no answer need have: by their rarity in texts they would count most.
ASKING: Final = frozenset(
    _WORD.findall(
        """
    who whom whose what when where which why how did does do is are was were
    wer wen wem wessen was wann wo welche welcher welches welchen welchem warum wieso weshalb wie
    qui que quoi quand où quel quelle quels quelles comment pourquoi combien
    quién quiénes qué cuándo dónde cuál cuáles cómo cuánto cuánta cuántos cuántas
    chi che cosa quando dove quale quali come perché quanto quanta quanti quante
    quem onde qual quais como porque wie wat wanneer waar welke hoe waarom kto co kiedy gdzie jaki jaka jakie dlaczego
    """
    )
)


def ranked(hits: Sequence[VectorHit], mass: Mapping[UUID, float], covered: bool) -> list[UUID]:
    """Return all chunks that either way has found, best first. hits: fused, best first. mass: of the walk, by chunk."""
    best = max((hit.score for hit in hits), default=0.0) or 1.0
    hybrid = {hit.id: HYBRID_WEIGHT * (hit.score / best) ** HYBRID_POWER for hit in hits}
    first = [hit.id for hit in hits[: KEPT_IF_COVERED if covered else KEPT]]
    scores = {chunk: math.log(mass.get(chunk, 0.0) + UNREACHED) + hybrid.get(chunk, 0.0) for chunk in mass.keys() | hybrid.keys()}
    for chunk in first:
        del scores[chunk]
    return first + sorted(scores, key=lambda chunk: (-scores[chunk], chunk))


def covers(question: str, first: Iterable[str], sample: Sequence[str]) -> bool:
    """Return whether one of the first texts has most of the question's words, weighed by how rare they are among the sample's."""
    asked = {word[:STEM] for word in _words(question) if word not in ASKING}
    count = Counter(word for text in sample for word in _stems(text) & asked)
    weights = {word: math.log(1 + len(sample) / (count[word] or 1)) for word in asked}
    wanted = COVERED * sum(weights.values())
    return any(sum(weights[word] for word in _stems(text) & asked) >= wanted > 0 for text in first)


def _stems(text: str) -> set[str]:
    return {word[:STEM] for word in _words(text)}


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
