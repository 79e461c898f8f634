"""Texts whose names are marked with their types, such as "{PERSON|Ada} met {PERSON|Charles}." -> what an extractor finds there."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from aegis_assets.model.extraction import Extraction, Mention, Relation

MARKED: Final = re.compile(r"\{(\w+)\|([^}|]+)(?:\|([\d.]+))?\}")


def marked_extraction(text: str) -> Extraction:
    """Return the marked names as mentions, a third part being the confidence, and a word between two of them as their relation."""
    found = list(MARKED.finditer(text))
    mentions = tuple(
        Mention(name=one[2], type=one[1], start=one.start(2), end=one.end(2), confidence=float(one[3] or 1)) for one in found
    )
    relations = tuple(
        Relation(source=n, target=n + 1, type=between, confidence=0.5, start=left.start(2), end=right.end(2))
        for n, (left, right) in enumerate(pairwise(found))
        if (between := text[left.end() : right.start()].strip()).isalpha()
    )
    return Extraction(mentions=mentions, relations=relations, calls=1)
