"""Templates, and a text -> the template that it was made from.

There is no regular expression: after the first literal of a template the next ones are searched one after the other, each at its
first place behind the one before. A value may be anything, so this finds a fit whenever there is one, and takes no more than one
reading of the text for each template that begins and ends as it does, also where somebody has made the text up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from typing import NamedTuple

KEY = 3  # letters of its beginning by which a template is found


class Field(NamedTuple):
    """kind: '' a value, 'said', 'word' or 'listed': see `german`."""

    name: str
    kind: str


@dataclass(frozen=True)
class Template:
    """literals: one more than there are fields, around and between them. german: for `str.format`."""

    literals: tuple[str, ...]
    fields: tuple[Field, ...]
    german: str

    @cached_property
    def weight(self) -> int:
        """Characters that a text must have: of two templates that fit, the heavier is meant."""
        return sum(map(len, self.literals))

    def values(self, text: str) -> dict[str, str] | None:
        """By field. None where the text was not made from this."""
        first, last = self.literals[0], self.literals[-1]
        if not self.fields:
            return {} if text == first else None
        if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
            return None
        found: dict[str, str] = {}
        start, end = len(first), len(text) - len(last)
        for field, literal in zip(self.fields, (*self.literals[1:-1], ""), strict=True):
            stop = text.find(literal, start, end) if literal else end
            if stop < 0:
                return None
            found[field.name] = text[start:stop]
            start = stop + len(literal)
        return found


def template(english: str, german: str) -> Template:
    literals, fields = [""], []
    for literal, name, kind, _ in Formatter().parse(english):
        literals[-1] += literal
        if name is not None:
            fields.append(Field(name, kind or ""))
            literals.append("")
    return Template(tuple(literals), tuple(fields), german)


class Catalogue:
    """Found by how they begin; those that begin with a field are tried for every text."""

    def __init__(self, templates: Iterable[Template]) -> None:
        self._by_beginning: dict[str, list[Template]] = {}
        for one in sorted(templates, key=lambda one: -one.weight):
            beginning = one.literals[0][:KEY]
            self._by_beginning.setdefault(beginning if len(beginning) == KEY else "", []).append(one)

    def fits(self, text: str) -> Iterator[tuple[Template, dict[str, str]]]:
        """Those that the text may have been made from, the most likely first."""
        candidates = [*self._by_beginning.get(text[:KEY], ()), *self._by_beginning.get("", ())]
        for one in sorted(candidates, key=lambda one: -one.weight):
            values = one.values(text)
            if values is not None:
                yield one, values
