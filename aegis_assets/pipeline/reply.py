"""What a language model answers about a passage: tuples, in an answer that may be cut short or run in a circle."""

from __future__ import annotations

import json
import re
from typing import Annotated, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_TUPLE: Final = re.compile(rf"\[\s*({_STRING}(?:\s*,\s*{_STRING})+)\s*(?:,\s*\d+\s*)?\]")


class ReplyEntity(NamedTuple):
    name: str
    type: str


class ReplyRelation(NamedTuple):
    """source, target: names. line: the number of the passage's line that says it."""

    source: str
    predicate: str
    target: str
    line: Annotated[int, Field(ge=0, lt=1_000_000)]


_ROW: Final[TypeAdapter[ReplyEntity | ReplyRelation]] = TypeAdapter(ReplyEntity | ReplyRelation)


class Reply(BaseModel):
    """Extra keys are refused: they are how a model that ignores the schema is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    entities: tuple[ReplyEntity, ...]
    relations: tuple[ReplyRelation, ...]

    def with_more(self, other: Reply) -> Reply:
        """Return both together, each tuple once."""
        return Reply(
            entities=tuple(dict.fromkeys((*self.entities, *other.entities))),
            relations=tuple(dict.fromkeys((*self.relations, *other.relations))),
        )

    def in_tuples(self) -> str:
        """Return it in the form that is asked for: one line of JSON without blanks."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))


def complete_tuples(content: str) -> Reply:
    """Return what an answer that was cut short holds: its complete tuples are as good as those of a whole one."""
    rows = [row for found in _TUPLE.finditer(content) if (row := _loaded(found.group())) is not None]
    return Reply(
        entities=tuple(row for row in rows if isinstance(row, ReplyEntity)),
        relations=tuple(row for row in rows if isinstance(row, ReplyRelation)),
    )


def _loaded(text: str) -> ReplyEntity | ReplyRelation | None:
    """Return the tuple, None for one that a whole answer could not have either."""
    try:
        return _ROW.validate_json(text)
    except ValidationError:
        return None


class RepetitionGuard:
    """Reads an answer as it comes, and notices a model that runs in a circle: it would only stop at its limit of tokens.

    A circle is `REPEATS` complete tuples in a row, each of which was given before, if for another line. One or two are a careless
    list.
    """

    REPEATS: Final = 3
    LONGEST: Final = 1000  # characters of a tuple: more is not kept, or each piece would be read again with all that came before

    def __init__(self) -> None:
        self._rest = ""
        self._seen: set[str] = set()
        self._repeated = 0

    def __call__(self, piece: str) -> bool:
        """Return whether the answer runs in a circle."""
        self._rest += piece
        if "]" not in piece:
            return False
        end = 0
        for found in _TUPLE.finditer(self._rest):
            self._repeated = self._repeated + 1 if found.group(1) in self._seen else 0
            self._seen.add(found.group(1))
            end = found.end()
        self._rest = self._rest[end:][-self.LONGEST :]
        return self._repeated >= self.REPEATS
