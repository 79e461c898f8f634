"""A language model's reply, and the text it is about -> an Extraction that is true of the text.

What does not stand in the text, is of a type outside the schema, or is a relation that lacks an end or a line that names one, is
dropped and counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from aegis_assets.model.extraction import Extraction, Mention, Relation, Schema
from aegis_assets.model.ids import normalised
from aegis_assets.pipeline.addressed import DOUBT, addressed_lines
from aegis_assets.pipeline.extraction_prompt import REFUGE, entity_types
from aegis_assets.pipeline.folded_text import FoldedText
from aegis_assets.pipeline.grounding import (
    MAX_ENTITIES,
    MAX_NAME,
    MAX_RELATIONS,
    Places,
    allowed_type,
    clean_name,
    type_name,
)
from aegis_assets.pipeline.passage import lines
from aegis_assets.pipeline.relation_ends import PERSON, Ends, is_date, key, parts
from aegis_assets.pipeline.reply import Reply, ReplyEntity
from aegis_assets.pipeline.sentences import Span

UNNAMED: Final = "RELATED_TO"
MAX_EVIDENCE: Final = 1000
SHORTEST_WORD: Final = 4  # letters of a first word by which a name is known again
STEM: Final = 4  # letters by which a verb is known in another form; one less of a short one

# How sure a relation is, by what the line names that the model gave: both ends, one of them and the other in a line beside it, or
# only one. Where another line has both, it is in between; a sentence that may be an instruction is the least.
BOTH, NEAR, ELSEWHERE, ONE = 0.9, 0.8, 0.7, 0.5
# Words of a verb phrase that any sentence has.
_UNTELLING: Final = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be been by can for from had has have in into is it its of on or that the their to was were which who"
        " will with als am auf aus bei das dem den der des die durch ein eine für hat im ist mit und von war werden wird wurde zu"
        " zum zur",
    )
)


def ground(reply: Reply, text: str, schema: Schema) -> Extraction:
    """Return what of the reply is true of the text. Never raises, whatever it holds; the same reply and text, the same result."""
    places = Places(text)
    dropped = max(0, len(reply.entities) - MAX_ENTITIES) + max(0, len(reply.relations) - MAX_RELATIONS)
    dropped += _list(reply.entities[:MAX_ENTITIES], places.names, places.folded, schema)
    ends = Ends(places.names, places.folded, REFUGE if REFUGE in entity_types(schema) else None)
    stated = [(row.line, *ends.read(row.source, row.predicate, row.target)) for row in reply.relations[:MAX_RELATIONS]]
    dropped += places.claim()
    mentions, indices = places.mentions()
    evidence = _Evidence(text, mentions, indices)
    relations: dict[tuple[str, str, str], Relation] = {}
    for line, sources, predicate, targets in stated:
        kind = _type(predicate, schema)
        said = None if schema.relation_types else _telling(predicate)
        pairs = [(a, b) for a in sources for b in targets if a != b and a in indices and b in indices]
        dropped += int(kind is None or not pairs)
        for source, target in pairs if kind else ():
            relation = evidence.relation(line, source, kind or UNNAMED, target, said)
            known = relations.get((source, relation.type, target)) if relation else None
            if relation is None:
                dropped += 1
            elif known is None or _surer(relation, known):
                relations[source, relation.type, target] = relation
    return Extraction(mentions=tuple(mentions), relations=tuple(relations.values()), dropped=dropped)


def _list(entities: Sequence[ReplyEntity], names: dict[str, tuple[str, str]], text: FoldedText, schema: Schema) -> int:
    """Add the entities that stand in the text to the names; return how many do not, or are none."""
    listed = {key(clean_name(entity.name)) for entity in entities}
    dropped = 0
    for entity in entities:
        kind = allowed_type(entity.type, entity_types(schema)) or (None if schema.entity_types else REFUGE)
        for name in _names(clean_name(entity.name), kind, listed):
            form = key(name)
            dates = not schema.entity_types and is_date(name)
            if not form or kind is None or dates or len(entity.name) > MAX_NAME * 4 or not text.places(name).spans:
                dropped += 1
            elif form not in names:  # a name given two types keeps the first: relations go by name and must be unambiguous
                names[form] = (name, kind)
    return dropped


def _names(name: str, kind: str | None, listed: set[str]) -> list[str]:
    """Return the names in it: two persons joined by "and" are two; so is what the model lists apart as well. Other names may have
    an "and" of their own."""
    several = parts(name)
    apart = kind == PERSON or all(key(part) in listed for part in several)
    return several if len(several) > 1 and apart else [name]


def _type(predicate: str, schema: Schema) -> str | None:
    """Return the relation's type: UNNAMED where a predicate has letters, but none that UPPER_SNAKE can hold."""
    kind = allowed_type(predicate, schema.relation_types)
    if kind is None and not schema.relation_types and normalised(predicate):
        return UNNAMED
    return (type_name(kind) or UNNAMED) if kind else None


def _surer(relation: Relation, known: Relation) -> bool:
    return (not relation.addressed, relation.confidence) > (not known.addressed, known.confidence)


def _telling(predicate: str) -> list[str]:
    """Return the beginnings of its words, without those that any sentence has: a verb is inflected."""
    return [word[: STEM if len(word) > STEM + 1 else STEM - 1] for word in normalised(predicate).split() if word not in _UNTELLING]


class _Evidence:
    """The lines of a text, and which names stand in them."""

    def __init__(self, text: str, mentions: Sequence[Mention], indices: dict[str, list[int]]) -> None:
        self._mentions = mentions
        self._indices = indices
        self._spans = lines(text)
        self._words = [f" {normalised(text[start:end])} " for start, end in self._spans]
        unnamed = list(text)  # without the mentions: "Medwave" of "Medwave Systems" is no short form of "Medwave Group"
        for mention in mentions:
            unnamed[mention.start : mention.end] = " " * (mention.end - mention.start)
        self._unnamed = [f" {normalised(''.join(unnamed[start:end]))} " for start, end in self._spans]
        self._addressed = addressed_lines(text, self._spans)

    def relation(self, line: int, source: str, kind: str, target: str, said: Sequence[str] | None) -> Relation | None:
        """Return the relation with the sentence that says it, None where no sentence can have said it.

        said: beginnings of the words that join the ends, None where they are not the passage's own. A bare "from" that the sentence
        has not is the example's: such ends are related, and that is all.
        """
        placed = self._line(line - 1, source, target, said)
        if placed is None:
            return None
        at, confidence = placed
        start, end = self._spans[at]
        if said == [] and f" {kind.lower().replace('_', ' ')} " not in self._words[at]:
            kind = UNNAMED
        return Relation(
            source=self._nearest(source, (start, end)),
            target=self._nearest(target, (start, end)),
            type=kind,
            confidence=confidence * (DOUBT if self._addressed[at] else 1),
            start=start,
            end=min(end, start + MAX_EVIDENCE),
            addressed=self._addressed[at],
        )

    def _line(self, given: int, source: str, target: str, said: Sequence[str] | None) -> tuple[int, float] | None:
        """Return the line that says it, and how sure that is: the one that the model gave or the first that has both ends, since
        small models count badly. Where no line has both, a pronoun may speak of one of them: then the given line has the other one,
        and a word of what joins them stands there, or in the line beside it that has the missing one."""
        numbers = [at for at in (given, *range(len(self._spans))) if 0 <= at < len(self._spans)]
        ends = {at: (self._stands(source, at), self._stands(target, at)) for at in numbers}
        if both := [at for at in numbers if all(ends[at])]:
            return both[0], BOTH if both[0] == given else ELSEWHERE
        if not any(ends.get(given, ())):
            return None
        beside = [at for at in (given - 1, given + 1) if at in ends and all(map(max, ends[given], ends[at]))]
        if said is not None and not any(f" {word}" in self._words[at] for at in (given, *beside) for word in said):
            return None
        return given, NEAR if beside else ONE

    def _stands(self, name: str, line: int) -> bool:
        """Return whether the line has a mention of it, or the word that it is shortened to: a surname, a firm's first word."""
        start, end = self._spans[line]
        if any(start <= self._mentions[index].start < end for index in self._indices[name]):
            return True
        first, *_, last = name.split() * 2
        person = self._mentions[self._indices[name][0]].type == PERSON
        words = {word for word in (first, last if person else first) if word == last or len(word) >= SHORTEST_WORD}
        return any(f" {word} " in self._unnamed[line] for word in words)

    def _nearest(self, name: str, span: Span) -> int:
        """Return the mention inside the sentence, else the one nearest to it."""
        mentions = self._mentions
        return min(
            self._indices[name], key=lambda index: (max(span[0] - mentions[index].start, mentions[index].end - span[1], 0), index)
        )
