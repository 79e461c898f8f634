"""A text -> the code of its language, or None where it is English or too short to tell.

py3langid's probabilities are honest for prose and flat for tables, code and lists of names (measured: 0.92 to 1.00 against 0.02 to
0.12), so a text counts as foreign only when one foreign language is clearly ahead. The questionable decision: a short text in Latin
letters counts as English, because a wrong skip loses a chunk and a wrong run only finds a few odd names.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from aegis_assets.engines.text_language import ENGLISH, LENGTH, identifier, language_of

SHORT: Final = 40  # letters
_COMMON: Final = frozenset({"the", "of", "and", "to", "is", "are", "for", "with", "that", "this", "by", "from"})
# Written without blanks between words: neither capitals nor terms can be told there.
UNSPACED: Final = {
    "ja": "Japanese", "km": "Khmer", "lo": "Lao", "my": "Burmese", "th": "Thai",
    "wuu": "Chinese", "yue": "Chinese", "zh": "Chinese",
}  # fmt: skip


def foreign_language(text: str) -> str | None:
    """Return the language's code in ISO 639 where the text is clearly not English, None otherwise."""
    letters = [character for character in text[:LENGTH] if character.isalpha()]
    latin = sum(character < "\u0250" or "LATIN" in unicodedata.name(character, "") for character in letters)
    if latin * 2 < len(letters):
        return next(str(code) for code, _ in identifier().rank(text[:LENGTH]) if code not in ENGLISH)
    words = re.findall(r"[a-z']+", text[:LENGTH].lower())
    # One word in twelve is one of a dozen that no other language writes so; foreign prose with English terms stays below.
    sounds_english = sum(word in _COMMON for word in words) * 12 >= len(words)
    language = "" if len(letters) < SHORT or sounds_english else language_of(text)
    return None if language in ("", "en") else language
