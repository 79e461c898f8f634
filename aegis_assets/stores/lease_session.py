"""One event loop's connection for leases: requests, grants, releases, and what happens when the connection breaks.

The connection holds an advisory lock whose key every lease carries. The lock dies with the connection, so a killed holder's leases
are seen to be dead at once by whoever waits; keep-alive probes do the same within seconds for a machine that vanishes.
Notifications are read on the same connection whenever it is idle: an event loop's reader on its socket costs nothing, a second
connection per process would.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

import psycopg
import stamina
from psycopg import sql
from psycopg.rows import TupleRow

from aegis_assets.errors import AegisError, EngineUnavailable, Misconfigured, StoreUnavailable
from aegis_assets.logs import logger
from aegis_assets.outages import OutageClock
from aegis_assets.postgres_options import connection_options
from aegis_assets.stores.lease_limit import PROGRESS_SECONDS, Ask, decide, share_progress
from aegis_assets.stores.lease_permit import CountedPermit, Lease, Progress, Terms
from aegis_assets.stores.lease_sql import CALL_GRANT, CALL_RELEASE, CALL_REQUEST, FUNCTIONS, LOCK_SESSION

log = logger(__name__)
T = TypeVar("T")

RECHECK_SECONDS: Final = 2.0  # a notification is the rule; this finds the dead, and changed limits nobody announced
LIMIT_CHANNEL: Final = "aegis_limit"
WAIT_SECONDS: Final = 21_600.0  # far longer than any request; the end of a wait for slots that nobody gives back
SESSION: Final[dict[str, Any]] = {
    "synchronous_commit": "off",
    "timezone": "UTC",
}  # leases are worth nothing after a crash of the server


class Session:
    """Use within one event loop only."""

    def __init__(self, url: str, outage_seconds: float) -> None:
        self.pid = os.getpid()
        self._outage = OutageClock(outage_seconds)
        self._url = url
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()  # one statement at a time
        self._leases: dict[UUID, Lease] = {}
        self._progress: defaultdict[Terms, Progress] = defaultdict(Progress)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self._key = 0
        self._holder = f"{socket.gethostname()}:{self.pid}"[:128]
        self._look = asyncio.Event()
        self._watch = self._loop.create_task(self._watching())

    async def acquire(self, terms: Terms, weight: int, owner: UUID) -> Lease:
        """Wait for a turn. Raises Misconfigured for what can never fit, StoreUnavailable, EngineUnavailable after WAIT_SECONDS."""
        lease = Lease(uuid4(), terms, weight, owner, CountedPermit(self._progress[terms]), self._loop.create_future())
        self._leases[lease.id] = lease
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._unbroken(self._call(CALL_REQUEST, lease))
                await lease.granted
        except TimeoutError as error:
            await self.release(lease)
            raise EngineUnavailable("No slot was free for hours: other documents held them all.") from error
        except BaseException:
            await self.release(lease)
            raise
        lease.permit.send()
        return lease

    async def release(self, lease: Lease) -> None:
        """Goes to its end even when the caller is cancelled. A release that cannot be written is one by the connection's end."""
        self._leases.pop(lease.id, None)
        lease.granted.cancel()
        with contextlib.suppress(AegisError):
            await self._unbroken(self._call(CALL_RELEASE, lease))

    async def close(self) -> None:
        self._watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watch
        self._drop()

    async def _unbroken(self, work: Coroutine[Any, Any, T]) -> T:
        """In a task of its own: a cancelled statement would leave the connection in the middle of an answer."""
        return await asyncio.shield(self._start(work))

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _call(self, statement: str, lease: Lease) -> None:
        """Run it for a lease, once more on a new connection, and wake whom it granted."""
        async with self._lock:
            if statement is CALL_REQUEST and lease.id not in self._leases:
                return  # cancelled before its turn
            if statement is CALL_RELEASE and self._connection is None:
                return  # it went with its connection
            for last in (False, True):
                connection = await self._connected()
                try:
                    self._wake(lease, await self._execute(connection, statement, self._values(lease, held=False)))
                except psycopg.OperationalError as error:
                    self._drop()
                    if last:
                        raise StoreUnavailable("The leases (PostgreSQL) do not answer.", server="PostgreSQL") from error
                else:
                    return

    def _values(self, lease: Lease, *, held: bool) -> dict[str, Any]:
        return {
            **lease.terms.values(),
            "lease": lease.id,
            "weight": lease.weight,
            "owner": lease.owner,
            "session": self._key,
            "holder": self._holder,
            "held": held,
            "report": lease.permit.report(),
        }

    async def _execute(
        self, connection: psycopg.AsyncConnection[TupleRow], statement: str, values: Mapping[str, Any]
    ) -> list[TupleRow]:
        self._loop.remove_reader(connection.fileno())  # psycopg waits on the same socket
        cursor = await connection.execute(statement, values)
        rows: list[TupleRow] = await cursor.fetchall() if cursor.description else []
        self._listen(connection)
        return rows

    def _wake(self, lease: Lease, rows: Sequence[Sequence[Any]]) -> None:
        """Tell who was granted and who never can be; decide on the limit where the release said that it is time to."""
        for granted, capacity, in_flight in rows:
            if granted is not None:
                self._granted(granted)
            if in_flight is not None:
                self._start(self._decide(lease, in_flight))
            else:
                self._refuse(lease.terms, capacity)

    async def _decide(self, lease: Lease, in_flight: int) -> None:
        async def decided(ask: Ask) -> None:
            if await decide(ask, lease.terms, lease.permit, in_flight):
                self._wake(lease, await ask(CALL_GRANT, self._values(lease, held=False)))

        await self._aside(decided)

    async def _aside(self, work: Callable[[Ask], Awaitable[None]]) -> None:
        """Do what leases get on without, while there is a connection."""
        async with self._lock:
            connection = self._connection
            if connection is None:
                return
            try:
                await work(partial(self._execute, connection))
            except psycopg.OperationalError:
                self._drop()

    def _granted(self, identity: UUID) -> None:
        lease = self._leases.get(identity)
        if lease is not None and not lease.granted.done():
            lease.granted.set_result(None)

    def _refuse(self, terms: Terms, capacity: int) -> None:
        for lease in list(self._leases.values()):
            if lease.terms == terms and lease.weight > capacity and not lease.granted.done():
                lease.granted.set_exception(
                    Misconfigured(
                        f"A call needs {lease.weight} of '{terms.resource}' and {terms.limit} allows {capacity}: raise it."
                    )
                )

    # The connection

    async def _connected(self) -> psycopg.AsyncConnection[TupleRow]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        try:
            async for attempt in stamina.retry_context(
                on=lambda error: isinstance(error, psycopg.OperationalError) and self._outage.keep_waiting(),
                attempts=None,
                timeout=None,
                wait_initial=0.05,
                wait_max=2.0,
                wait_jitter=0.5,
            ):
                with attempt:
                    connection = await self._connect()
                    self._outage.answered()
                    return connection
        except psycopg.OperationalError as error:
            raise StoreUnavailable("The leases (PostgreSQL) do not answer.", server="PostgreSQL") from error
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise Misconfigured("The tables of the leases are missing: run `python manage.py migrate`.") from error
        raise AssertionError("stamina returns or raises")

    async def _connect(self) -> psycopg.AsyncConnection[TupleRow]:
        """A new session, with a new key, to which all that is held or waited for moves."""
        self._drop()
        options = connection_options("aegis leases", **SESSION)
        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, **options)
        try:
            self._key = secrets.randbits(62)
            await connection.execute(LOCK_SESSION, {"session": self._key})
            for function in FUNCTIONS:
                await connection.execute(function)
            for channel in (f"aegis_lease_{self._key}", LIMIT_CHANNEL):
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            connection.add_notify_handler(lambda notify: self._notified(notify.channel, notify.payload))
            self._connection = connection
            for lease in list(self._leases.values()):
                self._wake(lease, await self._execute(connection, CALL_REQUEST, self._values(lease, held=lease.held)))
        except BaseException:
            self._drop()
            await connection.close()
            raise
        return connection

    def _listen(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        self._loop.add_reader(connection.fileno(), self._readable, connection)
        self._drain(connection)

    def _readable(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        try:
            connection.pgconn.consume_input()
            self._drain(connection)
        except psycopg.OperationalError:
            log.warning("lease_connection_lost")
            self._drop()
            self._look.set()

    def _drain(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        while (notify := connection.pgconn.notifies()) is not None:
            self._notified(notify.relname.decode(), notify.extra.decode())

    def _notified(self, channel: str, payload: str) -> None:
        if channel == LIMIT_CHANNEL:
            self._look.set()
        else:
            self._granted(UUID(payload))

    def _drop(self) -> None:
        """Close at once; what leans on the session's lock is free from now on, for the others."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, ValueError, OSError):
                self._loop.remove_reader(connection.fileno())
            connection.pgconn.finish()

    # The watch

    async def _watching(self) -> None:
        """Every few seconds, or when told to; it asks PostgreSQL only while somebody waits, holds without a connection, or has a
        request under way whose progress others may wait for."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._look.wait(), RECHECK_SECONDS)
                self._look.clear()
                await self._recheck()
        finally:
            self._drop()

    async def _recheck(self) -> None:
        waiting = {lease.terms: lease for lease in self._leases.values() if not lease.granted.done()}
        lost = self._connection is None and bool(self._leases)
        try:
            for lease in waiting.values():
                await self._unbroken(self._call(CALL_GRANT, lease))
            if lost and not waiting:
                await self._unbroken(self._reconnect())
            for terms in {lease.terms for lease in self._leases.values() if lease.terms.server and lease.held}:
                if time.monotonic() - self._progress[terms].asked >= PROGRESS_SECONDS:
                    await self._unbroken(self._aside(partial(share_progress, terms=terms, progress=self._progress[terms])))
        except AegisError as error:
            for lease in waiting.values():
                if not lease.granted.done():
                    lease.granted.set_exception(error)

    async def _reconnect(self) -> None:
        async with self._lock:
            await self._connected()
