"""A public sentence as it is kept -> the same in the reader's language.

Everything below Django says its sentences in English, with the values in them, and the ledger keeps them so: a run does not know
who will read them. They are translated when they are shown. `german` has a template for every one of them, which a test compares
with the sources. What no template fits is shown as it is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from django.utils.translation import get_language

from webadmin.console import words
from webadmin.console.sentences.german import PARTS, SENTENCES
from webadmin.console.sentences.matching import Catalogue, Field, template

LONGEST: Final = 4000  # characters; the ledger keeps 2000
DEEPEST: Final = 4  # sentences within sentences
KEPT: Final = 2048

_SENTENCES: Final = Catalogue(template(english, german) for english, german in SENTENCES.items())
_PARTS: Final = Catalogue(template(english, german) for english, german in {**SENTENCES, **PARTS}.items())


def said(sentence: object) -> str:
    """Plain text, which a template escapes. '' for None."""
    text = "" if sentence is None else str(sentence)[:]  # a copy, which is no SafeString: a template escapes it
    if not (get_language() or "").startswith("de") or len(text) > LONGEST:
        return text
    return _german(text)


@lru_cache(maxsize=KEPT)
def _german(text: str) -> str:
    whole = _translated(_SENTENCES, text, 0)
    if whole is None and "\n" in text:
        return "\n".join(_translated(_SENTENCES, line, 0) or line for line in text.split("\n"))
    return text if whole is None else whole


def _translated(catalogue: Catalogue, text: str, depth: int) -> str | None:
    for one, values in catalogue.fits(text):
        spoken = {field.name: _value(field, values[field.name], depth + 1) for field in one.fields}
        if None not in spoken.values():
            return one.german.format(**spoken)
    return None


def _value(field: Field, value: str, depth: int) -> str | None:
    """None where it is not of its kind, so that the text was not made from this template."""
    if field.kind == "word":
        return words.word(value) if words.is_word(value) else None
    if field.kind == "said":
        return (_translated(_PARTS, value, depth) if depth < DEEPEST else None) or value
    if field.kind == "listed":
        phrases = [_translated(_PARTS, phrase, depth) for phrase in value.split(", ")] if depth < DEEPEST else [None]
        return None if None in phrases else ", ".join(phrase for phrase in phrases if phrase)
    return value
