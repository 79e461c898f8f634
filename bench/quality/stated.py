"""Passages with annotated entities and relations against what the platform extracted from them.

The form: `passages`, each with `text`, `entities` (`names`, `types`), `also` (names that are neither right nor wrong), `relations`
(`source`, `target`, `predicates`: keys of `predicates.BEGINNINGS`) and `also_pairs` (pairs of names likewise). A relation is
compared by its two ends, whichever comes first, because "built" and "built by" say the same; its type is a figure of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.quality.matching import NUMERIC, Summed, f1, names_of, plain, plain_names, share
from bench.quality.predicates import groups

Row = dict[str, Any]
# One meaning, by other words: what annotators and extractors call types.
TYPES: Final = {"WORK": "DOCUMENT", "LAW": "DOCUMENT", "TERM": "CONCEPT", "FIELD": "CONCEPT", "MATERIAL": "SUBSTANCE"}


@dataclass
class Counts(Summed):
    """Of entities and of relations: gold, found of it, ours that are judged, and right of those; typed: those of the right type."""

    gold: int = 0
    found: int = 0
    ours: int = 0
    right: int = 0
    typed: int = 0
    gold_relations: int = 0
    found_relations: int = 0
    our_relations: int = 0
    right_relations: int = 0
    typed_relations: int = 0


def read(path: Path) -> list[Row]:
    passages: list[Row] = json.loads(path.read_text())["passages"]
    return passages


def count(passage: Row, entities: Sequence[Row], relations: Sequence[Row]) -> Counts:
    """Compare one passage's annotation with what the API gives for its document."""
    counts = Counts()
    _count_entities(passage, entities, counts)
    _count_relations(passage, entities, relations, counts)
    return counts


def _count_entities(passage: Row, entities: Sequence[Row], counts: Counts) -> None:
    gold = [(plain_names(row["names"]), {_type(kind) for kind in row["types"]}) for row in passage["entities"]]
    also = plain_names(passage["also"])
    ours = [(names_of(row), _type(row["type"])) for row in entities if row["type"] not in NUMERIC]
    for names, _ in ours:
        right = any(names & spelled for spelled, _ in gold)
        counts.right += right
        counts.ours += right or not names & also
    for spelled, kinds in gold:
        fitting = {kind for names, kind in ours if names & spelled}
        counts.gold += 1
        counts.found += bool(fitting)
        counts.typed += bool(fitting & kinds)


def _count_relations(passage: Row, entities: Sequence[Row], relations: Sequence[Row], counts: Counts) -> None:
    spelled = {row["id"]: names_of(row) for row in entities}
    named = [plain_names(row["names"]) for row in passage["entities"]]
    gold = _merged(
        _Pair(_end(row["source"], named), _end(row["target"], named), frozenset(row["predicates"])) for row in passage["relations"]
    )
    also = [_Pair(_end(first, named), _end(second, named)) for first, second in passage["also_pairs"]]
    ours = _merged(_Pair(_names(row["source"], spelled), _names(row["target"], spelled), groups(row["type"])) for row in relations)
    for pair in ours:
        met = [row for row in gold if row.meets(pair)]
        counts.right_relations += bool(met)
        counts.typed_relations += any(row.predicates & pair.predicates for row in met)
        counts.our_relations += bool(met) or not any(row.meets(pair) for row in also)
    counts.gold_relations += len(gold)
    counts.found_relations += sum(any(row.meets(pair) for pair in ours) for row in gold)


@dataclass(frozen=True)
class _Pair:
    """Two ends, each as all its names, and the groups of what joins them."""

    first: frozenset[str]
    second: frozenset[str]
    predicates: frozenset[str] = frozenset()

    def meets(self, other: _Pair) -> bool:
        """Return whether both name the same two ends, in whichever order."""
        return bool(
            (self.first & other.first and self.second & other.second) or (self.first & other.second and self.second & other.first)
        )


def _merged(pairs: Iterable[_Pair]) -> list[_Pair]:
    """Return the pairs, of which those of the same ends are one."""
    merged: dict[frozenset[frozenset[str]], _Pair] = {}
    for pair in pairs:
        ends = frozenset((pair.first, pair.second))
        before = merged.get(ends, pair)
        merged[ends] = _Pair(before.first, before.second, before.predicates | pair.predicates)
    return list(merged.values())


def _end(name: str, named: Iterable[frozenset[str]]) -> frozenset[str]:
    """Return all spellings of the annotated entity that a name means."""
    return next((names for names in named if plain(name) in names), frozenset({plain(name)}))


def _names(end: Row, spelled: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return spelled.get(end["id"]) or plain_names([end["name"]])


def _type(kind: str) -> str:
    return TYPES.get(kind.upper(), kind.upper())


def figures(counts: Counts) -> Row:
    precision, recall = share(counts.right, counts.ours), share(counts.found, counts.gold)
    return {
        "entities_precision": precision,
        "entities_recall": recall,
        "entities_f1": f1(precision, recall),
        "entities_type": share(counts.typed, counts.found),
        "relations_precision": share(counts.right_relations, counts.our_relations),
        "relations_recall": share(counts.found_relations, counts.gold_relations),
        "relations_type": share(counts.typed_relations, counts.right_relations),
    }
