"""Names of one document -> which of them are short forms of another one, before any of them meets the collection.

A surname, a given name or a name without its legal form or by its initials takes the full name that the document has, unless two
fit and the document's title is none of them. "Babbage" may be anybody in a collection; in a document that names Charles Babbage,
and no other Babbage, it is he. Likewise the word for a country's people takes the country: "Polish" is said of Poland. What joins
depends on the names of the whole document alone, not on the order of its chunks.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations
from pathlib import Path
from typing import Final
from uuid import UUID

from aegis_assets.pipeline.entity_types import ORGANIZATION, OTHER, PERSON, PLACE, is_generic, reading_of
from aegis_assets.pipeline.matching import EntityName, decide_as
from aegis_assets.pipeline.names import LEGAL, TITLES, form, person_parts, singular

MAX_WORDS: Final = 8  # of a full name; a longer one is a sentence
MIN_LETTERS: Final = 3  # of a part of a name
MAX_FITS: Final = 16  # full names of a short form; all pairs of them are compared, which took 48 s for 2,000 spellings of one name
HEADS: Final = frozenset({"university", "college", "institute", "foundation", "group", "holding", "holdings"})
LANGUAGE: Final = "language"  # a type: English is no part of England
_LEFT_OUT: Final = TITLES | {"the"}  # "The Bee" is the Sacramento Bee, as "Bee" is
_BESIDE: Final = frozenset({"am", "an", "de", "di", "do", "on", "sur", "sul", "under", "upon"})  # Newcastle upon Tyne
_REALMS: Final = frozenset({"commonwealth", "federation", "kingdom", "republic", "state"})  # of Thailand
# Adjective or inhabitant -> the names of the country, the first of which counts that the document has.
COUNTRIES: Final[Mapping[str, str]] = json.loads(Path(__file__).with_name("nationalities.json").read_text(encoding="utf-8"))
_COUNTRY_NAMES: Final = frozenset(name for names in COUNTRIES.values() for name in names.split(", "))
_OURS, _THEIRS = UUID(int=1), UUID(int=2)  # two names are compared as of different ids


@dataclass(frozen=True)
class LocalName:
    """A name of a document. type: as its mentions there vote. spellings: as it stands in the texts.

    sure: whether its extractor is sure of the type. A small model takes a surname that stands alone for a firm as often as not.
    """

    id: UUID
    normalised: str
    type: str
    spellings: frozenset[str]
    sure: bool = True


class _Kind(Enum):
    """The way in which a short form comes about, which says what its own type may be.

    PART: a given name, a name without its legal form, an organisation by its last word ("the Commission"), or a place without what
    it lies on: of the same kind, or of a type that says little. SURNAME: likewise, or of a type that is not sure, unless it is a
    word of another name ("Cray Research"). HEAD: without its last word ("Johns Hopkins"): of the same kind. INITIALS: any.
    """

    PART = "part"
    SURNAME = "surname"
    HEAD = "head"
    INITIALS = "initials"


def join_short_forms(names: Iterable[LocalName], titles: Collection[str] = ()) -> dict[UUID, UUID]:
    """Return the full name of each short form that has exactly one.

    titles: normalised names that the document's title stands for. Of several full names, that one counts which the title gives: in
    an article on Luis Roche, who had a daughter Beatrice Roche, "Roche" is he.
    """
    longest_first = sorted(names, key=lambda name: (-len(name.normalised.split()), -len(name.normalised), name.normalised, name.id))
    by_short: dict[tuple[_Kind, str], list[LocalName]] = defaultdict(list)
    within: Counter[str] = Counter()  # in how many names of several words that are no person's a word stands
    for name in longest_first:
        for short in _short_forms(name):
            by_short[short].append(name)
        words = set(name.normalised.split())
        if len(words) > 1 and reading_of(name.type) != PERSON:
            within.update(words)
    full: dict[UUID, UUID] = {}
    known = {name.id: name for name in longest_first}
    for name in longest_first:
        fits = [known[full.get(one.id, one.id)] for one in _fitting(name, by_short, within)]
        if best := _only(fits) or _only([one for one in fits if any(_is_one(one, title) for title in titles)]):
            full[name.id] = best.id
    named = {name.normalised: name for name in longest_first if reading_of(name.type) == PLACE}
    full |= {name.id: country.id for name in longest_first if (country := _country_of(name, named))}
    return {short: _last(full, short) for short in full}


def _country_of(name: LocalName, named: Mapping[str, LocalName]) -> LocalName | None:
    """Return the country that "Polish", "Poles" or "Republic of Poland" belongs to. named: the document's places."""
    if name.type.casefold() == LANGUAGE or name.normalised in _COUNTRY_NAMES:  # the Philippines are no plural
        return None
    realm, _of, country = name.normalised.rpartition(" of ")
    if realm.split()[-1:] and realm.split()[-1] in _REALMS and country in _COUNTRY_NAMES:
        return named.get(country)
    countries = COUNTRIES.get(name.normalised) or COUNTRIES.get(singular(name.normalised), "")
    return next((named[country] for country in countries.split(", ") if country in named), None)


def _last(full: Mapping[UUID, UUID], short: UUID) -> UUID:
    """Follow "Babbage" over "Charles Babbage" to "Charles Babbage Junior"."""
    target = full[short]
    return _last(full, target) if target in full else target


def _short_forms(name: LocalName) -> Iterator[tuple[_Kind, str]]:
    words = name.normalised.split()
    if not 2 <= len(words) <= MAX_WORDS:
        return
    reading = reading_of(name.type)
    if reading == PERSON:
        given, last, _ = person_parts(name.normalised)
        if given and not any(part.isdigit() for part in (*given, last)):
            yield _Kind.PART, given[0]
            yield from ((_Kind.SURNAME, " ".join((*given[cut:], last))) for cut in range(1, len(given) + 1))
        return
    if reading == PLACE:
        yield from ((_Kind.PART, " ".join(words[:cut])) for cut in range(1, len(words) - 1) if words[cut] in _BESIDE)
    if reading == ORGANIZATION:
        if words[-1] in LEGAL:
            yield _Kind.PART, " ".join(words[:-1])
        yield _Kind.PART, words[-1]
        if words[-1] in HEADS:
            yield _Kind.HEAD, " ".join(words[:-1])
    initials: set[str] = set()
    for group in (words, [word for word in words if word != "s"]):  # with the "s" of S.A., and without the one of "People's"
        initials |= form(" ".join(group), OTHER).initials | {"".join(word[0] for word in group)}
    yield from ((_Kind.INITIALS, text) for text in sorted(initials - set(words)))


def _fitting(
    name: LocalName, by_short: Mapping[tuple[_Kind, str], Sequence[LocalName]], within: Mapping[str, int]
) -> list[LocalName]:
    """Return the full names of which this may be a short form."""
    found: list[LocalName] = []
    words = [word for word in name.normalised.split() if word not in _LEFT_OUT]
    part = " ".join(words)
    if len(part) >= MIN_LETTERS and any(spelling != spelling.lower() for spelling in name.spellings):
        found += [one for one in by_short.get((_Kind.PART, part), ()) if _may_be(name, one)]
        surname_only = not name.sure and len(words) == 1 and not within.get(part)
        found += [one for one in by_short.get((_Kind.SURNAME, part), ()) if surname_only or _may_be(name, one)]
        found += [one for one in by_short.get((_Kind.HEAD, part), ()) if _same_kind(name, one)]
    if len(words) in (1, len(part.replace(" ", ""))) and any(_are_capitals(spelling) for spelling in name.spellings):
        found += by_short.get((_Kind.INITIALS, "".join(words)), ())
    return [one for one in found if one.id != name.id]


def _may_be(short: LocalName, full: LocalName) -> bool:
    return is_generic(short.type) or _same_kind(short, full)


def _same_kind(short: LocalName, full: LocalName) -> bool:
    return reading_of(short.type) == reading_of(full.type)


def _are_capitals(spelling: str) -> bool:
    """Tell "WHO" and "U.N." from words that are spelled with the same letters."""
    letters = spelling.replace(".", "").replace(" ", "")
    return len(letters) >= 2 and letters.isalpha() and letters.isupper()


def _only(fits: Sequence[LocalName]) -> LocalName | None:
    """Return the longest of names that are all one, None where there is no name, or there are two or more than MAX_FITS."""
    distinct = list({one.id: one for one in fits}.values())
    if len(distinct) > MAX_FITS:
        return None
    if not all(_is_one(a, b.normalised) for a, b in combinations(distinct, 2)):
        return None
    return distinct[0] if distinct else None


def _is_one(name: LocalName, other: str) -> bool:
    """Return whether a normalised name is another spelling of this one."""
    ours, theirs = EntityName(_OURS, "", "", name.normalised), EntityName(_THEIRS, "", "", other)
    return decide_as(ours, theirs, reading_of(name.type)) is not None
