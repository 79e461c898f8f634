"""A seed -> Markdown that looks like a manual: sections of prose about named things that do something to each other.

Names follow Zipf's law, as they do in real text: a few stand in most chunks, most in one or two. Without that, merging entities,
which is where graph builders differ, would cost nothing.
"""

from __future__ import annotations

import random
from bisect import bisect
from itertools import accumulate

VERBS = (
    "controls",
    "extends",
    "replaces",
    "feeds",
    "monitors",
    "configures",
    "starts",
    "stops",
    "signs",
    "caches",
    "routes",
    "reads",
)
CLOSINGS = (
    "which keeps the whole arrangement running through the night without anybody looking at it",
    "so that later readers find the same values in the same places whatever the order of arrival was",
    "although older installations still do it by hand and write the outcome into a paper log",
    "because the measured load on a quiet day is a small part of what a busy one brings",
)
SYLLABLES = [consonant + vowel for consonant in "bcdfgklmnprst" for vowel in "aeo"]


class Corpus:
    """seed: the same one gives the same text, on every machine."""

    def __init__(self, seed: int, names: int = 1200) -> None:
        self._random = random.Random(seed)
        found: dict[str, None] = {}
        while len(found) < names:
            found["".join(self._random.choices(SYLLABLES, k=4)).capitalize()] = None
        self._names = list(found)
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(names)))

    def name(self) -> str:
        return self._names[bisect(self._weights, self._random.random() * self._weights[-1])]

    def sentence(self) -> str:
        subject, other = self.name(), self.name()
        return f"{subject} {self._random.choice(VERBS)} {other}, {self._random.choice(CLOSINGS)}."

    def section(self, title: str, sentences: int) -> str:
        """About 25 words a sentence: six make a chunk of some 200 tokens."""
        return f"## {title}\n\n" + " ".join(self.sentence() for _ in range(sentences)) + "\n"

    def document(self, title: str, sections: int, sentences: int = 6) -> str:
        parts = [self.section(f"{title}, part {number + 1}", sentences) for number in range(sections)]
        return f"# {title}\n\n" + "\n".join(parts)
