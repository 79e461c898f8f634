"""Keys of which two names must share one to be compared.

A key that more than MAX_BLOCK names share is crowded and compares nothing, so a new name costs a bounded number of comparisons
however many names there are. Keys depend on the name alone: its type is voted, and may change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from aegis_assets.model.ids import normalised
from aegis_assets.pipeline.entity_types import PERSON, READINGS
from aegis_assets.pipeline.names import form

MAX_BLOCKS: Final = 16  # keys of one name
MAX_KEY: Final = 120
MAX_BLOCK: Final = 200  # names of one key; a key that more names share tells nothing and is crowded
SPELLING: Final = "="  # begins the key of the whole name but for spelling, whose names are one: it is used however many share it
_ORDER: Final = (SPELLING, "a", "p", "s", "t")


def blocks(name: str) -> tuple[str, ...]:
    """Return the keys, at most MAX_BLOCKS of at most MAX_KEY characters, of the name in each reading that a type may give it.

    Order: the whole name but for spelling, acronym and initials, both ends of a lone word, then tokens, longest first (the longer,
    the rarer). Synonyms without a common word share no key and are never compared. Every key carries the name's signs, which must
    agree for any decision: "table 1" to "table 999" do not crowd the key of "table of contents".
    """
    plain = normalised(name)
    keys = dict.fromkeys(key for reading in READINGS for key in _keys(plain, reading))
    ordered = sorted(keys, key=lambda key: _ORDER.index(key[0]))  # stable: within a kind as they came
    return tuple(_bounded(key) for key in ordered)[:MAX_BLOCKS]


def _keys(plain: str, reading: str) -> Iterator[str]:
    shape = form(plain, reading)
    signs = "|".join(("", *shape.signs))
    yield f"{SPELLING}:{shape.key}{signs}"
    for initials in sorted(shape.initials):
        yield f"a:{initials}{signs}"
    if " " not in plain and 3 <= len(plain) <= 8 and plain.isalpha():
        yield f"a:{plain}{signs}"
    if len(shape.tokens) == 1 and len(shape.key) >= 8 and reading != PERSON:
        yield f"p:{shape.key[:4]}{signs}"
        yield f"s:{shape.key[-4:]}{signs}"
    if len(shape.tokens) > 1:
        for token in sorted(set(shape.tokens), key=lambda token: (-len(token), token)):
            if len(token) >= 3:
                yield f"t:{token}{signs}"


def _bounded(key: str) -> str:
    """Return the key, or where it is too long its hash after the first character, which tells the kind."""
    return key if len(key) <= MAX_KEY else key[0] + hashlib.sha256(key.encode()).hexdigest()
