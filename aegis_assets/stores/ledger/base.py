"""The connection pool, and transactions that repeat themselves.

Design note: `reads` and `writes` hand a method its connection, so a caller passes one argument less than the `def` shows. In return
no method can forget the retry, and none can open a second transaction inside its own.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, Final, LiteralString, ParamSpec, TypeVar
from uuid import UUID

import psycopg
import stamina
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from aegis_assets.errors import Misconfigured, StoreUnavailable
from aegis_assets.outages import OutageClock
from aegis_assets.postgres_options import connection_options

POSTGRESQL: Final = "PostgreSQL"
POOL_SIZE: Final = 4
BORROW_SECONDS: Final = 8.0  # for a connection of the pool, its making included
FRESH_SECONDS: Final = 1.0  # a connection that was used since then is not asked again whether it lives: that doubled small reads
STATEMENT_MS: Final = 120_000
ATTEMPTS: Final = 6

Connection = psycopg.Connection[DictRow]


class PooledConnection(psycopg.Connection[DictRow]):
    """A connection of the pool. used: monotonic seconds, when it was given back."""

    used = 0.0


Self = TypeVar("Self", bound="Base")
P = ParamSpec("P")
R = TypeVar("R")
Params = dict[str, Any]

# Worth another try with the same statements: each method's transaction can be repeated. A foreign key breaks when a row that was
# there is removed before we commit, as with an entity whose last mention another document just lost.
REPEATED: Final = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.ForeignKeyViolation,
)


def repeatable(error: Exception) -> bool:
    """Return whether it is a conflict, or a connection that broke under us. A statement that took too long is neither."""
    if isinstance(error, psycopg.errors.QueryCanceled):
        return False
    return isinstance(error, (*REPEATED, psycopg.OperationalError, psycopg.InterfaceError)) and not unreachable(error)


def unreachable(error: Exception) -> bool:
    """The pool has waited its time for a connection: more waiting is the caller's choice."""
    return type(error).__module__.startswith("psycopg_pool")


def away(error: Exception) -> bool:
    """Tell an unreachable, stopping or starting server from a conflict, which other work has caused."""
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not isinstance(
        error, (*REPEATED, psycopg.errors.QueryCanceled)
    )


class Base:
    """Opens no connection before the first call; a forked child opens its own. Safe to use from several threads.

    outage_seconds: for which `reads` and `writes` wait for PostgreSQL. 0 is for pages: a person waits in front of those.
    """

    def __init__(self, url: str, outage_seconds: float = 0.0) -> None:
        self._url = url
        self._outage = OutageClock(outage_seconds)
        self._guard = threading.Lock()
        self._pool: ConnectionPool[PooledConnection] | None = None
        self._pid = 0
        self._told: dict[UUID, float] = {}

    @property
    def pool(self) -> ConnectionPool[PooledConnection]:
        """Its connections commit each statement, and give rows as dictionaries."""
        with self._guard:
            if self._pool is None or self._pid != os.getpid():
                self._pool = ConnectionPool(
                    self._url,
                    connection_class=PooledConnection,
                    kwargs={
                        "autocommit": True,
                        "row_factory": dict_row,
                        **connection_options("aegis ledger", statement_timeout=STATEMENT_MS, timezone="UTC"),
                    },
                    min_size=0,
                    max_size=POOL_SIZE,
                    timeout=BORROW_SECONDS,
                    reconnect_timeout=BORROW_SECONDS,
                    max_idle=60.0,
                    check=_check,
                    reset=_note,
                    name="ledger",
                    open=True,
                )
                self._pid = os.getpid()
            return self._pool

    def close(self) -> None:
        with self._guard:
            if self._pool is not None and self._pid == os.getpid():
                self._pool.close()
            self._pool = None

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Every statement for itself. Raises StoreUnavailable."""
        with sentences(), self.pool.connection() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing, READ COMMITTED. Not repeated: see `writes` for that. Raises StoreUnavailable."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def ping(self) -> None:
        """Raises StoreUnavailable when PostgreSQL does not answer, Misconfigured when the tables are not there."""
        with self.connection() as connection:
            connection.execute("SELECT 1 FROM aegis_document LIMIT 1")

    def due(self, document: UUID, seconds: float = 1.0) -> bool:
        """Whether that long has passed since the last time this was so for the document."""
        now = time.monotonic()
        with self._guard:
            if now - self._told.get(document, -seconds) < seconds:
                return False
            if len(self._told) > 1000:
                self._told.clear()
            self._told[document] = now
            return True

    def _retrying(self, work: Callable[[], R]) -> R:
        """Repeat a conflict a few times within seconds; wait for a server that is away as long as the outage may last."""
        with sentences():
            try:  # without the contexts below, which cost as much as a short statement
                result = work()
            except Exception as error:
                if not (repeatable(error) or away(error)):
                    raise
            else:
                self._outage.answered()
                return result
            for attempt in stamina.retry_context(
                on=lambda error: away(error) and self._outage.keep_waiting(),
                attempts=None,
                timeout=None,
                wait_initial=0.1,
                wait_max=2.0,
                wait_jitter=0.5,
            ):
                with attempt:
                    result = self._repeating(work)
                    self._outage.answered()
                    return result
        raise AssertionError("stamina returns or raises")

    def _repeating(self, work: Callable[[], R]) -> R:
        for attempt in stamina.retry_context(
            on=repeatable, attempts=ATTEMPTS, timeout=30.0, wait_initial=0.02, wait_max=2.0, wait_jitter=0.1
        ):
            with attempt:
                return work()
        raise AssertionError("stamina returns or raises")


def _note(connection: PooledConnection) -> None:
    connection.used = time.monotonic()


def _check(connection: PooledConnection) -> None:
    """Raise where it is broken, and the pool makes another. One that breaks within `FRESH_SECONDS` fails its statement, which
    `reads` and `writes` repeat."""
    if time.monotonic() - connection.used > FRESH_SECONDS:
        ConnectionPool.check_connection(connection)


@contextmanager
def sentences() -> Iterator[None]:
    """Raise psycopg's errors that a person can act on as ours."""
    try:
        yield
    except psycopg.errors.UndefinedTable as error:
        raise Misconfigured("The ledger's tables are missing: run `python manage.py migrate`.") from error
    except psycopg.errors.QueryCanceled as error:
        raise StoreUnavailable("The ledger (PostgreSQL) took too long to answer.", server=POSTGRESQL) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        if isinstance(error, REPEATED):
            raise StoreUnavailable(
                "The ledger (PostgreSQL) is too busy: other work kept getting in the way.", server=POSTGRESQL
            ) from error
        raise StoreUnavailable("The ledger (PostgreSQL) does not answer.", server=POSTGRESQL) from error


def writes(
    method: Callable[Concatenate[Self, Connection, P], R],
) -> Callable[Concatenate[Self, P], R]:
    """Run the method in one transaction, which is repeated on conflicts and broken connections."""

    @wraps(method)
    def wrapper(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        def once() -> R:
            with self.pool.connection() as connection, connection.transaction():
                return method(self, connection, *args, **kwargs)

        return self._retrying(once)

    return wrapper


def reads(
    method: Callable[Concatenate[Self, Connection, P], R],
) -> Callable[Concatenate[Self, P], R]:
    """Run a method that only reads; it is repeated on broken connections."""

    @wraps(method)
    def wrapper(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        def once() -> R:
            with self.pool.connection() as connection:
                return method(self, connection, *args, **kwargs)

        return self._retrying(once)

    return wrapper


def one(connection: Connection, query: LiteralString, **params: object) -> DictRow | None:
    return connection.execute(query, params).fetchone()


def rows(connection: Connection, query: LiteralString, **params: object) -> list[DictRow]:
    return connection.execute(query, params).fetchall()


def many(connection: Connection, query: LiteralString, params: Sequence[Params]) -> None:
    """Run one statement for many rows, in one round trip."""
    if params:
        with connection.cursor() as cursor:
            cursor.executemany(query, params)


def clean(text: str) -> str:
    """Return the text as PostgreSQL can hold it: without NUL and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def clean_json(value: Any) -> Any:
    """Return a JSON value of which every text is clean."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): clean_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_json(inner) for inner in value]
    return value
