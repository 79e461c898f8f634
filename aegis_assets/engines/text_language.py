"""A text -> the codes of the languages that it may be written in. `languages` says by name which texts are clearly not English."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

CLEARLY: Final = 0.4  # of 1: prose has 0.92 to 1.00, tables, code and lists of names 0.02 to 0.12
PERHAPS: Final = 0.1
ENGLISH: Final = frozenset({"en", "pcm", "sco", "jam"})  # and what py3langid takes terse English for
LENGTH: Final = 2_000  # characters: more change nothing, and 1,000 cost 0.5 ms


def language_of(text: str) -> str:
    """Return the code of the text's language, '' where nothing tells it."""
    code, chance = identifier().rank(text[:LENGTH])[0]
    return _one_code(code) if chance >= CLEARLY else ""


def possible_languages(text: str) -> tuple[str, ...]:
    """Return the codes of all languages that the text may be written in, the likeliest first: a question is short."""
    ranked = identifier().rank(text[:LENGTH])[:5]
    return tuple(dict.fromkeys(_one_code(code) for code, chance in ranked if chance >= PERHAPS))


def _one_code(code: object) -> str:
    return "en" if str(code) in ENGLISH else str(code)


@lru_cache(maxsize=1)
def identifier() -> Any:
    """Return py3langid's model, loaded once per process."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
