"""A text as numbered lines: what a language model reads, and the number by which it says where a statement stands.

A line is a sentence, a heading, an entry of a list or a row of a table. Text that was broken into lines of a fixed width is joined
first, since half a sentence is no evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from aegis_assets.pipeline.sentences import Span, sentences

_WRAPPED: Final = 50  # characters: a shorter line that ends no sentence is a heading or an entry, not the first half of a sentence
_NEWLINE: Final = re.compile(r"[ \t]*\r?\n\s*")
_ENTRY: Final = re.compile(r"(?:[-*•◦▪–+] |\d{1,3}[.)] |\(?[a-zA-Z][.)] |\||#)")
_NUMBER: Final = re.compile(r"(?:[^\w|]|\d){1,8}")
_ENDED: Final = re.compile(r"[.!?:;…。！？][\"'”’»)\]]*$")


def lines(text: str) -> list[Span]:
    """Return the spans of the text's lines, in order. They cover the text but for white space. The number of a clause belongs to
    the line after it."""
    spans: list[Span] = []
    first: int | None = None
    for start, end in (line for sentence in sentences(text) for line in _split(text, *sentence)):
        first = start if first is None else first
        if not _NUMBER.fullmatch(text[first:end]):
            spans.append((first, end))
            first = None
    return spans if first is None else [*spans, (first, len(text.rstrip()))]


def _split(text: str, start: int, end: int) -> Iterator[Span]:
    first = start
    for newline in _NEWLINE.finditer(text, start, end):
        if newline.end() < end and not _goes_on(text[first : newline.start()], text[newline.end() : end]):
            yield first, newline.start()
            first = newline.end()
    yield first, end


def _goes_on(before: str, after: str) -> bool:
    """Return whether a line end is inside a sentence."""
    line = before.rsplit("\n", 1)[-1]
    following = after.split("\n", 1)[0]
    if "|" in line or "|" in following or "\t" in line or _ENTRY.match(following):
        return False
    return following[:1].islower() or (len(line) >= _WRAPPED and not _ENDED.search(line))


def numbered(text: str, spans: Sequence[Span]) -> str:
    """Return the lines, each behind its number and without breaks in it."""
    return "\n".join(f"[{number}] {' '.join(text[start:end].split())}" for number, (start, end) in enumerate(spans, 1))
