"""Rows as runs leave them, made without a run: documents with windows, chunks, marks, mentions and relations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4, uuid5

from django.utils import timezone

from aegis_assets.model.ids import collection_id
from webadmin.documents.models import (
    Chunk,
    ChunkTask,
    Collection,
    Document,
    Entity,
    Generation,
    Mention,
    Merge,
    Placement,
    Relation,
    RunDocument,
    Window,
)

RUN = "run-1"
BEGIN = timezone.now() - timedelta(hours=1)
COLLECTION = collection_id("default")


@dataclass(frozen=True)
class Made:
    """chunks: in reading order."""

    document: UUID
    generation: int
    sha256: str
    chunks: list[UUID]


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def made(windows: list[int], *, text: str = "Ada wrote notes.", pages: int | None = None) -> Made:
    """A PDF whose windows of one page have so many chunks each, all done: window n parsed from second n to n + 1, enriched at
    n + 2, its chunks embedded and extracted until n + 4."""
    Collection.objects.get_or_create(id=COLLECTION, defaults={"name": "default"})
    identity = uuid4()
    sha256 = identity.hex * 2
    Document.objects.create(
        id=identity, collection_id=COLLECTION, name=f"{identity.hex}.pdf", source="upload", source_key=identity.hex, format="pdf"
    )
    generation = Generation.objects.create(
        document_id=identity, number=1, sha256=sha256, blob=f"blobs/{sha256}", state="live", pages=pages or len(windows)
    )
    chunks = [chunk for ordinal, count in enumerate(windows) for chunk in _window(identity, generation, ordinal, count, text)]
    Document.objects.filter(pk=identity).update(live=generation, size=1000)
    RunDocument.objects.create(
        document_id=identity, run_id=RUN, started_at=at(-1), finished_at=at(len(windows) + 6), parsed_windows=len(windows),
        parse_seconds=6, enrich_seconds=2, embed_seconds=1, extract_seconds=1, resolve_seconds=0.5, publish_seconds=1,
        resolve_began_at=at(len(windows) + 4), resolve_ended_at=at(len(windows) + 4.5),
        publish_began_at=at(len(windows) + 4.5), publish_ended_at=at(len(windows) + 5.5),
    )  # fmt: skip
    return Made(identity, generation.pk, sha256, chunks)


def _window(document: UUID, generation: Generation, ordinal: int, count: int, text: str) -> list[UUID]:
    window = Window.objects.create(
        id=uuid4(), generation=generation, document_id=document, ordinal=ordinal, first=ordinal + 1, last=ordinal + 1, key="k",
        parse_state="done", enrich_state="done", started_at=at(ordinal), parsed_at=at(ordinal + 1), enriched_at=at(ordinal + 2),
    )  # fmt: skip
    chunks = [
        Chunk(id=uuid4(), document_id=document, text_hash=f"{ordinal:032}{number:032}", repeat=0, text=text, tokens=5)
        for number in range(count)
    ]
    Chunk.objects.bulk_create(chunks)
    Placement.objects.bulk_create(
        Placement(generation=generation, window=window, chunk=chunk, ordinal=number, headings=["Top"], pages=[ordinal + 1])
        for number, chunk in enumerate(chunks)
    )
    ChunkTask.objects.bulk_create(
        ChunkTask(
            chunk=chunk, document_id=document, stage=stage, state="done", run_id=RUN,
            started_at=at(ordinal + 2.5), finished_at=at(ordinal + 4),
        )
        for chunk in chunks
        for stage in ("embed", "extract")
    )  # fmt: skip
    return [chunk.pk for chunk in chunks]


def entity(name: str, kind: str = "PERSON") -> Entity:
    identity = uuid5(COLLECTION, f"{kind} {name}")
    found, _ = Entity.objects.get_or_create(
        id=identity,
        defaults={"collection_id": COLLECTION, "canonical_id": identity, "type": kind, "name": name, "normalised": name.lower()},
    )
    return found


def mention(chunk: UUID, name: str, start: int, end: int, kind: str = "PERSON") -> Mention:
    document = Chunk.objects.get(pk=chunk).document_id
    return Mention.objects.create(
        chunk_id=chunk, document_id=document, entity=entity(name, kind), name=name[:512], start=start, end=end
    )


def relation(chunk: UUID, source: str, target: str, start: int, end: int, kind: str = "WRITE") -> Relation:
    document = Chunk.objects.get(pk=chunk).document_id
    return Relation.objects.create(
        chunk_id=chunk, document_id=document, source=entity(source), target=entity(target), type=kind, confidence=0.8,
        start=start, end=end,
    )  # fmt: skip


def merge(left: str, right: str, reason: str, score: float = 0.93) -> Merge:
    """Two entities of these names, made one."""
    first, second = sorted((entity(left), entity(right)), key=lambda one: one.pk)
    return Merge.objects.create(collection_id=COLLECTION, left=first, right=second, reason=reason, score=score)
