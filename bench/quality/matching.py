"""Names compared as the annotations of public sets are (lower case, words only, without a leading "the"), and shares of counts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Final, Self

# Types of dates and numbers, which sets annotate in ways of their own. They are not judged.
NUMERIC: Final = frozenset({"DATE", "TIME", "PERCENT", "MONEY", "QUANTITY", "ORDINAL", "CARDINAL", "NUMBER", "NUM"})


@dataclass
class Summed:
    """Numbers that are added up over documents."""

    def add(self, other: Self) -> None:
        """Add the numbers of another one."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


def plain(name: str) -> str:
    """Return what two spellings of a name share."""
    return " ".join(re.findall(r"\w+", name.lower())).removeprefix("the ")


def plain_names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(plain(name) for name in names) - {""}


def names_of(entity: dict[str, Any]) -> frozenset[str]:
    """Return all names of an entity of the API."""
    return plain_names([entity["name"], *entity["aliases"]])


def share(part: float, whole: float) -> float | None:
    """Return a share, or None of nothing."""
    return round(part / whole, 4) if whole else None


def f1(precision: float | None, recall: float | None) -> float | None:
    if precision is None or recall is None or precision + recall == 0:
        return None
    return round(2 * precision * recall / (precision + recall), 4)
