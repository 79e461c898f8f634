"""A text -> the code of its language, or None where it is English or too short to tell.

py3langid's probabilities are honest for prose and flat for tables, code and lists of names (measured: 0.92 to 1.00 against 0.02 to
0.12), so a text counts as foreign only when one foreign language is clearly ahead. The questionable decision: a short text in Latin
letters counts as English, because a wrong skip loses a chunk and a wrong run only finds a few odd names.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

from aegis_assets.engines.text_language import CLEARLY, ENGLISH, identifier

SHORT: Final = 40  # letters
_COMMON: Final = frozenset({"the", "of", "and", "to", "is", "are", "for", "with", "that", "this", "by", "from"})

# Written without blanks between words: neither capitals nor terms can be told there.
UNSPACED: Final = {
    "ja": "Japanese", "km": "Khmer", "lo": "Lao", "my": "Burmese", "th": "Thai",
    "wuu": "Chinese", "yue": "Chinese", "zh": "Chinese",
}  # fmt: skip


class Languages:
    """py3langid's model, loaded when this is made; 0.2 ms a text."""

    def __init__(self) -> None:
        self._identifier: Any = identifier()

    def foreign(self, text: str) -> str | None:
        """Return the language's code in ISO 639 where the text is clearly not English, None otherwise."""
        letters = [character for character in text[:20_000] if character.isalpha()]
        if not letters:
            return None
        latin = sum(character < "\u0250" or "LATIN" in unicodedata.name(character, "") for character in letters)
        mostly_latin = latin * 2 >= len(letters)
        if mostly_latin and (len(letters) < SHORT or self._sounds_english(text)):
            return None
        ranked = [(str(code), float(chance)) for code, chance in self._identifier.rank(text[:20_000])]
        english = sum(chance for code, chance in ranked if code in ENGLISH)
        code, chance = next((code, chance) for code, chance in ranked if code not in ENGLISH)
        if mostly_latin and (chance < CLEARLY or english > chance / 4):
            return None
        return code

    @staticmethod
    def _sounds_english(text: str) -> bool:
        """One word in twelve is one of a dozen that no other language writes so; foreign prose with English terms stays below."""
        words = re.findall(r"[a-z']+", text[:20_000].lower())
        return bool(words) and sum(word in _COMMON for word in words) * 12 >= len(words)
