"""A ledger in which every text that comes from outside is an attempt to be something else than text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from aegis_assets.model.embedding import VectorPoint
from aegis_assets.model.ids import collection_id, text_hash
from tests.webadmin.uploads import put
from webadmin.console.audit import trail
from webadmin.console.audit.trail import Actor
from webadmin.console.people import tokens
from webadmin.documents import models, platform

TOKEN = "zq9"  # by which the text is found on a page
MARKUP = '</script></textarea><img src=x class=pwned onerror="window.pwned=1"><script>window.pwned=1</script>\'{{7*7}}'
HOSTILE = f"{TOKEN}{MARKUP}\u202egnp.exe\u2067 😀👩‍💻 &amp; é\u0301"  # the marks that turn the direction are never closed
SHORT = f'{TOKEN}<b class=pwned>\u202e"😀'


@dataclass(frozen=True)
class Stuffed:
    document: UUID
    collection: UUID
    generation: int
    window: UUID
    chunk: UUID
    entity: UUID
    merge: int
    token: int
    user: int
    failure: int
    audit: int


def stuffed() -> Stuffed:
    document = put("a.md")
    collection = collection_id("default")
    models.Collection.objects.filter(pk=collection).update(
        description=HOSTILE, entity_types=[SHORT, "person"], relation_types=[SHORT], prompt=HOSTILE, model=SHORT
    )
    generation = models.Generation.objects.create(document_id=document, number=1, sha256="0" * 64, blob="blobs/x", pages=2)
    names = dict.fromkeys(("parser", "extractor", "embedder", "media_type"), HOSTILE[:128])
    models.Document.objects.filter(pk=document).update(
        name=HOSTILE, source_key=HOSTILE, message=HOSTILE, format=SHORT, run_id="run-1", live=generation, state="queued", **names
    )
    models.Document.objects.filter(pk=document).update(state="running", fraction=0.4)
    window = models.Window.objects.create(
        id=uuid4(), generation=generation, document_id=document, ordinal=0, first=1, last=2, key="k",
        parse_state="done", enrich_state="done", started_at=timezone.now(),
    )  # fmt: skip
    chunks = [_chunk(document, generation, window, number) for number in range(3)]
    left, right = (_entity(collection, number) for number in (1, 2))
    for chunk in chunks:
        _said(document, chunk, left, right)
    merge = models.Merge.objects.create(collection_id=collection, left=left, right=right, reason=SHORT, score=0.9)
    failure = models.Failure.objects.create(
        document_id=document, window=window, chunk=chunks[2], stage="extract", kind=SHORT, retryable=True, message=HOSTILE
    )
    models.RunDocument.objects.create(run_id="run-1", document_id=document, extracted_chunks=2, extract_seconds=3)
    models.Lease.objects.create(id=uuid4(), resource="ollama", weight=1, owner=document, session=1, held=True, holder=HOSTILE[:128])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(1)")  # as a living holder has it, until this connection ends
    models.Limit.objects.create(name="ollama_max_concurrent", value=3)
    user = User.objects.create_user("hostile", first_name=HOSTILE[:150], last_name=SHORT, email="a@b.example", is_staff=True)
    token, _secret = tokens.make(user, SHORT, 10)
    trail.record(Actor(user.pk, HOSTILE[:200]), "document.retry", models.Document.objects.get(pk=document), why=HOSTILE)
    from webadmin.console.models import AuditEntry

    return Stuffed(
        document, collection, generation.pk, window.pk, chunks[0].pk, left.pk, merge.pk, token.pk, user.pk, failure.pk,
        AuditEntry.objects.latest("pk").pk,
    )  # fmt: skip


def answering(there: Stuffed) -> None:
    """Its chunks are found by a search. An engine has to be there."""
    vectors, engine = platform.vectors(), platform.engine()
    chunks = list(models.Chunk.objects.filter(document_id=there.document))
    vectors.ensure(there.collection, engine.info())
    embedded = engine.embed([chunk.text for chunk in chunks], "passage")
    points = [
        VectorPoint(id=chunk.pk, document=there.document, embedding=embedding, live=True)
        for chunk, embedding in zip(chunks, embedded, strict=True)
    ]
    vectors.upsert(there.collection, points)


def _chunk(document: UUID, generation: models.Generation, window: models.Window, number: int) -> models.Chunk:
    text = f"{number} Ada met Babbage. {HOSTILE}"
    chunk = models.Chunk.objects.create(id=uuid4(), document_id=document, text_hash=text_hash(text), repeat=0, text=text, tokens=9)
    box = {"page": 1, "l": 10, "t": 10, "r": 200, "b": 60}
    models.Placement.objects.create(
        generation=generation, window=window, chunk=chunk, ordinal=number, headings=[HOSTILE], pages=[1, 2], boxes=[box]
    )
    for stage in ("embed", "extract"):
        models.ChunkTask.objects.create(
            chunk=chunk, document_id=document, stage=stage, state="failed" if number == 2 else "done", fingerprint="old",
            note=HOSTILE, run_id="run-1", attempts=1, started_at=timezone.now() - timedelta(seconds=2), finished_at=timezone.now(),
        )  # fmt: skip
    return chunk


def _entity(collection: UUID, number: int) -> models.Entity:
    identity, name = uuid4(), f"{number}{HOSTILE}"
    return models.Entity.objects.create(
        id=identity, collection_id=collection, canonical_id=identity, type=SHORT, name=name, normalised=f"entity {number}"
    )


def _said(document: UUID, chunk: models.Chunk, left: models.Entity, right: models.Entity) -> None:
    for entity, start, end in ((left, 2, 5), (right, 10, 17)):
        models.Mention.objects.create(
            chunk=chunk, document_id=document, entity=entity, name=chunk.text[start:end], start=start, end=end
        )
    models.Relation.objects.create(
        chunk=chunk, document_id=document, source=left, target=right, type=SHORT, confidence=0.8, start=0, end=18
    )
