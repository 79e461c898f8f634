"""A question and a text -> the text with the question's words marked, and where most of them stand together. Pure.

Words are compared by their beginning, so that "computers" finds "computing": a stemmer for every language would have to be loaded
for no more than a yellow mark. Marks do not say why a text was found; a dense hit may share no word with the question.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

WORD: Final = re.compile(r"\w+")
SHORT: Final = 4  # letters; a shorter word must be the same
ENDING: Final = 3  # letters that may differ at the end of a longer one
EXCERPT: Final = 420
# English and German words that every text has.
EMPTY: Final = frozenset(
    WORD.findall(
        "a an and are as at be but by did do does for from had has have how in is it its of on or that the their them they this to"
        " was were what when where which who whom whose why will with would aber als am an auf aus bei das dem den der des die ein"
        " eine einem einen einer es für hat ich im in ist mit nach nicht oder sich sie sind so und von vor war was wer wie wird wo"
        " worden wurde zu zum zur"
    )
)
Span = tuple[int, int]


def beginnings(question: str) -> list[tuple[str, bool]]:
    """Of each word that says something: its beginning, and whether that must be the whole word."""
    words = dict.fromkeys(word.casefold() for word in WORD.findall(question))
    said = [word for word in words if word not in EMPTY and (len(word) > 1 or word.isdigit())]
    return [(word, True) if len(word) <= SHORT else (word[: max(SHORT, len(word) - ENDING)], False) for word in said]


def places(question: str, text: str) -> list[Span]:
    wanted = beginnings(question)
    whole = {word for word, exact in wanted if exact}
    starts = tuple(word for word, exact in wanted if not exact)
    found = []
    for match in WORD.finditer(text):
        word = match.group().casefold()
        if word in whole or (starts and word.startswith(starts)):
            found.append(match.span())
    return found


def excerpt(text: str, marks: Sequence[Span], length: int = EXCERPT) -> Span:
    """The part of that length with most marks; it begins at a word. The whole of a text that is hardly longer."""
    if len(text) <= length * 1.25:
        return (0, len(text))
    starts = [start for start, _ in marks]
    best, most = 0, 0
    for number, start in enumerate(starts):
        inside = bisect_right(starts, start + length - 60) - number
        if inside > most:
            best, most = max(0, start - 60), inside
    if best:
        gap = text.find(" ", best)
        best = gap + 1 if 0 <= gap < best + 40 else best
    end = min(len(text), best + length)
    gap = text.rfind(" ", best, end)
    return (best, gap if end < len(text) and gap > best + length // 2 else end)
