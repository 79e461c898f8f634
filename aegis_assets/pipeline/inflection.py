"""A word of a name -> its stem and the endings with which another text may write it: plurals, possessives, and the cases of German.

Design note: a list of endings instead of a stemmer, because a stemmer joins what names keep apart: general and generation, Berlin
and Berliner.
"""

from __future__ import annotations

import re
from typing import Final

SHORTEST: Final = 4  # letters of a word that may have another ending
SHORTEST_PLURAL: Final = 3  # letters before an "s" that may be one: keys, maps, GPUs
_POSSESSIVE: Final = "'s|'"
_END: Final = r"(?![^\W_])"  # an ending that goes on is another one
_ADJECTIVE: Final = re.compile(r"(\w{4,}?)e[mnrs]?")  # der Deutschen Bank
# What a last word ends with, and what may stand there instead. The first that fits counts.
_NOUN: Final = (
    ("ies", "(?:ies|y|y's|ies'|ie)"),
    ("y", "(?:y|y's|ies|ies')"),
    ("ices", "(?:ices?|ices'|ex|ix)"),
    ("ex", "(?:ex|ex's|exes|ices)"),
    ("ix", "(?:ix|ix's|ixes|ices)"),
    ("ss", f"ss(?:es|{_POSSESSIVE})?"),
    ("es", f"(?:es?|s|e's|es'|{_POSSESSIVE})?"),
    ("s", f"(?:s|s'|{_POSSESSIVE})?"),
)


def inflected(word: str, last: bool) -> tuple[str, str]:
    """Return the stem and a pattern of its endings, the word's own among them. word: lower case, without accents. last: of its
    name, where nouns stand."""
    word = word.removesuffix("'s").removesuffix("'")
    if len(word) >= SHORTEST and word.isalpha() and word.isascii():
        if not last and (adjective := _ADJECTIVE.fullmatch(word)):
            return adjective.group(1), f"e[mnrs]?{_END}"
        for ending, endings in _NOUN if last else ():
            if word.endswith(ending):
                return word.removesuffix(ending), endings + _END
        if last:
            return word, f"(?:es|s|{_POSSESSIVE}|s')?{_END}"
    if last and len(word) >= SHORTEST_PLURAL and word.isalnum() and word.isascii():
        return word, f"(?:s|{_POSSESSIVE}|s')?{_END}"
    return word, f"(?:{_POSSESSIVE})?"
