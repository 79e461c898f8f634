"""The contents a document has had -> what each changed: pages, chunks, and why it was made."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SHOWN: Final = 20
# Not the inspection, which is megabytes. What the one in the making changes is counted as it stands.
GENERATIONS: Final = """
SELECT g.id, g.number, g.state, g.sha256, g.size, g.pages, g.plan_fingerprint, g.created_at, g.published_at,
    g.parser, g.extractor, g.chunks_added, g.chunks_kept, g.chunks_removed
FROM aegis_generation g WHERE g.document_id = %(document)s ORDER BY g.number DESC LIMIT %(shown)s"""
SO_FAR: Final = """
SELECT count(*) FILTER (WHERE live.id IS NULL), count(*) FILTER (WHERE live.id IS NOT NULL)
FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.making_id
LEFT JOIN aegis_placement live ON live.generation_id = d.live_id AND live.chunk_id = p.chunk_id
WHERE d.id = %(document)s"""


class Change(NamedTuple):
    """Chunks against the generation before. start: where each begins on a bar of `total`."""

    added: int
    kept: int
    removed: int

    @property
    def total(self) -> int:
        return max(1, self.added + self.kept + self.removed)

    @property
    def gone_from(self) -> int:
        return self.kept + self.added


class Generation(NamedTuple):
    """size, pages: None and 0 are unknown yet. grown: pages more than before, None where one of both is unknown."""

    number: int
    state: str
    sha256: str
    size: int
    pages: int | None
    grown: int | None
    parser: str
    extractor: str
    created_at: datetime
    published_at: datetime | None
    reason: str | Promise
    change: Change


def generations(document: UUID) -> list[Generation]:
    """The newest first."""
    with connection.cursor() as cursor:
        cursor.execute(GENERATIONS, {"document": document, "shown": SHOWN + 1})
        rows = cursor.fetchall()
        cursor.execute(SO_FAR, {"document": document})
        added, kept = cursor.fetchone()
    before = [*rows[1:], None]
    return [
        _generation(row, old, Change(added, kept, 0) if row[2] == "making" else Change(*row[11:]))
        for row, old in zip(rows[:SHOWN], before, strict=False)
    ]


Row = tuple[Any, ...]  # of GENERATIONS


def _generation(row: Row, old: Row | None, change: Change) -> Generation:
    _id, number, state, sha256, size, pages, _plan, created, published, parser, extractor, *_counts = row
    grown = pages - old[5] if old is not None and pages is not None and old[5] is not None else None
    return Generation(number, state, sha256, size, pages, grown, parser, extractor, created, published, _reason(row, old), change)


def _reason(row: Row, old: Row | None) -> str | Promise:
    if old is None:
        return _("first content") if row[1] == 1 else ""
    if row[3] != old[3]:
        return _("other bytes")
    if row[9] and old[9] and row[9] != old[9]:
        return _("another parser")
    return _("cut otherwise") if row[6] != old[6] else _("the same, made anew")
