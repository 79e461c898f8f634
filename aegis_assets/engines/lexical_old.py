"""The terms of our lexical weights of version 1, for questions to passages that were weighed by it: see `lexical`.

Nothing here may change: kept vectors hold these indices.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from aegis_assets.engines.unspaced import UNSPACED, pairs

_WORD: Final = re.compile(r"\w+")
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


def indices(text: str) -> set[int]:
    """Return the indices of the text's terms."""
    return set(map(_index, _terms(text)))


def _terms(text: str) -> Iterator[str]:
    """Yield the terms, case-folded and stemmed, without English stop words."""
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if word in _STOP_WORDS:
            continue
        position = 0
        for run in UNSPACED.finditer(word):
            yield from _spaced(word[position : run.start()])
            yield from pairs(run.group())
            position = run.end()
        yield from _spaced(word[position:])


def _index(term: str) -> int:
    """Return 31 bits of a hash that is the same in every process (Python's own is not)."""
    return int.from_bytes(hashlib.blake2b(term.encode("utf-8", "replace"), digest_size=4).digest(), "big") & 0x7FFF_FFFF


def _spaced(word: str) -> Iterator[str]:
    for part in word.split("_"):
        if part and part not in _STOP_WORDS:
            yield _stem(part) if part.isascii() and part.isalpha() else part


@lru_cache(maxsize=65536)  # a stem costs 17 µs, and words recur
def _stem(word: str) -> str:
    return str(_stemmer().stem(word))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    from nltk.stem.snowball import EnglishStemmer

    return EnglishStemmer()
