"""One chunk -> what a person reads: its text with entities and relations marked, where it stands, and how its stages went.

Spans of mentions and relations overlap as they like. The text is cut wherever one begins or ends, so each piece is in a mention or
not, and in the sentences of some relations: a template can write that without putting together markup from a document's text.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from webadmin.documents.models import ChunkTask, Failure, Mention, Placement, Relation

COLOURS: Final = 8
FAILURES_SHOWN: Final = 20
RELATIONS_SHOWN: Final = 60


class Piece(NamedTuple):
    """A run of the text. type: of the entity it names, '' for none. colour: from 0. relations: whose sentences it belongs to.

    sought: it lies in the span that the address asked for.
    """

    text: str
    type: str = ""
    name: str = ""
    colour: int = 0
    relations: str = ""
    sought: bool = False


class Named(NamedTuple):
    """An entity: its canonical name, its other names here, how often it is mentioned."""

    id: UUID
    name: str
    type: str
    colour: int
    also: tuple[str, ...]
    mentions: int


class Said(NamedTuple):
    number: int
    source: str
    type: str
    target: str
    sentence: str
    percent: int


class Task(NamedTuple):
    stage: str
    state: str
    attempts: int
    cached: bool
    note: str
    seconds: float | None
    finished_at: datetime | None
    run_id: str


class Page(NamedTuple):
    """boxes: [left, top, right, bottom] in points from the top left corner."""

    number: int
    boxes: list[list[float]]


class Reading(NamedTuple):
    """number: its place in the document, of `total`. before, after: ids of its neighbours. other: it stands in another generation
    than the one that the page shows."""

    id: UUID
    window: int
    ordinal: int
    number: int
    total: int
    before: UUID | None
    after: UUID | None
    tokens: int
    headings: tuple[str, ...]
    pages: tuple[int, ...]
    pictured: tuple[Page, ...]
    generation: int
    other: bool
    sha256: str
    pieces: tuple[Piece, ...]
    entities: tuple[Named, ...]
    relations: tuple[Said, ...]
    tasks: tuple[Task, ...]
    failures: tuple[Failure, ...]


def find(document: UUID, shown: int | None, chunk: UUID) -> Placement | None:
    """Where it stands in the generation that is shown, else in another one."""
    found = list(_placements().filter(chunk=chunk, chunk__document=document).order_by("-generation_id")[:3])
    return next((place for place in found if place.generation_id == shown), found[0] if found else None)


def at(shown: int | None, window: int, ordinal: int) -> Placement | None:
    return _placements().filter(generation=shown, window__ordinal=window, ordinal=ordinal).first()


def _placements() -> QuerySet[Placement]:
    return Placement.objects.select_related("chunk", "window", "generation").defer(
        "generation__inspection", "window__parsed", "window__headings"
    )


def reading(place: Placement, shown: int | None, paged: bool, sought: tuple[int, int] | None = None) -> Reading:
    """sought: a span of the text to point out. Takes the same number of queries for every chunk."""
    chunk = place.chunk
    mentions = list(Mention.objects.filter(chunk=chunk).select_related("entity__canonical").order_by("start", "-end", "id"))
    relations = list(
        Relation.objects.filter(chunk=chunk)
        .select_related("source__canonical", "target__canonical")
        .order_by("-confidence", "start", "id")[:RELATIONS_SHOWN]
    )
    number, total, before, after = _neighbours(place)
    return Reading(
        id=chunk.pk,
        window=place.window.ordinal,
        ordinal=place.ordinal,
        number=number,
        total=total,
        before=before,
        after=after,
        tokens=chunk.tokens,
        headings=tuple(place.headings),
        pages=tuple(place.pages),
        pictured=_pages(place) if paged else (),
        generation=place.generation.number,
        other=place.generation_id != shown,
        sha256=place.generation.sha256,
        pieces=pieces(chunk.text, mentions, relations, sought),
        entities=_entities(mentions),
        relations=tuple(_said(number, relation, chunk.text) for number, relation in enumerate(relations)),
        tasks=tuple(_task(task) for task in ChunkTask.objects.filter(chunk=chunk).order_by("stage")),
        failures=tuple(Failure.objects.filter(chunk=chunk).order_by("resolved", "-id")[:FAILURES_SHOWN]),
    )


def pieces(
    text: str, mentions: Sequence[Mention], relations: Sequence[Relation], sought: tuple[int, int] | None = None
) -> tuple[Piece, ...]:
    """mentions: by their start, the longer first; of two that overlap, the first is marked."""
    marked: list[Mention] = []
    for mention in mentions:
        if mention.start < mention.end <= len(text) and (not marked or mention.start >= marked[-1].end):
            marked.append(mention)
    spans = [(mention.start, mention.end) for mention in marked]
    said = [(relation.start, relation.end) for relation in relations]
    edges = {0, len(text), *(min(edge, len(text)) for span in (*spans, *said, *([sought] if sought else [])) for edge in span)}
    cuts = sorted(edges)
    found, upcoming = [], 0
    for start, end in pairwise(cuts):
        while upcoming < len(marked) and marked[upcoming].end <= start:
            upcoming += 1
        named = marked[upcoming] if upcoming < len(marked) and marked[upcoming].start <= start else None
        inside = " ".join(str(number) for number, (left, right) in enumerate(said) if left <= start and end <= right)
        hit = sought is not None and sought[0] <= start and end <= sought[1]
        entity = named.entity if named else None
        found.append(
            Piece(
                text[start:end],
                entity.type if entity else "",
                entity.canonical.name if entity else "",
                colour(entity.type) if entity else 0,
                inside,
                hit,
            )
        )
    return tuple(found)


def colour(kind: str) -> int:
    """The same for one type on every page."""
    return zlib.crc32(kind.encode()) % COLOURS


def _neighbours(place: Placement) -> tuple[int, int, UUID | None, UUID | None]:
    """Its number from 1, how many there are, and the chunks before and after it."""
    all_of = Placement.objects.filter(generation=place.generation_id)
    window, ordinal = place.window.ordinal, place.ordinal
    before = all_of.filter(Q(window__ordinal__lt=window) | Q(window__ordinal=window, ordinal__lt=ordinal))
    after = all_of.filter(Q(window__ordinal__gt=window) | Q(window__ordinal=window, ordinal__gt=ordinal))
    earlier = before.order_by("-window__ordinal", "-ordinal").values_list("chunk_id", flat=True).first()
    later = after.order_by("window__ordinal", "ordinal").values_list("chunk_id", flat=True).first()
    return before.count() + 1, all_of.count(), earlier, later


def _pages(place: Placement) -> tuple[Page, ...]:
    return tuple(
        Page(page, [[box["l"], box["t"], box["r"], box["b"]] for box in place.boxes if box["page"] == page])
        for page in sorted(set(place.pages))
    )


def _entities(mentions: Sequence[Mention]) -> tuple[Named, ...]:
    """Those named most often first."""
    by_entity: dict[UUID, list[Mention]] = {}
    for mention in mentions:
        by_entity.setdefault(mention.entity.canonical_id, []).append(mention)
    found = []
    for identity, group in by_entity.items():
        entity = group[0].entity.canonical
        also = dict.fromkeys(mention.name for mention in group if mention.name != entity.name)
        found.append(Named(identity, entity.name, entity.type, colour(group[0].entity.type), tuple(also), len(group)))
    return tuple(sorted(found, key=lambda named: (-named.mentions, named.name)))


def _said(number: int, relation: Relation, text: str) -> Said:
    sentence = " ".join(text[relation.start : relation.end].split())
    names = relation.source.canonical.name, relation.target.canonical.name
    return Said(number, names[0], relation.type, names[1], sentence, round(relation.confidence * 100))


def _task(task: ChunkTask) -> Task:
    seconds = None
    if task.started_at and task.finished_at and task.finished_at >= task.started_at and not task.cached:
        seconds = (task.finished_at - task.started_at).total_seconds()
    return Task(task.stage, task.state, task.attempts, task.cached, task.note, seconds, task.finished_at, task.run_id)
