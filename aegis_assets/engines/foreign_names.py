"""Names in a text of a language without a model: capitalised runs where the language has capitals, else YAKE's terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from aegis_assets.engines.name_types import head_type, is_place

MAX_TERMS: Final = 12
_YAKE: Final = {"cs": "cz", "nb": "no", "nn": "no"}  # its own codes
_EVERY_NOUN: Final = frozenset({"de", "lb", "nds", "frr"})  # written with a capital, so a lone one is no name
_SMALL = re.compile(r"de|del|della|di|da|do|dos|das|du|des|la|le|van|von|der|den|für|of")
_WORD = r"(?:\w{1,2}\.(?=\s)|\w(?:[\w’'&-]*\w)?)"
_RUN = re.compile(rf"{_WORD}(?:[ \n]{_WORD})*")
_BEGIN = re.compile(r"(?:^|[.!?:;…]|\n)[\s\"“„«(]*$")
_ELIDED = re.compile(r"[^\W\d_]['’](?=\w)")  # the l' of "l'UNESCO"


def find_foreign_names(text: str, language: str) -> dict[str, str]:
    """Return names as they are written with their types. language: ISO 639; one without stop words leaves it to the text."""
    extractor = _load_extractor(language)
    if any(character.isupper() for character in text):
        names = set(_find_runs(text, extractor.stopword_set, language in _EVERY_NOUN))
    else:
        names = {term for term, _ in extractor.extract_keywords(text)}
    return {name: "LOCATION" if is_place(name) else head_type(name) or "CONCEPT" for name in names}


def _find_runs(text: str, stop_words: set[str], every_noun: bool) -> Iterator[str]:
    small = {word for word in re.findall(r"[^\W\d_]+", text) if word.islower()}
    for found in _RUN.finditer(text):
        begins = bool(_BEGIN.search(text, max(0, found.start() - 10), found.start()))
        group: list[str] = []
        for word in [*(_ELIDED.sub("", word).rstrip(".") for word in found.group().split()), ""]:
            capital = word[:1].isupper() and not (begins and not group and word.lower() in stop_words)
            joins = _SMALL.fullmatch(word) and not every_noun
            if capital or (group and (joins or (word.isdigit() and len(word) < 4))):
                group.append(word)
                continue
            while group and _SMALL.fullmatch(group[-1]):
                group.pop()
            if _is_name(group, begins, every_noun, small):
                yield " ".join(group)
            group, begins = [], False


def _is_name(group: list[str], begins: bool, every_noun: bool, small: set[str]) -> bool:
    """Return whether a run is a name. A word alone tells less: it may begin a sentence, and in German be any noun."""
    if len(group) != 1 or "-" in group[0] or (len(group[0]) > 2 and group[0].isupper()):
        return bool(group)
    return len(group[0]) > 1 and (is_place(group[0]) or not (begins or every_noun or group[0].lower() in small))


@cache
def _load_extractor(language: str) -> Any:
    from yake import KeywordExtractor

    return KeywordExtractor(lan=_YAKE.get(language, language), n=3, top=MAX_TERMS)
