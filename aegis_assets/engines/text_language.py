"""Find the code in ISO 639 of the language that a text is written in, by py3langid."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

CLEARLY: Final = 0.4  # of 1: prose has 0.92 to 1.00, tables, code and lists of names 0.02 to 0.12
_ENGLISH: Final = frozenset({"en", "pcm", "sco", "jam"})  # and what py3langid takes terse English for
_COMMON = re.compile(r"\b(?:the|of|and|to|is|are|for|with|that|this|by|from)\b", re.IGNORECASE)
_LENGTH: Final = 2_000  # characters: more change nothing, and 1,000 cost 0.5 ms


def language_of(text: str) -> str:
    """Return the code of the text's language, '' where nothing tells it."""
    code, chance = rank_languages(text)[0]
    return code if chance >= CLEARLY else ""


def foreign_language(text: str) -> str | None:
    """Return the code where the text is clearly not English, None otherwise: a wrong code costs more names than none."""
    # One word in twelve is one of a dozen that no other language writes so. 40 bytes are a sentence, or 14 Chinese signs.
    if len(_COMMON.findall(text)) * 12 >= len(text.split()) or len(text.encode("utf-8", "replace")) < 40:
        return None
    language = language_of(text)
    return None if language in ("", "en") else language


def rank_languages(text: str) -> list[tuple[str, float]]:
    """Return the codes of all languages with their chances, the likeliest first."""
    ranked = _load_identifier().rank(text[:_LENGTH])
    return [("en" if str(code) in _ENGLISH else str(code), float(chance)) for code, chance in ranked]


@lru_cache(maxsize=1)
def _load_identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
