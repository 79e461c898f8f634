"""A text and a name -> the places where the name stands in the text, spelled alike or nearly alike.

Names are looked for letter by letter first, whatever their case, white space, hyphens and line breaks. A name that stands nowhere
so is looked for again without its accents, with one form of apostrophes and quotes, without the full stops of initials, by NFKC;
and then with another ending. Such places are `inexact`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

from aegis_assets.pipeline.inflection import inflected
from aegis_assets.pipeline.sentences import Span

MAX_PLACES: Final = 8

_HYPHENS = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2212")
_INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")
_PLAIN = re.compile(r"[!-,.-~]+(?![^\x00-\x7f])")  # ASCII but hyphens, less a last one that a combining mark may follow
_BROKEN = "\x00"  # in a folded text: a hyphen at a line end, which either belongs to the word or only broke it
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f]"
)
_ALIKE: Final = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc\u02b9\u2032`\u00b4\u2039\u203a", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"')
    | {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"}
)
_ACCENT = re.compile(r"[\u0300-\u036f]")  # no vowel sign of a script that writes its vowels so
_INITIAL = re.compile(r"(?<![^\W_])([^\W\d_])\.")  # one letter and its full stop
_OUTER = " \t\"'.,;:"
_ARTICLE = re.compile(
    r"\A(?:the|an?|der|die|das|dem|den|des|ein|eine[nmrs]?|le|la|les|un|une|el|los|las|il|lo|gli)\s+", re.IGNORECASE
)


def without_article(name: str) -> str:
    return _ARTICLE.sub("", name, count=1)


class Match(NamedTuple):
    """Spans in the text, in order. inexact: the text spells the name in another way."""

    spans: list[Span]
    inexact: bool = False


class FoldedText:
    """A text made comparable, each place mapped back: NFC, case-folded, white space single, one hyphen, nothing invisible."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._exact = _Form(text, _folded(text))
        self._known: dict[str, Match] = {}

    @cached_property
    def _loose(self) -> _Form:
        """Return the looser form, made only for texts of which a name is not found: one in ten."""
        return _Form(self.text, _loosened(_folded(self.text)))

    def places(self, name: str) -> Match:
        """Return as many spans as there are, up to MAX_PLACES times four. A leading article that the text lacks is forgiven."""
        if name not in self._known:
            self._known[name] = self._places(name)
        return self._known[name]

    def _places(self, name: str) -> Match:
        if found := self._exact.places(name):
            return Match(found)
        for spelled in dict.fromkeys((name.strip(_OUTER), without_article(name.strip(_OUTER)))):
            for pattern in (_loose_pattern, _inflected_pattern):
                if found := self._loose.places(spelled, pattern):
                    return Match(found, inexact=True)
        return Match([])


class _Form:
    """index[i]: where folded character i begins in the text; index[len]: the text's length."""

    def __init__(self, text: str, folded: Iterator[tuple[str, Sequence[int]]]) -> None:
        self._text = text
        forms: list[str] = []
        self._index: list[int] = []
        for form, starts in folded:
            forms.append(form)
            self._index.extend(starts)
        self._index.append(len(text))
        self._form = "".join(forms)

    def places(self, name: str, pattern_of: Callable[[str, bool], re.Pattern[str] | None] | None = None) -> list[Span]:
        pattern = (pattern_of or _pattern)(name, _BROKEN in self._form)
        return [] if pattern is None else [span for span in self._matches(pattern) if span[0] < span[1]]

    def _matches(self, pattern: re.Pattern[str]) -> Iterator[Span]:
        count = 0
        for found in pattern.finditer(self._form):
            first, last = found.span()
            if self._inside_word(first) or self._inside_word(last):
                continue
            yield self._span(first, last)
            count += 1
            if count >= MAX_PLACES * 4:
                return

    def _inside_word(self, position: int) -> bool:
        """Return whether it is between two letters or digits of a script that puts blanks between words."""
        if position <= 0 or position >= len(self._form):
            return False
        left, right = self._form[position - 1], self._form[position]
        return left.isalnum() and right.isalnum() and not _UNSPACED.match(left) and not _UNSPACED.match(right)

    def _span(self, first: int, last: int) -> Span:
        start, end = self._index[first], self._index[last]
        while end > start and (self._text[end - 1].isspace() or self._text[end - 1] in _INVISIBLE):
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


def _loosened(folded: Iterator[tuple[str, Sequence[int]]]) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield the same without accents and the full stops of initials, and with one form of what is written in several."""
    forms: list[str] = []
    index: list[int] = []
    for form, starts in folded:
        plain = form if form.isascii() else _plain(form)
        forms.append(plain)
        index.extend(starts if len(plain) == len(starts) else [starts[0]] * len(plain))
    whole, position = "".join(forms), 0
    for found in _INITIAL.finditer(whole):
        yield whole[position : found.end() - 1], index[position : found.end() - 1]
        position = found.end()
    yield whole[position:], index[position:]


def _plain(form: str) -> str:
    spread = unicodedata.normalize("NFKD", form.translate(_ALIKE)).casefold()
    return unicodedata.normalize("NFC", _ACCENT.sub("", spread)).translate(_ALIKE)


@lru_cache(maxsize=2048)  # the names of a document return in chunk after chunk
def _pattern(name: str, broken: bool) -> re.Pattern[str] | None:
    return _compiled("".join(part for part, _ in _folded(name)), broken)


@lru_cache(maxsize=2048)
def _loose_pattern(name: str, broken: bool) -> re.Pattern[str] | None:
    return _compiled("".join(part for part, _ in _loosened(_folded(name))), broken)


@lru_cache(maxsize=2048)
def _inflected_pattern(name: str, broken: bool) -> re.Pattern[str] | None:
    return _compiled("".join(part for part, _ in _loosened(_folded(name))), broken, inflected)


def _compiled(form: str, broken: bool, endings: Callable[[str, bool], tuple[str, str]] | None = None) -> re.Pattern[str] | None:
    """Return a pattern in which blank and hyphen stand for each other; where the text has broken words, a break may stand between
    any two letters.

    endings: a word, and whether it is the last -> its stem, and a pattern of the endings that the stem may have.
    """
    form = form.replace(_BROKEN, "-").strip()
    if not any(character.isalnum() for character in form):
        return None
    between = f"{_BROKEN}?" if broken else ""
    parts, tokens = [], re.findall(r"[ -]+|[^ -]+", form)
    for place, token in enumerate(tokens, 1):
        if token[0] in " -":
            parts.append(f"[ {_BROKEN}-]{{1,3}}")
            continue
        stem, ending = endings(token, place == len(tokens)) if endings else (token, "")
        parts.append(between.join(re.escape(character) for character in stem) + ending)
    return re.compile("".join(parts))
