"""Names and types as extractors give them -> names that stand in the text, each at its spans, and types that the schema has.

The questionable decisions: a name is recorded at every place it stands, up to MAX_PLACES, because evidence is what people click
on; a name inside a longer found name counts only when it stands nowhere else ("Paris" in "Paris Agreement"); a name that the text
spells otherwise (`folded_text`) is kept and marked as inexact.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from aegis_assets.model.extraction import Mention
from aegis_assets.pipeline.folded_text import MAX_PLACES, FoldedText
from aegis_assets.pipeline.sentences import Span

MAX_NAME: Final = 512
MAX_TYPE: Final = 64
MAX_ENTITIES: Final = 300
MAX_RELATIONS: Final = 600

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]+")


def clean_name(name: str) -> str:
    """Return it in NFC, without control and invisible characters, white space made single, at most MAX_NAME characters."""
    spaced = " ".join(_CONTROL.sub(" ", unicodedata.normalize("NFC", name.replace("\u00ad", ""))).split())
    return spaced[:MAX_NAME].strip()


def type_name(word: str) -> str:
    """Return the UPPER_SNAKE of [A-Z0-9_], at most MAX_TYPE characters; empty when nothing of the word remains."""
    plain = unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode()
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain)
    return re.sub(r"[^A-Z0-9]+", "_", split.upper()).strip("_")[:MAX_TYPE].rstrip("_")


def allowed_type(word: str, wanted: Sequence[str]) -> str | None:
    """Return the type as the schema spells it, compared without case, blanks and underscores; any type where the schema names
    none."""
    form = type_name(word)
    if not wanted:
        return form or None
    spelled = clean_name(word).casefold()
    for candidate in wanted:
        if spelled == clean_name(candidate).casefold() or (form and form == type_name(candidate)):
            return candidate
    return None


def is_same_name(name: str, text: str) -> bool:
    """Return whether a text spells the name, whatever its case, white space and hyphens."""
    letters = ["".join(filter(str.isalnum, clean_name(one).casefold())) for one in (name, text)]
    return bool(text) and letters[0] == letters[1]


class Places:
    """The places of names in one text. A class, because names claim places in turn: longer ones first."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.folded = FoldedText(text)
        self.names: dict[str, tuple[str, str]] = {}  # normalised -> (asked-for name, type)
        self.claimed: list[Span] = []
        self.places: dict[str, list[Span]] = {}
        self.inexact: set[str] = set()

    def claim(self) -> int:
        """Give each name its places, longer names first; return how many stand nowhere."""
        missing = 0
        for key in sorted(self.names, key=lambda name: (-len(name), name)):
            found, inexact = self.folded.places(self.names[key][0])
            free = [span for span in found if not any(start <= span[0] and span[1] <= end for start, end in self.claimed)]
            places = (free or found[:1])[:MAX_PLACES]
            if places:
                self.places[key] = places
                self.claimed.extend(places)
                self.inexact.update({key} if inexact else ())
            else:
                missing += 1
        return missing

    def mentions(self) -> tuple[list[Mention], dict[str, list[int]]]:
        """Return the mentions in text order, and for each name their indices."""
        placed = sorted((span, key) for key, spans in self.places.items() for span in spans)
        result: list[Mention] = []
        indices: dict[str, list[int]] = {}
        for (start, end), key in placed:
            asked, kind = self.names[key]
            indices.setdefault(key, []).append(len(result))
            name, inexact = self._as_written(start, end, asked), key in self.inexact
            result.append(Mention(name=name, type=kind, start=start, end=end, inexact=inexact))
        return result, indices

    def _as_written(self, start: int, end: int, asked: str) -> str:
        """Return the text's own spelling; a word broken at a line end takes the asked-for one, which knows whether the hyphen
        belongs."""
        written = self.text[start:end]
        if re.search(r"[\u00ad\u200b]|[-\u2010]\s*\n", written):
            return asked
        return clean_name(written) or asked
