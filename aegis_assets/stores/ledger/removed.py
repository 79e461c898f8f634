"""Documents that are gone, remembered until no call that was made for them can come back any more.

A trigger on aegis_document writes the rows (webadmin/documents/migrations/0016_bounds.py), whoever deletes the document.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from aegis_assets.model.ledger import RemovedRow
from aegis_assets.stores.ledger.base import Base, Connection, one, reads, rows, writes

# Grows with: nothing.
THERE: Final = "SELECT 1 FROM aegis_document WHERE id = %(document)s AND state <> 'removing'"
# Grows with: the limit. back: the same source was ingested anew under the same id; LIMIT 1, for EXISTS may hash all documents.
DUE: Final = """
SELECT r.id, r.document_id AS document, r.collection_id AS collection,
    coalesce((SELECT true FROM aegis_document d WHERE d.id = r.document_id LIMIT 1), false) AS back
FROM aegis_removed r WHERE r.removed_at < now() - make_interval(secs => %(seconds)s) ORDER BY r.removed_at, r.id LIMIT %(limit)s"""
# Grows with: nothing.
FORGET: Final = "DELETE FROM aegis_removed WHERE id = %(id)s"
POSTPONE: Final = "UPDATE aegis_removed SET removed_at = now() WHERE id = %(id)s"


class Removals(Base):
    @reads
    def is_removed(self, connection: Connection, document: UUID) -> bool:
        """Return whether the document is gone or being removed."""
        return one(connection, THERE, document=document) is None

    @reads
    def removed_before(self, connection: Connection, seconds: float, limit: int) -> list[RemovedRow]:
        """Return documents that went longer ago than that, the oldest first."""
        return [RemovedRow.model_validate(row) for row in rows(connection, DUE, seconds=seconds, limit=limit)]

    @writes
    def forget_removed(self, connection: Connection, row: int) -> None:
        connection.execute(FORGET, {"id": row})

    @writes
    def postpone_removed(self, connection: Connection, row: int) -> None:
        """Put it behind all others, as if the document had just gone."""
        connection.execute(POSTPONE, {"id": row})
