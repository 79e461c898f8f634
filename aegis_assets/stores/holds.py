"""Which named pieces of work somebody is doing right now: session locks in PostgreSQL, gone the moment their process is.

A message broker cannot tell a worker that is slow from one that is dead; PostgreSQL can, at once for a killed process and within
five seconds for a machine that vanished, by the same connection settings as the leases. A lock also goes when PostgreSQL is
restarted: who holds one looks after it every second, and takes it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any, Final

import psycopg

from aegis_assets.errors import StoreUnavailable
from aegis_assets.postgres_options import CONNECT_SECONDS, connection_options

KEEP_SECONDS: Final = 1.0
TRY: Final = "SELECT pg_try_advisory_lock(hashtextextended(%(name)s, 3))"
ALIVE: Final = "SELECT 1"
HELD: Final = """
SELECT n.name FROM unnest(%(names)s::text[]) AS n (name)
JOIN pg_locks k ON k.locktype = 'advisory' AND k.granted AND k.objsubid = 1
    AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (k.classid::bigint << 32 | k.objid::bigint) = hashtextextended(n.name, 3)"""

Connection = psycopg.Connection[tuple[Any, ...]]


class Holds:
    """url: of the ledger, or of a pooler in session mode."""

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def hold(self, name: str) -> Iterator[bool]:
        """False when somebody else does it now. A connection and a thread, as long as it lasts. Raises StoreUnavailable."""
        connection = self._connect()
        if not _take(connection, name):
            connection.close()
            yield False
            return
        stop = Event()
        keeper = Thread(target=self._keep, args=(connection, name, stop), name=f"hold {name}", daemon=True)
        keeper.start()
        try:
            yield True
        finally:
            stop.set()
            keeper.join(CONNECT_SECONDS)

    def held(self, names: Sequence[str]) -> set[str]:
        """Those that somebody is doing. Raises StoreUnavailable."""
        connection = self._connect()
        try:
            return {name for (name,) in connection.execute(HELD, {"names": list(names)})}
        except psycopg.OperationalError as error:
            raise StoreUnavailable("The ledger (PostgreSQL) does not answer.", server="PostgreSQL") from error
        finally:
            connection.close()

    def _keep(self, connection: Connection, name: str, stop: Event) -> None:
        mine = True
        while not stop.wait(KEEP_SECONDS):
            try:
                if mine:
                    connection.execute(ALIVE)
                else:  # the server has not yet seen that the connection before this one is gone
                    mine = _take(connection, name)
            except psycopg.OperationalError:
                mine = False
                connection.close()
                with suppress(StoreUnavailable, psycopg.OperationalError):
                    connection = self._connect()
                    mine = _take(connection, name)
        connection.close()

    def _connect(self) -> Connection:
        try:
            return psycopg.connect(self._url, autocommit=True, **connection_options("aegis holds"))
        except psycopg.OperationalError as error:
            raise StoreUnavailable("The ledger (PostgreSQL) does not answer.", server="PostgreSQL") from error


def _take(connection: Connection, name: str) -> bool:
    row = connection.execute(TRY, {"name": name}).fetchone()
    return bool(row and row[0])
