"""Bytes in the bucket that several documents may share: who stores them and who deletes them take turns, blob by blob.

Whether anybody needs bytes is a question to the rows, and the bytes lie elsewhere. Without turns an upload finds its bytes there, a
removal deletes them, and the row that the upload then writes points at nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, LiteralString

import psycopg

from aegis_assets.postgres_options import connection_options
from aegis_assets.stores.ledger.base import STATEMENT_MS, Base, sentences

# Grows with: nothing.
KEEP: Final = "SELECT pg_advisory_lock_shared(hashtextextended(%(blob)s, 3))"
# Grows with: nothing.
DELETE: Final = "SELECT pg_advisory_lock(hashtextextended(%(blob)s, 3))"
# Grows with: the documents and generations that have the same bytes.
NEEDED: Final = """
SELECT 1 FROM aegis_document d WHERE d.blob = %(blob)s AND d.state <> 'removing'
UNION ALL
SELECT 1 FROM aegis_generation g JOIN aegis_document d ON d.id = g.document_id
WHERE g.blob = %(blob)s AND g.state <> 'superseded' AND d.state <> 'removing' LIMIT 1"""
# Grows with: the generations that have the same bytes.
FORGET: Final = "UPDATE aegis_generation SET blob = '' WHERE blob = %(blob)s AND state = 'superseded'"


class Blobs(Base):
    @contextmanager
    def storing(self, blob: str) -> Iterator[None]:
        """Nobody deletes these bytes until this ends: put them, and write the row that needs them. Several may store at once."""
        with self._turn(KEEP, blob):
            yield

    def discard(self, blob: str, delete: Callable[[str], None]) -> bool:
        """Delete bytes that no document needs. One that is being removed needs none, and neither does a former content."""
        with self._turn(DELETE, blob) as connection, sentences():
            if connection.execute(NEEDED, {"blob": blob}).fetchone() is not None:
                return False
            delete(blob)
            connection.execute(FORGET, {"blob": blob})
            return True

    @contextmanager
    def _turn(self, lock: LiteralString, blob: str) -> Iterator[psycopg.Connection]:
        """Hold the lock while the bytes are written or deleted. Raises StoreUnavailable, also after `STATEMENT_MS` of waiting.

        A session's lock, since no transaction stays open meanwhile. On a connection of its own: callers that held the pool's last
        ones and waited for one more would wait for each other.
        """
        options = connection_options("aegis blobs", lock_timeout=STATEMENT_MS, statement_timeout=STATEMENT_MS)
        with sentences():
            connection = psycopg.connect(self._url, autocommit=True, **options)
        with connection:
            with sentences():
                connection.execute(lock, {"blob": blob})
            yield connection
