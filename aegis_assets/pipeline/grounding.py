"""A model's reply by names, and the text it is about -> an Extraction whose every name stands in the text at a span.

The questionable decisions: a name is recorded at every place it stands, up to MAX_PLACES, because evidence is what people click
on; a name inside a longer found name counts only when it stands nowhere else ("Paris" in "Paris Agreement"); a name that the text
spells otherwise (`folded_text`) is kept and marked as inexact. What does not stand in the text, is of a type outside the schema, or
is a relation that lacks an end, is dropped and counted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from aegis_assets.model.extraction import Extraction, Mention, Relation, Schema
from aegis_assets.model.ids import normalised
from aegis_assets.pipeline.folded_text import MAX_PLACES, FoldedText
from aegis_assets.pipeline.prompts import Reply, ReplyRelation
from aegis_assets.pipeline.sentences import Span, around, sentences

Spanned = TypeVar("Spanned", Mention, Relation)

MAX_NAME: Final = 512
MAX_TYPE: Final = 64
UNNAMED: Final = "RELATED_TO"
MAX_ENTITIES: Final = 300
MAX_RELATIONS: Final = 600
MAX_EVIDENCE: Final = 1000

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]+")


def clean_name(name: str) -> str:
    """NFC, without control and invisible characters, white space made single, at most MAX_NAME characters."""
    spaced = " ".join(_CONTROL.sub(" ", unicodedata.normalize("NFC", name.replace("\u00ad", ""))).split())
    return spaced[:MAX_NAME].strip()


def type_name(word: str) -> str:
    """UPPER_SNAKE of [A-Z0-9_], at most MAX_TYPE characters; empty when nothing of the word remains."""
    plain = unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode()
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain)
    return re.sub(r"[^A-Z0-9]+", "_", split.upper()).strip("_")[:MAX_TYPE].rstrip("_")


def allowed_type(word: str, wanted: Sequence[str]) -> str | None:
    """The type as the schema spells it, compared without case, blanks and underscores; any type where the schema names none."""
    form = type_name(word)
    if not wanted:
        return form or None
    spelled = clean_name(word).casefold()
    for candidate in wanted:
        if spelled == clean_name(candidate).casefold() or (form and form == type_name(candidate)):
            return candidate
    return None


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
        """Gives each name its places, longer names first; returns how many stand nowhere."""
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
        """In text order, and for each name the indices of its mentions."""
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
        """The text's own spelling; a word broken at a line end takes the asked-for one, which knows whether the hyphen belongs."""
        written = self.text[start:end]
        if re.search(r"[\u00ad\u200b]|[-\u2010]\s*\n", written):
            return asked
        return clean_name(written) or asked


def ground(reply: Reply, text: str, schema: Schema) -> Extraction:
    """Never raises: whatever the reply holds, what comes out is true of the text. Same reply and text, same result."""
    found = Places(text)
    dropped = max(0, len(reply.entities) - MAX_ENTITIES) + max(0, len(reply.relations) - MAX_RELATIONS)
    for entity in reply.entities[:MAX_ENTITIES]:
        name, kind = clean_name(entity.name), allowed_type(entity.type, schema.entity_types)
        key = normalised(name)
        if not key or kind is None or len(entity.name) > MAX_NAME * 4:
            dropped += 1
        elif key not in found.names:  # a name given two types keeps the first: relations go by name and must be unambiguous
            found.names[key] = (name, kind)
    dropped += found.claim()
    mentions, indices = found.mentions()
    spans = sentences(text) if reply.relations else []
    relations: dict[tuple[str, str, str], Relation] = {}
    for stated in reply.relations[:MAX_RELATIONS]:
        kind, source, target = _ends(stated, schema, indices)
        if kind is None or source is None or target is None or source == target:
            dropped += 1
            continue
        relation = _placed(stated, kind, indices[source], indices[target], mentions, spans)
        known = relations.get((source, kind, target))
        if known is None or known.confidence < relation.confidence:
            relations[source, kind, target] = relation
    return Extraction(mentions=tuple(mentions), relations=tuple(relations.values()), dropped=dropped)


def _ends(stated: ReplyRelation, schema: Schema, indices: dict[str, list[int]]) -> tuple[str | None, str | None, str | None]:
    """UNNAMED where a type has letters, but none that UPPER_SNAKE can hold."""
    kind = allowed_type(stated.type, schema.relation_types)
    if kind is None and not schema.relation_types and normalised(stated.type):
        kind = UNNAMED
    source, target = normalised(clean_name(stated.source)), normalised(clean_name(stated.target))
    return (
        (type_name(kind) or UNNAMED) if kind else None,
        source if source in indices else None,
        target if target in indices else None,
    )


def _placed(
    stated: ReplyRelation, kind: str, sources: list[int], targets: list[int], mentions: list[Mention], spans: list[Span]
) -> Relation:
    """Between the nearest two mentions; the evidence is the sentence that holds both, or all sentences from one to the other."""
    pairs = [(abs(mentions[a].start - mentions[b].start), a, b) for a in sources for b in targets if a != b]
    _, source, target = min(pairs)
    first, last = sorted((source, target), key=lambda index: mentions[index].start)
    start, end = around(spans, mentions[first].start, max(mentions[first].end, mentions[last].end))
    if end - start > MAX_EVIDENCE:
        start, end = around(spans, mentions[last].start, mentions[last].end)
    return Relation(source=source, target=target, type=kind, confidence=min(1.0, max(0.0, stated.confidence)), start=start, end=end)


def shifted(extraction: Extraction, offset: int) -> Extraction:
    """The extraction of a piece, as spans of the whole text that the piece begins in at `offset`."""
    if not offset:
        return extraction
    return extraction.model_copy(
        update={
            "mentions": tuple(_moved(mention, offset) for mention in extraction.mentions),
            "relations": tuple(_moved(relation, offset) for relation in extraction.relations),
        }
    )


def _moved(spanned: Spanned, offset: int) -> Spanned:
    return spanned.model_copy(update={"start": spanned.start + offset, "end": spanned.end + offset})


def merged(parts: Iterable[Extraction]) -> Extraction:
    """One extraction of the parts of one text, spans already shifted. A place keeps its first mention; counts add up.

    The same name typed differently in two parts keeps both types: they are two claims by two answers.
    """
    mentions: list[Mention] = []
    seats: dict[tuple[int, int, str], int] = {}
    relations: dict[tuple[int, int, str], Relation] = {}
    sums = {"dropped": 0, "calls": 0, "prompt_tokens": 0, "completion_tokens": 0}
    skipped: list[str] = []
    count = 0
    for part in parts:
        count += 1
        seat: list[int] = []
        for mention in part.mentions:
            key = (mention.start, mention.end, mention.type)
            if key not in seats:
                seats[key] = len(mentions)
                mentions.append(mention)
            seat.append(seats[key])
        for relation in part.relations:
            moved = relation.model_copy(update={"source": seat[relation.source], "target": seat[relation.target]})
            relations.setdefault((moved.source, moved.target, moved.type), moved)
        if part.skipped:
            skipped.append(part.skipped)
        for field in sums:
            sums[field] += getattr(part, field)
    reason = skipped[0] if skipped and len(skipped) == count else None
    return Extraction(mentions=tuple(mentions), relations=tuple(relations.values()), skipped=reason, **sums)
