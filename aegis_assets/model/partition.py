"""A document's partition in Dagster: a key that a person recognises, `collection/name#1a2b3c4d`, by which it is found.

It never changes: the name is the one by which the document is known in its collection, the digits are the first of its id. Releases
before this one had the whole id as the key, which `partition_start` takes too.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote
from uuid import UUID

MOST: Final = 200  # characters of a key
DIGITS: Final = 8  # hex digits of the id
CUT: Final = "~"  # stands for what a long name has in the middle
_NOT_TAKEN: Final = frozenset(",\"'*[](){}<>")  # Dagster takes some of them and its page fails later
_END: Final = re.compile(rf"#([0-9a-f]{{{DIGITS}}})")


def partition_key(collection: str, name: str, document: UUID) -> str:
    """Return the key of a document, given the name of its collection and its own there (a file's name, an object's key)."""
    end = f"#{document.hex[:DIGITS]}"
    signs = _signs(f"{collection}/{name}")
    return _shortened(signs, MOST - len(end)) + end


def partition_start(key: str) -> UUID | str | None:
    """Return the document's id where the key is one, else the digits with which the id begins, None where it has none."""
    try:
        return UUID(key)
    except ValueError:
        found = _END.fullmatch(key[-DIGITS - 1 :])
        return found.group(1) if found else None


def _signs(text: str) -> list[str]:
    """Return the text's characters, those percent-encoded that a key must not have."""
    signs: list[str] = []
    for number, part in enumerate(text.split("...")):
        signs += ["%2E"] * 3 if number else []
        signs += map(_encoded, part)
    return signs


def _encoded(sign: str) -> str:
    is_taken = sign not in _NOT_TAKEN and not unicodedata.category(sign).startswith("C") and sign not in "\u2028\u2029"
    return sign if is_taken else quote(sign, safe="", errors="replace")


def _shortened(signs: list[str], most: int) -> str:
    """Return as many of the first and of the last signs as fit, whole ones."""
    if sum(map(len, signs)) <= most:
        return "".join(signs)
    first, last = list[str](), list[str]()
    room = most - len(CUT)
    for sign, other in zip(signs, reversed(signs), strict=True):
        for part, one in ((first, sign), (last, other)):
            if len(one) > room:
                return f"{''.join(first)}{CUT}{''.join(reversed(last))}"
            part.append(one)
            room -= len(one)
    raise AssertionError("what does not fit whole is cut before its end")
