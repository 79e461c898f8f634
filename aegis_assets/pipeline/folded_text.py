"""A text and a name -> the places where the name stands in the text, whatever its case, white space, hyphens and line breaks.

A plural or possessive ending in the text is forgiven, nothing else is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from aegis_assets.pipeline.sentences import Span

MAX_PLACES: Final = 8

_HYPHENS = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2212")
_INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")
_PLAIN = re.compile(r"[!-,.-~]+(?![^\x00-\x7f])")  # ASCII but hyphens, less a last one that a combining mark may follow
_BROKEN = "\x00"  # in a folded text: a hyphen at a line end, which either belongs to the word or only broke it
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f]"
)


class FoldedText:
    """A text made comparable, each place mapped back: NFC, case-folded, white space single, one hyphen, nothing invisible.

    `index[i]` is where folded character i begins in the text; `index[len]` is the text's length.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        folded: list[str] = []
        self.index: list[int] = []
        for form, starts in _folded(text):
            folded.append(form)
            self.index.extend(starts)
        self.index.append(len(text))
        self.form = "".join(folded)

    def places(self, name: str) -> list[Span]:
        """Spans in the text, in order, as many as there are up to MAX_PLACES times four."""
        pattern = _pattern(name, _BROKEN in self.form)
        if pattern is None:
            return []
        found = [span for span in self._matches(pattern) if span]
        if not found and len(name) >= 4 and name[-1].isalpha():
            plural = re.compile(pattern.pattern + "(?:'s|’s|es|s)")
            found = [span for span in self._matches(plural) if span]
        return found

    def _matches(self, pattern: re.Pattern[str]) -> Iterator[Span]:
        count = 0
        for found in pattern.finditer(self.form):
            first, last = found.span()
            if self._inside_word(first) or self._inside_word(last):
                continue
            yield self._span(first, last)
            count += 1
            if count >= MAX_PLACES * 4:
                return

    def _inside_word(self, position: int) -> bool:
        """Between two letters or digits of a script that puts blanks between words."""
        if position <= 0 or position >= len(self.form):
            return False
        left, right = self.form[position - 1], self.form[position]
        return left.isalnum() and right.isalnum() and not _UNSPACED.match(left) and not _UNSPACED.match(right)

    def _span(self, first: int, last: int) -> Span:
        start, end = self.index[first], self.index[last]
        while end > start and (self.text[end - 1].isspace() or self.text[end - 1] in _INVISIBLE):
            end -= 1
        return start, end


def _folded(text: str) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield the folded form of each run of plain characters, or of each cluster between them, and where each of its characters
    begins in the text. A cluster is a character with its combining marks."""
    position, length, blank = 0, len(text), False
    while position < length:
        start = position
        if plain := _PLAIN.match(text, start):
            position, blank = plain.end(), False
            yield plain.group().lower(), range(start, position)
            continue
        position += 1
        while position < length and unicodedata.combining(text[position]):
            position += 1
        cluster = text[start:position]
        if cluster.isspace() or cluster < " ":
            if not blank:
                yield " ", (start,)
            blank = True
            continue
        if cluster in _INVISIBLE:
            continue
        blank = False
        if cluster in _HYPHENS:
            broken = re.compile(r"[ \t]*\r?\n[ \t]*").match(text, position)
            if broken and start and text[start - 1].isalnum() and broken.end() < length and text[broken.end()].isalnum():
                yield _BROKEN, (start,)
                position = broken.end()
            else:
                yield "-", (start,)
            continue
        form = unicodedata.normalize("NFC", cluster).casefold()
        yield form, [start] * len(form)


@lru_cache(maxsize=2048)  # the names of a document return in chunk after chunk
def _pattern(name: str, broken: bool) -> re.Pattern[str] | None:
    """Blank and hyphen stand for each other; where the text has broken words, a break may stand between any two letters."""
    form = "".join(part for part, _ in _folded(name)).replace(_BROKEN, "-").strip()
    if not any(character.isalnum() for character in form):
        return None
    between = f"{_BROKEN}?" if broken else ""
    parts = [
        f"[ {_BROKEN}-]{{1,3}}" if separators else between.join(re.escape(character) for character in letters)
        for separators, letters in re.findall(r"([ -]+)|([^ -]+)", form)
    ]
    return re.compile("".join(parts))
