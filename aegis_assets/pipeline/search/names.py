"""Names that a text may hold: its n-grams of words, as they are looked up in the ledger's tables of names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from aegis_assets.model.ids import normalised

LONGEST: Final = 10  # words of a name
ASKED: Final = 200  # words of a question in which names are looked up: embedders read no more
SHORTEST: Final = 3  # characters
LEAD: Final = 3  # first words, by which names are looked up that a text may hold
LONE: Final = 5  # characters that a single word has more than, to be taken for a title
_OPENING: Final = "\"'([{«„“‘¿¡"
_BRACKET: Final = re.compile(r"\s*\([^()]*\)\s*$")
_NUMBERING: Final = re.compile(r"^\s*(?:\d+|[A-Z](?=[.)]))(?:\.\d+)*[.)]?\s+(?=\S)")
_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,5}$")


def title_names(title: str) -> set[str]:
    """Return the names that a title or heading stands for: as it is, without its number, and without a bracket at its end."""
    bare = _NUMBERING.sub("", title)
    forms = (title, bare, _BRACKET.sub("", title), _BRACKET.sub("", bare))
    return {name for form in forms if usable(name := normalised(form))}


def file_title(name: str) -> str:
    """Return the title that a document's name stands for: without folders and the ending."""
    return _SUFFIX.sub("", name.replace("\\", "/").rsplit("/", 1)[-1]).replace("_", " ")


def usable(name: str) -> bool:
    """Return whether a name can be looked up: not too long, and more than a number."""
    return len(name) >= SHORTEST and len(name.split()) <= LONGEST and any(map(str.isalpha, name))


def lead_of(name: str) -> str:
    """Return the name's first words."""
    return " ".join(name.split(maxsplit=LEAD)[:LEAD])


def in_question(question: str) -> list[str]:
    """Return the names that a question may hold, the longest first: a short one only in capitals (WHO, not who)."""
    words = normalised(question).split()[:ASKED]
    acronyms = {word for token in question.split() if token.isupper() for word in _words(token)}
    return [
        name
        for length in range(min(LONGEST, len(words)), 0, -1)
        for start in range(len(words) - length + 1)
        if len(name := " ".join(words[start : start + length])) > SHORTEST or name in acronyms
    ]


def chosen(question: str, known: Iterable[str]) -> list[str]:
    """Return those of the known names that the question holds, without those that lie within a longer one."""
    names = set(known)
    left = f" {normalised(question)} "
    found = []
    for name in in_question(question):
        if name in names and f" {name} " in left:
            found.append(name)
            left = left.replace(f" {name} ", " | ")
    return found


def leads(text: str) -> set[str]:
    """Return the first words of all names that a text may hold.

    Where the script has capitals, a name begins with one or with a digit: five times fewer to look up.
    """
    words: list[str] = []
    begins: list[int] = []
    for token in text.split():
        if not token.lstrip(_OPENING)[:1].islower():
            begins.append(len(words))
        words += _words(token)
    found = {" ".join(words[start : start + length]) for start in begins for length in range(1, LEAD + 1)}
    return {lead for lead in found if _may_be_title(lead)}


def in_text(text: str, begins: set[str], by_lead: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yield the names that the text holds. begins: its `leads`. by_lead: known names by their first words."""
    padded = f" {normalised(text)} "
    for lead in begins & by_lead.keys():
        for name in by_lead[lead]:
            if _may_be_title(name) and f" {name} " in padded:
                yield name


def _may_be_title(name: str) -> bool:
    return " " in name or len(name) > LONE


@lru_cache(maxsize=65536)
def _words(token: str) -> tuple[str, ...]:
    return tuple(normalised(token).split())
