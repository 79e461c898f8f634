"""Texts with annotated entities, in the form of DocRED and Re-DocRED, against the entities of the platform."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.quality.matching import NUMERIC, Summed, f1, names_of, plain_names, share

UNJUDGED: Final = frozenset({"TIME", "NUM"})  # gold types that are left out
JUDGED: Final[Mapping[str, str]] = {"PERSON": "PER", "ORGANIZATION": "ORG", "LOCATION": "LOC"}  # ours -> gold; MISC is not judged
_OPENING: Final = frozenset("([{$£€")
_CLOSING: Final = frozenset(",.;:!?)]}%")
_SUFFIX: Final = re.compile(r"['’](?:s|t|re|ve|ll|d|m)?|n['’]t", re.IGNORECASE)


@dataclass(frozen=True)
class Gold:
    """names: plain spellings."""

    names: frozenset[str]
    type: str


@dataclass(frozen=True)
class Article:
    title: str
    text: str
    gold: Sequence[Gold]

    @property
    def markdown(self) -> str:
        return f"# {self.title}\n\n{self.text}\n"


@dataclass
class Counts(Summed):
    """typed: found gold entities whose type is judged; right: those with the right type. ours: judged entities of ours.

    matched: pairs of an entity of ours and a found gold entity.
    """

    gold: int = 0
    found: int = 0
    right: int = 0
    typed: int = 0
    ours: int = 0
    in_gold: int = 0
    matched: int = 0


def read(path: Path) -> list[Article]:
    rows = json.loads(path.read_text())
    return [
        Article(row["title"], " ".join(map(_sentence, row["sents"])), [_gold(names) for names in row["vertexSet"]]) for row in rows
    ]


def _gold(mentions: Sequence[Mapping[str, Any]]) -> Gold:
    return Gold(plain_names(mention["name"] for mention in mentions), mentions[0]["type"])


def _sentence(tokens: Sequence[str]) -> str:
    """Join tokens as a text has them: "the men's event (1998)", not "the men 's event ( 1998 )"."""
    text, glued, quoted = "", True, False
    for token in tokens:
        opens = token in _OPENING or (token == '"' and not quoted)
        attached = token in _CLOSING or (token == '"' and quoted) or bool(_SUFFIX.fullmatch(token))
        text += token if glued or attached else f" {token}"
        glued, quoted = opens, quoted != (token == '"')
    return re.sub(r"(?<=\w) - (?=\w)", "-", text)


def count(gold: Sequence[Gold], entities: Sequence[dict[str, Any]]) -> Counts:
    """Compare one document's annotation with its entities as the API gives them."""
    judged = [row for row in gold if row.type not in UNJUDGED]
    unjudged = frozenset[str]().union(*(row.names for row in gold if row.type in UNJUDGED))
    ours = [(names_of(row), row["type"]) for row in entities if row["type"] not in NUMERIC]
    ours = [(names, kind) for names, kind in ours if not names <= unjudged]
    counts = Counts(gold=len(judged), ours=len(ours))
    counts.in_gold = sum(any(names & row.names for row in judged) for names, _ in ours)
    for row in judged:
        kinds = [kind for names, kind in ours if names & row.names]
        counts.found += bool(kinds)
        counts.matched += len(kinds)
        if kinds and row.type in JUDGED.values():
            counts.typed += 1
            counts.right += row.type in {JUDGED.get(kind) for kind in kinds}
    return counts


def figures(counts: Counts) -> dict[str, Any]:
    precision, found = share(counts.in_gold, counts.ours), share(counts.found, counts.gold)
    return {
        "gold": counts.gold,
        "ours": counts.ours,
        "found": found,
        "type": share(counts.right, counts.typed),
        "precision": precision,
        "f1": f1(precision, found),
        "fragmentation": share(counts.matched, counts.found),
    }
