"""Lines of a paragraph -> its text: what a line break parts is put together as its writer wrote it.

A hyphen at a line's end is either the break's or the word's own, and no line says which. The page's other words decide, and where
they are silent a few plain rules: digits, capitals, single letters and words that always take a hyphen keep theirs. Chinese and
Japanese lines are joined without a space.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_LAST: Final = re.compile(r"(?:[^\W_]+-)*[^\W_]+-$")
_FIRST: Final = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_COMPOUND: Final = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)+")
_WORD: Final = re.compile(r"[^\W\d_]+")
_SUSPENDED: Final = frozenset("and or to und oder bzw bis et ou y e o en of".split())  # noqa: SIM905
_HYPHENATED: Final = frozenset("self ex quasi well half".split())  # noqa: SIM905
# Han, kana, their punctuation and full-width forms. Korean is written with spaces.
_UNSPACED: Final = re.compile(
    r"[\u3001-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff9f\U00020000-\U0003ffff]"
)


class Words:
    """What the lines of a page say of their hyphens."""

    def __init__(self, lines: Sequence[str]) -> None:
        compounds, plain = set[str](), set[str]()
        for line in lines:
            if "-" in line:
                compounds.update(found.casefold() for found in _COMPOUND.findall(line))
        if any(line.rstrip().endswith("-") for line in lines):
            plain.update(found.casefold() for line in lines for found in _WORD.findall(line))
        self._compounds, self._plain = compounds, plain

    def joint(self, before: str, after: str) -> str:
        """What stands between a line that ends with a hyphen and the next: '', '-' or '- '. before: with its hyphen."""
        last, first = _LAST.search(before), _FIRST.match(after)
        if last is None or first is None:
            return "-" if last is not None or before[-2:-1].isalnum() else "- "
        left, right = last[0][:-1], first[0]
        if right.casefold() in _SUSPENDED:
            return "- "
        if f"{left}-{right}".casefold() in self._compounds:
            return "-"
        if f"{left}{right}".casefold() in self._plain:
            return ""
        own = len(left) == 1 or "-" in left or left.casefold() in _HYPHENATED
        return "-" if own or not left[-1].isalpha() or not right[0].islower() else ""


def joined(lines: Sequence[str], words: Words) -> str:
    """One text of the lines of a paragraph."""
    stripped = [line.strip() for line in lines if line.strip()]
    if not stripped:
        return ""
    parts: list[str] = []
    for line, after in pairwise(stripped):
        if line.endswith("-") and len(line) > 1:
            parts += (line[:-1], words.joint(line, after))
        else:
            parts += (line, "" if _UNSPACED.match(line[-1]) and _UNSPACED.match(after[0]) else " ")
    return "".join((*parts, stripped[-1]))
