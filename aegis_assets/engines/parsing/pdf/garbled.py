"""Tell whether a page's text is no text: glyphs of fonts that do not say which letters they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

FEWEST: Final = 12  # signs; fewer may be bullets or icons
SHARE: Final = 0.3  # of the page's letters
# What stands for an unknown letter, control characters, and the areas for private use.
_UNKNOWN: Final = re.compile(
    r"[\ufffd\x00-\x08\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\U000f0000-\U0010ffff]|GLYPH<[^>]*>|/[Gg]\d+(?![\w.])"
)


def garbled(texts: Iterable[str]) -> bool:
    """texts: of a page. Looks for signs only where there is something beyond ASCII or a glyph's name."""
    known = unknown = 0
    for text in texts:
        count = 0
        if not text.isascii() or not text.isprintable() or "GLYPH<" in text or "/g" in text or "/G" in text:
            text, count = _UNKNOWN.subn("", text)
        unknown += count
        known += sum(len(part) for part in text.split())
    return unknown >= FEWEST and unknown > SHARE * (known + unknown)
