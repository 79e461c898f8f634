"""A document's failures -> one line for each reason, however many chunks it struck: a thousand lines answer nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection

SHOWN: Final = 30
FAILURES: Final = """
SELECT f.stage, f.kind, f.message, f.retryable, f.resolved, count(*), max(f.attempt), max(f.created_at),
    count(DISTINCT f.chunk_id), (array_agg(f.chunk_id ORDER BY f.id DESC) FILTER (WHERE f.chunk_id IS NOT NULL))[1],
    count(DISTINCT w.id), min(w.first), max(w.last)
FROM aegis_failure f LEFT JOIN aegis_window w ON w.id = f.window_id
WHERE f.document_id = %(document)s
GROUP BY f.stage, f.kind, f.message, f.retryable, f.resolved
ORDER BY f.resolved, max(f.created_at) DESC, max(f.id) DESC LIMIT %(shown)s"""


class Reason(NamedTuple):
    """attempt: the highest. chunk: the last one that it struck. first, last: parts of the document, from the first window that it
    struck to the last."""

    stage: str
    kind: str
    message: str
    retryable: bool
    resolved: bool
    times: int
    attempt: int
    latest: datetime
    chunks: int
    chunk: UUID | None
    windows: int
    first: int | None
    last: int | None


def failures(document: UUID) -> list[Reason]:
    """What still stands first, then the latest."""
    with connection.cursor() as cursor:
        cursor.execute(FAILURES, {"document": document, "shown": SHOWN})
        return [Reason(*row) for row in cursor.fetchall()]
