"""Text -> sparse lexical weights in the manner of BM25, for embedders whose model has no sparse head.

A word counts by its stem, in the language that the text is recognised to be written in, and by its pieces of four letters, which
need no language: they find inflected forms and the parts of compounds. There are no stop words: the inverse document frequency
makes little of them in every language.

A term's index is a hash, so there is no vocabulary to keep or to agree on between machines. The weight of a passage's term holds
BM25's saturation and length normalisation; the inverse document frequency belongs to the collection and is applied by the vector
store at query time (Qdrant's modifier IDF), so that adding documents never makes stored vectors wrong.

Design note: a query also carries the terms of the version before (`lexical_old`), under their own hashes. So it finds passages that
were weighed by that one, until `manage.py rebuild vectors` has weighed them anew, and a collection may hold both.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from aegis_assets.engines import lexical_old
from aegis_assets.engines.text_language import language_of, rank_languages
from aegis_assets.engines.unspaced import UNSPACED, pairs
from aegis_assets.model.embedding import Embedding
from aegis_assets.model.ids import fingerprint

VERSION: Final = 2  # raise it when any result changes
FINGERPRINT: Final = fingerprint(lexical=VERSION)
K1: Final = 1.2  # Robertson and Zaragoza, The Probabilistic Relevance Framework (2009), give 1.2 to 2.0
B: Final = 0.75  # the same source
STEM: Final = 3.0  # weight of a stem, where a piece has 1
PIECE: Final = 4  # characters
# Terms of a typical chunk. Constants, because the mean over a collection moves with every document.
USUAL_STEMS: Final = 180
USUAL_PIECES: Final = 780
OLD: Final = 8.0  # weight of a query's terms of the version before: the best scores of a question are that much lower
PERHAPS: Final = 0.1  # the chance of a language that a question may be in

_WORD: Final = re.compile(r"[^\W_]+")
_STEMMERS: Final = {
    "ar": "arabic", "da": "danish", "de": "german", "en": "english", "es": "spanish", "fi": "finnish", "fr": "french",
    "hu": "hungarian", "it": "italian", "nb": "norwegian", "nl": "dutch", "nn": "norwegian", "no": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish",
}  # fmt: skip
_DEFAULT: Final = "en"  # tables, code and lists of names, whose language nothing tells
_TERM, _PART = b"term", b"piece"  # what a hash stands for


@dataclass(frozen=True)
class Lexical:
    """indices: ascending and unique. values: their weights, all above 0. language: the text's code, '' if nothing tells it."""

    indices: tuple[int, ...]
    values: tuple[float, ...]
    language: str


def weigh(text: str, kind: Literal["passage", "query"]) -> Lexical:
    """Return the sparse side of a text."""
    language = language_of(text)
    weights = _passage(text, language) if kind == "passage" else _query(text)
    indices = tuple(sorted(weights))
    return Lexical(indices, tuple(weights[i] for i in indices), language)


def renew(text: str, embedding: Embedding) -> Embedding:
    """Return the passage's embedding with the lexical side of now."""
    return embed(text, "passage", embedding.dense)


def embed(text: str, kind: Literal["passage", "query"], dense: tuple[float, ...]) -> Embedding:
    """Return the embedding of a text of which a model has made the dense side."""
    side = weigh(text, kind)
    return Embedding(dense=dense, indices=side.indices, values=side.values, sparse_fingerprint=FINGERPRINT, language=side.language)


def _passage(text: str, language: str) -> dict[int, float]:
    terms, pieces = Counter[int](), Counter[int]()
    for word in words(text):
        terms[index(stem(word, language), _TERM)] += 1
        pieces.update(pieces_of(word))
    return _saturated(terms, USUAL_STEMS, STEM) | _saturated(pieces, USUAL_PIECES, 1.0)


def _query(text: str) -> dict[int, float]:
    """Weigh each term once: a word that is asked for twice is not twice as wanted.

    The language of a question is a guess, so each word's stems in all likely ones are terms.
    """
    weights = dict.fromkeys(lexical_old.indices(text), OLD)
    languages = {code for code, chance in rank_languages(text)[:5] if chance >= PERHAPS} or {_DEFAULT}
    for word in words(text):
        weights |= dict.fromkeys((index(stem(word, language), _TERM) for language in languages), 1.0)
        weights |= dict.fromkeys(pieces_of(word), 1.0)
    return weights


def words(text: str) -> Iterator[str]:
    """Yield the words in the order of the text, case-folded."""
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        position = 0
        for run in UNSPACED.finditer(word):
            if run.start() > position:
                yield word[position : run.start()]
            yield from pairs(run.group())
            position = run.end()
        if position < len(word):
            yield word[position:]


@lru_cache(maxsize=65536)  # a stem costs 17 µs, and words recur
def stem(word: str, language: str) -> str:
    """Return the stem, in English where the language is not recognised or has no stemmer and the word is in Latin letters."""
    if not word.isalpha() or UNSPACED.match(word):
        return word
    if language not in _STEMMERS:
        if not word.isascii():
            return word
        language = _DEFAULT
    return str(_stemmer(_STEMMERS[language]).stem(word))


@lru_cache(maxsize=65536)
def pieces_of(word: str) -> tuple[int, ...]:
    """Return the indices of the padded word's pieces; a pair of characters of a script without spaces has none."""
    if UNSPACED.match(word):
        return ()
    padded = f"_{word}_"
    return tuple(index(padded[start : start + PIECE], _PART) for start in range(max(1, len(padded) - PIECE + 1)))


@lru_cache(maxsize=65536)
def index(term: str, kind: bytes) -> int:
    """Return 31 bits of a hash that is the same in every process (Python's own is not)."""
    hashed = hashlib.blake2b(term.encode("utf-8", "replace"), digest_size=4, person=kind).digest()
    return int.from_bytes(hashed, "big") & 0x7FFF_FFFF


def _saturated(counts: Counter[int], usual: int, weight: float) -> dict[int, float]:
    norm = K1 * (1 - B + B * counts.total() / usual)
    return {term: round(weight * count * (K1 + 1) / (count + norm), 6) for term, count in counts.items()}


@lru_cache(maxsize=len(_STEMMERS))
def _stemmer(language: str) -> Any:
    from nltk.stem.snowball import SnowballStemmer

    return SnowballStemmer(language)
