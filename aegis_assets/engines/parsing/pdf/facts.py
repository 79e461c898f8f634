"""What the layout learns from the whole document, once, and every window is handed: nothing here depends on a window.

Sizes are rounded and taken from majorities, so that an edit of one page leaves the facts as they are and with them the other
windows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from aegis_assets.model.parsing import Frozen, Heading

DEEPEST = 8
NUMBERED = re.compile(
    r"^(?:(?P<word>chapter|appendix|part|kapitel|anhang)\s+)?(?P<number>\d{1,3}(?:\.\d{1,3}){0,6}|[A-Z](?:\.\d{1,3}){0,5})(?P<dot>[.:)]?)\s+\S",
    re.I,
)
SECTION = re.compile(r"^section\s+\d", re.I)


class Facts(Frozen):
    """body_size: points, None where nothing has text (a scan). levels: heading sizes, largest first, with their level.

    top, bottom: text above or below these distances from the page's edges is a running header or footer. furniture: such texts
    without digits. pages: outline entries by the page they start on.
    """

    body_size: float | None = None
    body_bold: bool = False
    levels: tuple[tuple[float, int], ...] = ()
    top: float = 0.0
    bottom: float = 0.0
    furniture: tuple[str, ...] = ()
    pages: dict[int, tuple[Heading, ...]] = {}

    def outlined(self, page: int, text: str) -> Heading | None:
        """The outline entry that this text on this page is the heading of."""
        words = letters(text)
        for heading in self.pages.get(page, ()):
            title = letters(heading.text)
            if len(words) > 2 and (words == title or (len(title) > 4 and words.endswith(title) and len(words) - len(title) < 14)):
                return heading
        return None

    def level(self, page: int, text: str, size: float, body: float) -> int:
        """Of a heading: from the outline, else its numbering, else its size among the document's heading sizes."""
        heading = self.outlined(page, text)
        if heading is not None:
            return heading.level
        depth = numbering(text)
        if depth:
            return depth
        if self.levels and size > 1.05 * body:
            for known, level in self.levels:
                if size >= known - 0.3:
                    return level
        if self.levels:
            return min(DEEPEST, max(level for _, level in self.levels) + 1)
        ratio = size / body if body else 1.0
        return 1 if ratio > 1.7 else 2 if ratio > 1.3 else 3


def numbering(text: str) -> int:
    """Depth of '2.1.3 Title' (3), 'Chapter 4: Title' (1), 'B.2 Title' (2); 0 without a number."""
    found = NUMBERED.match(text)
    if not found or SECTION.match(text):
        return 0
    number = found["number"]
    if number[0].isalpha() and "." not in number and not found["word"] and not found["dot"]:
        return 0  # "A house" is no appendix
    return min(DEEPEST, number.count(".") + 1)


def letters(text: str) -> str:
    """For comparing titles: letters and digits alone, case folded."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text)).casefold()


def without_digits(text: str) -> str:
    """For comparing running headers: their page number differs."""
    return re.sub(r"\b[ivxlc]+\b|\d+", "", " ".join(text.casefold().split())).strip(" .-–—|/:")


def ranked(sizes: Sequence[float]) -> tuple[tuple[float, int], ...]:
    """Heading sizes to levels, largest first; sizes within half a point are one level."""
    found: list[tuple[float, int]] = []
    for size in sorted(set(sizes), reverse=True):
        if found and found[-1][0] - size < 0.6:
            found[-1] = (size, found[-1][1])
        else:
            found.append((size, min(DEEPEST, len(found) + 1)))
    return tuple(found)
