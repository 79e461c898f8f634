"""Sentences that name an entity -> which of them tells most of what it is. Pure.

Design note: a sentence tells what something is by its form: its subject, a form of "to be" or an apposition right behind the name,
the chunk that is about it. Nothing is understood; so the sentence is shown as the document's, never as the platform's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple
from uuid import UUID

from aegis_assets.pipeline.addressed import addressed_lines
from aegis_assets.pipeline.passage import lines
from aegis_assets.pipeline.sentences import Span, around

LONGEST: Final = 500  # characters of a sentence that is taken at all
COMFORTABLE: Final = (40, 280)  # characters that a person reads at a glance
LEAST_WORDS: Final = 4
WORDS_WITHOUT_STOP: Final = 8  # of a line that ends in no full stop: fewer are a heading or an entry of a list
LEAST_UNSPACED: Final = 12  # characters where words are not separated

# Forms of "to be" and the articles behind them, in the languages that documents most often have.
_IS: Final = (
    r"(?:is|was|are|were|ist|war|sind|waren|est|était|sont|étaient|fut|furent|es|era|son|eran|fue|fueron|è|erano|sono|fu|é|foi|são|"
    r"eram|jest|był|była|było|są|byli|były|zijn|är|er)"
)
_ARTICLE: Final = r"(?:an?|the|one|ein\w{0,2}|der|die|das|une?|les?|la|l['’]|las?|los|el|un[ao]s?|un['’]|il|lo|i|uma?|een|het|de)"
_NOTE: Final = r"(?:\s*\([^()]{1,120}\))?(?:,[^,.;]{1,60},)?"
_DEFINED: Final = re.compile(rf"{_NOTE}\s+{_IS}\s+(?:\w+ly\s+)?{_ARTICLE}\b|\s*(?:是|は|とは)", re.IGNORECASE)
_APPOSITION: Final = re.compile(rf"(?:\s*\([^()]{{1,120}}\))?,\s+{_ARTICLE}\b|(?:\s*:|\s+[–—-])\s+\w", re.IGNORECASE)
_IS_SOMETHING: Final = re.compile(rf"{_NOTE}\s+{_IS}\b", re.IGNORECASE)
_OPENING: Final = re.compile(rf"[\W_]*(?:{_ARTICLE}\s*)?", re.IGNORECASE)
_STOPPED: Final = re.compile(r"[.!:。！…][\"'”’»」）)\]]*$")
_CELL: Final = re.compile(r"[|\t]|^#")


class Named(NamedTuple):
    """A name of an entity in a chunk's text. short: a form that stands for a longer name there. home: the chunk is about it."""

    chunk: UUID
    start: int
    end: int
    short: bool = False
    home: bool = False


class Place(NamedTuple):
    """A sentence: text[start:end] of the chunk."""

    chunk: UUID
    start: int
    end: int


@dataclass(frozen=True)
class Passage:
    """A chunk's text. order: what sorts chunks as a reader meets them."""

    text: str
    order: tuple[object, ...] = field(default=())

    @cached_property
    def lines(self) -> list[Span]:
        return lines(self.text)

    @cached_property
    def addressed(self) -> frozenset[Span]:
        """Return the lines that speak to their reader or to a language model."""
        spoken = addressed_lines(self.text, self.lines)
        return frozenset(span for span, speaks in zip(self.lines, spoken, strict=True) if speaks)


def telling(named: Sequence[Named], passages: Mapping[UUID, Passage]) -> Iterator[Place]:
    """Yield the sentences that tell something of an entity, the best first; none that addresses somebody. named: of it alone."""
    scores: dict[Place, int] = {}
    for name in named:
        passage = passages.get(name.chunk)
        if passage is None or not passage.lines:
            continue
        start, end = around(passage.lines, name.start, name.end)
        if score := _score(passage.text, (start, end), name):
            place = Place(name.chunk, start, end)
            scores[place] = max(score, scores.get(place, 0))
    for place in sorted(scores, key=lambda place: (-scores[place], passages[place.chunk].order, place)):
        if (place.start, place.end) not in passages[place.chunk].addressed:
            yield place


def _score(text: str, span: Span, name: Named) -> int:
    """Return how much the sentence tells of what it names, 0 for one that is none."""
    sentence = text[span[0] : span[1]]
    if not _is_sentence(sentence):
        return 0
    after = text[name.end : span[1]]
    opens = _OPENING.match(text, span[0], name.start)
    subject = opens is not None and opens.end() >= name.start
    return (
        10
        + (6 if _DEFINED.match(after) else 5 if _APPOSITION.match(after) else 3 if _IS_SOMETHING.match(after) else 0)
        + (3 if subject else 0)
        + (3 if name.home else 0)
        + (0 if name.short else 1)
        + (0 if COMFORTABLE[0] <= len(sentence) <= COMFORTABLE[1] else -2)
        - (4 if sentence.endswith("?") else 0)
    )


def _is_sentence(text: str) -> bool:
    """Return whether it is neither a heading nor a row of a table, nor too long to be shown."""
    if len(text) > LONGEST or _CELL.search(text):
        return False
    words = len(text.split())
    if _STOPPED.search(text):
        return words >= LEAST_WORDS or (words == 1 and len(text) >= LEAST_UNSPACED)
    return words >= WORDS_WITHOUT_STOP


def plain(sentence: str) -> str:
    """Return a sentence as it is shown: on one line."""
    return " ".join(sentence.split())
