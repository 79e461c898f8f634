"""Text -> sparse lexical weights in the manner of BM25, for embedders whose model has no sparse head.

A term's index is a hash, so there is no vocabulary to keep or to agree on between machines. The weight of a passage's term holds
BM25's saturation and length normalisation; the inverse document frequency belongs to the collection and is applied by the vector
store at query time (Qdrant's modifier IDF), so that adding documents never makes stored vectors wrong.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

VERSION: Final = 1  # part of the embedder's fingerprint: raise it when any result changes
K1: Final = 1.2  # Robertson and Zaragoza, The Probabilistic Relevance Framework (2009), give 1.2 to 2.0
B: Final = 0.75  # the same source
# Terms of a typical chunk after stop words. A constant, because the mean over a collection moves with every document.
USUAL_LENGTH: Final = 100

_WORD: Final = re.compile(r"\w+")
# Scripts that are written without spaces are cut into pairs of characters, the usual stand-in for a segmenter.
_UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_STOP_WORDS: Final = frozenset(
    _WORD.findall(
        """
        a about above after again all also am an and any are as at be because been before being below between both but by can
        could did do does doing down during each few for from further had has have having he her here hers him his how i if in
        into is it its itself just me more most my no nor not of off on once only or other our ours out over own same she should
        so some such than that the their theirs them then there these they this those through to too under until up very was we
        were what when where which while who whom why will with would you your yours
        """
    )
)


def terms(text: str) -> Iterator[str]:
    """Case-folded and stemmed, without English stop words, in the order of the text."""
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if word in _STOP_WORDS:
            continue
        position = 0
        for run in _UNSPACED.finditer(word):
            yield from _spaced(word[position : run.start()])
            yield from _pairs(run.group())
            position = run.end()
        yield from _spaced(word[position:])


def passage_weights(text: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Indices, ascending and unique, and their weights, all above 0."""
    counts = Counter(map(index, terms(text)))
    norm = K1 * (1 - B + B * counts.total() / USUAL_LENGTH)
    indices = tuple(sorted(counts))
    return indices, tuple(round(counts[i] * (K1 + 1) / (counts[i] + norm), 6) for i in indices)


def query_weights(text: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """1 for each term: a word that is asked for twice is not twice as wanted."""
    indices = tuple(sorted(set(map(index, terms(text)))))
    return indices, (1.0,) * len(indices)


def index(term: str) -> int:
    """31 bits of a hash that is the same in every process (Python's own is not)."""
    return int.from_bytes(hashlib.blake2b(term.encode("utf-8", "replace"), digest_size=4).digest(), "big") & 0x7FFF_FFFF


def _spaced(word: str) -> Iterator[str]:
    for part in word.split("_"):
        if part and part not in _STOP_WORDS:
            yield _stem(part) if part.isascii() and part.isalpha() else part


def _pairs(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    for first, second in pairwise(run):
        yield first + second


@lru_cache(maxsize=65536)  # a stem costs 17 µs, and words recur
def _stem(word: str) -> str:
    return str(_stemmer().stem(word))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    from nltk.stem.snowball import EnglishStemmer

    return EnglishStemmer()
