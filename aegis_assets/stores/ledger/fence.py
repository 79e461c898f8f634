"""Advisory locks of the ledger, and the fence that keeps a run that was superseded from writing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.errors import NotFound, Superseded
from aegis_assets.stores.ledger.base import Connection, one, rows

# A run's writes hold this lock shared; who hands the document to another run takes it alone. Advisory locks queue, so a stream of
# chunk results cannot starve a take-over, which row locks would allow.
LOCK_SHARED: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended(%(document)s::text, 0))"
LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%(document)s::text, 0))"
LOCK_NAMED: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 1))"
FENCE: Final = "SELECT state, run_id, cancel_requested FROM aegis_document WHERE id = %(document)s"
LOCK_ALL: Final = "SELECT pg_advisory_xact_lock(hashtextextended(id::text, 0)) FROM unnest(%(documents)s::uuid[]) AS one(id)"
OURS: Final = "SELECT id FROM aegis_document WHERE id = ANY(%(documents)s) AND run_id = %(run_id)s AND state = 'running'"


def lock(connection: Connection, document: UUID) -> None:
    """Let this transaction alone write for the document."""
    connection.execute(LOCK, {"document": document})


def lock_name(connection: Connection, name: str) -> None:
    """Wait for the lock of this name, and keep it until the transaction ends."""
    connection.execute(LOCK_NAMED, {"name": name})


def fence(connection: Connection, document: UUID, run_id: str, *, alone: bool = False) -> None:
    """Keep other runs from taking the document until this transaction ends. Raise Superseded when it is not the run's any more."""
    # Two statements: under READ COMMITTED the second sees what the holder of the lock committed.
    connection.execute(LOCK if alone else LOCK_SHARED, {"document": document})
    require_running(one(connection, FENCE, document=document), document, run_id)


def fence_all(connection: Connection, documents: Iterable[UUID], run_id: str) -> set[UUID]:
    """Fence several documents alone, in the order of their ids, so that no two callers wait for each other. Return the run's."""
    wanted = sorted(documents)
    connection.execute(LOCK_ALL, {"documents": wanted})
    return {row["id"] for row in rows(connection, OURS, documents=wanted, run_id=run_id)}


def require_running(row: DictRow | None, document: UUID, run_id: str) -> None:
    """Raise NotFound or Superseded unless a row with state and run_id is of a document that the run works on."""
    if row is None:
        raise NotFound(f"There is no document {document}.")
    if row["run_id"] != run_id:
        raise Superseded("Another run has taken over this document.")
    if row["state"] != "running":
        raise Superseded(f"This run is over for the document, which is {row['state']}.")
