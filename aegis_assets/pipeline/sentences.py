"""A text -> its sentences as character spans, and pieces of at most a given cost that end at sentence boundaries.

Sentences are found by punctuation alone, without a language model: the same code serves every language and both extractors, and a
boundary that is missed only makes a piece of evidence longer, never wrong.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

Span = tuple[int, int]

_BREAK = re.compile(r"[.!?…]+[\"'”’»)\]]*\s+|[。！？]+[」』”）]*\s*|\n[ \t]*\n\s*")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|al|etc|dr|mr|mrs|ms|prof|st|fig|figs|eq|no|vol|pp|ed|eds|inc|ltd|co|jr|sr|approx|resp|bzw|z\.b|d\.h)"
    r"|\b[^\W\d_])\.\s*$",
    re.IGNORECASE,
)


def sentences(text: str) -> list[Span]:
    """Spans that cover the text without its outer white space, in order. A blank line always ends a sentence."""
    spans: list[Span] = []
    start = 0
    for found in _BREAK.finditer(text):
        end = found.end()
        if not _ends_sentence(text, start, found):
            continue
        spans.append((start, end))
        start = end
    spans.append((start, len(text)))
    return [trimmed for span in spans if (trimmed := _trimmed(text, *span))[0] < trimmed[1]]


def _ends_sentence(text: str, start: int, found: re.Match[str]) -> bool:
    """A full stop after an abbreviation, or before a small letter, ends nothing."""
    mark = found.group()
    if not mark.startswith(".") or mark.startswith("..") or "\n\n" in mark:
        return True
    following = text[found.end() : found.end() + 1]
    return not following.islower() and not _ABBREVIATION.search(text, max(start, found.start() - 12), found.start() + 1)


def _trimmed(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())


def around(spans: list[Span], start: int, end: int) -> Span:
    """The sentence or sentences that hold [start, end)."""
    first = max(0, bisect_right(spans, (start, 1 << 62)) - 1)
    last = max(first, bisect_right(spans, (max(start, end - 1), 1 << 62)) - 1)
    return min(spans[first][0], start), max(spans[last][1], end)


def pieces(text: str, budget: int, cost: Callable[[str], int]) -> list[tuple[int, str]]:
    """(offset, piece) in order, each of at most `budget` cost, cut at sentence ends; at white space where one sentence is too long.

    Only white space is left out between pieces. `cost` must be sub-additive at white space: cost(a + b) <= cost(a) + cost(b).
    """
    first, last = _trimmed(text, 0, len(text))
    if cost(text[first:last]) <= budget:
        return [(first, text[first:last])] if first < last else []
    result: list[tuple[int, str]] = []
    start: int | None = None
    end = spent = 0
    for unit_start, unit_end in _units(text, budget, cost):
        price = cost(text[end:unit_end]) if start is not None else 0
        if start is not None and spent + price <= budget:
            end, spent = unit_end, spent + price
            continue
        if start is not None:
            result.append((start, text[start:end]))
        start, end, spent = unit_start, unit_end, cost(text[unit_start:unit_end])
    if start is not None:
        result.append((start, text[start:end]))
    return result


def _units(text: str, budget: int, cost: Callable[[str], int]) -> Iterator[Span]:
    for start, end in sentences(text):
        yield from _fitting(text, start, end, budget, cost)


def _fitting(text: str, start: int, end: int, budget: int, cost: Callable[[str], int]) -> Iterator[Span]:
    """Halves a sentence at the white space nearest its middle until each part fits."""
    if end - start <= 1 or cost(text[start:end]) <= budget:
        if start < end:
            yield start, end
        return
    middle = middle_of(text, start, end)
    yield from _fitting(text, *_trimmed(text, start, middle), budget, cost)
    yield from _fitting(text, *_trimmed(text, middle, end), budget, cost)


def middle_of(text: str, start: int, end: int) -> int:
    """The best place to halve text[start:end]: white space nearest the middle, else the middle itself."""
    half = (start + end) // 2
    after = next((i for i in range(half, end) if text[i].isspace()), None)
    before = next((i for i in range(half, start, -1) if text[i].isspace()), None)
    if after is None or (before is not None and half - before <= after - half):
        return half if before is None else before
    return after


def halves(text: str) -> list[tuple[int, str]]:
    """(offset, piece) of two halves, cut at the sentence end nearest the middle, else at white space."""
    spans = sentences(text)
    cuts = [start for start, _ in spans[1:]]
    cut = min(cuts, key=lambda position: abs(position - len(text) // 2)) if cuts else middle_of(text, 0, len(text))
    parts = (_trimmed(text, 0, cut), _trimmed(text, cut, len(text)))
    return [(start, text[start:end]) for start, end in parts if start < end]
