"""The end of a relation, as a language model gives it -> the entities that it means.

Design note: an end that was not listed becomes an entity where the text has it and spells it like a name, or is taken for the
listed name that it means. Refusing such ends threw away half of the right relations.
"""

from __future__ import annotations

import re
from typing import Final

from aegis_assets.model.ids import normalised
from aegis_assets.pipeline.folded_text import FoldedText, without_article
from aegis_assets.pipeline.grounding import clean_name

PERSON: Final = "PERSON"
MAX_WORDS: Final = 7  # of a name
# "Martin King, Jr." is one person.
_AND: Final = re.compile(
    r"\s*[,;](?!\s*(?:jr|sr|ii|iii|iv|esq|ph\.?\s?d|m\.?d)\b)\s*(?:and|und|et|y|e|or|oder|ou|o)?\s+|\s+(?:and|und|et|y|e|or|oder|ou|o|&)\s+",
    re.IGNORECASE,
)
# Words that names have in small letters, and after which nothing is what a phrase is about: "machine for the Census" is a machine.
_SMALL: Final = frozenset(
    re.findall(
        r"\w+",
        "of the and for in on at by with from to a an de des du del der die das den dem und für von zu am im la le et y e d da do",
    )
)
_DATED: Final = re.compile(r",?\s+(?:in|on|since|until|im|am|seit|bis|en)\s+(?:[A-Z]\w+\s+|\d{1,2}\.?\s+[A-Z]\w+\s+)?\d{4}$")
# Months of English, German, French, Spanish and Italian. "Helios 3" and "JPEG 2000" are no dates.
_MONTH: Final = (
    r"(?:jan(?:uary|uar|vier)?|jänner|enero|gennaio|feb(?:ruary|ruar|rero|braio)?|février|mar(?:ch|s|zo)?|märz|apr(?:il|ile)?|avril|abril"
    r"|may|mai|mayo|maggio|june?|juni|juin|junio|giugno|july?|juli|juillet|julio|luglio|aug(?:ust)?|août|agosto|sept?(?:ember)?|septembre"
    r"|septiembre|settembre|o[ck]t(?:ober)?|octobre|octubre|ottobre|nov(?:ember|embre|iembre)?|dec(?:ember)?|dez(?:ember)?|décembre"
    r"|diciembre|dicembre)\.?"
)
_DATE: Final = re.compile(
    rf"[\W\d]+|\d{{1,2}}\.? (?:de )?{_MONTH}(?: (?:de )?\d{{4}})?|{_MONTH} (?:de )?\d{{4}}|{_MONTH} \d{{1,2}}(?:, \d{{4}})?",
    re.IGNORECASE,
)
_POSSESSIVE: Final = re.compile(r"['’]s?$")


def key(name: str) -> str:
    """Return what two spellings of one name share."""
    return normalised(without_article(name)) or normalised(name)


def is_date(name: str) -> bool:
    return _DATE.fullmatch(name) is not None


def parts(name: str) -> list[str]:
    """Return the names that are joined by "and" or commas; one for any other."""
    return [part for part in _AND.split(name) if part.strip()]


def is_name(phrase: str) -> bool:
    """Return whether all words but the small ones have a capital or a digit: "Konrad Zuse", "IBM", "The Laws of Thought", not
    "commercial version"."""
    words = without_article(phrase).split()
    large = [word for word in words if word.casefold() not in _SMALL]
    if not large or len(large) > MAX_WORDS or large[0] != words[0] or is_date(phrase):
        return False
    return all(word[0].isupper() or any(letter.isdigit() for letter in word) for word in large)


class Ends:
    """names: key -> (name, type), of those that stand in the text; what is found to be one more is added. refuge: its type, None
    where the schema has none for it."""

    def __init__(self, names: dict[str, tuple[str, str]], text: FoldedText, refuge: str | None) -> None:
        self._names = names
        self._text = text
        self._refuge = refuge

    def meant(self, end: str) -> list[str]:
        """Return the keys of the entities: one, or several that are joined by "and"; none where the text has no such name."""
        name = _DATED.sub("", _POSSESSIVE.sub("", clean_name(end).strip(" .,;:")))
        form = key(name)
        if not form or form in self._names:
            return [form] if form else []
        written = self._written(name)
        if is_name(written if " " in name else name):
            longer = [known for known in self._names if self._is_short_for(form, known)]
            if len(longer) == 1:
                return longer
            if written and self._refuge and self._is_single(name):
                self._names[form] = (name if written[:1].isupper() else without_article(name), self._refuge)
                return [form]
        several = parts(name)
        if len(several) > 1 and all(ends := [self.meant(part) for part in several]):
            return [meant for end in ends for meant in end]
        return self._inside(form)

    def read(self, source: str, predicate: str, target: str) -> tuple[list[str], str, list[str]]:
        """Return the entities at both ends, and what joins them. A small model puts the object into the verb phrase and what comes
        after it, a date or a clause, at the end: "founded Univac", "in 1951". Then the name in the phrase is the end."""
        sources, targets = self.meant(source), self.meant(target)
        words = predicate.split()
        for cut in range(1, len(words)) if sources and not targets else ():
            if targets := self._named(words[cut:]):
                return sources, " ".join(words[:cut]), targets
        return sources, predicate, targets

    def _named(self, words: list[str]) -> list[str]:
        """Return the entity that the words name, without a preposition after them."""
        while words and words[-1].casefold() in _SMALL:
            words = words[:-1]
        name = clean_name(" ".join(words))
        return self.meant(name) if key(name) in self._names or is_name(self._written(name)) else []

    def _written(self, name: str) -> str:
        spans = self._text.places(name).spans
        return self._text.text[slice(*spans[0])] if spans else ""

    def _is_single(self, name: str) -> bool:
        """Return whether it is one name: "Ames, Iowa" is, unless one of both was listed alone, "Eckert and Mauchly" is not."""
        several = parts(name)
        bare_comma = len(several) == 2 and ", ".join(several) == name
        return len(several) == 1 or (bare_comma and not any(key(part) in self._names for part in several))

    def _is_short_for(self, form: str, known: str) -> bool:
        """Return whether it is short for the known name: a person goes by the surname, everything else by its first words."""
        return known.endswith(f" {form}") if self._names[known][1] == PERSON else known.startswith(f"{form} ")

    def _inside(self, form: str) -> list[str]:
        """Return the longest listed name with words around it, no preposition before it: "EDSAC with money" is EDSAC."""
        inside = [known for known in self._names if f" {known} " in f" {form} "]
        heads = [known for known in inside if not _SMALL & set(form.partition(known)[0].split())]
        return [max(heads, key=len)] if heads else []
