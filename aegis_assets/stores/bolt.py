"""Cypher statements -> rows, over Bolt, with a time-out on every transaction and retries on conflicts.

The questionable decision: the driver is the asynchronous one, on an event loop of its own behind a blocking call. The blocking
driver waits for ever on a server that stopped answering; a cancelled coroutine gives its connection up.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import threading
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import stamina

from aegis_assets.errors import AegisError, Misconfigured, StoreUnavailable

if TYPE_CHECKING:
    from neo4j import AsyncDriver, AsyncManagedTransaction

T = TypeVar("T")
Row = dict[str, Any]
Statement = tuple[str, Mapping[str, Any]]

CONNECT_SECONDS = 5.0
TRANSACTION_SECONDS = 60.0  # a batch takes 0.1 to 4 s on two busy cores
RETRY_SECONDS = 60.0  # ends the attempts; a supervised restart of the embedded server takes about 3 s
BAD_ADDRESS = "The graph server's address must begin with bolt:// or neo4j://: check AEGIS_NEO4J_URL."


class Bolt:
    """Opens nothing before the first call; a forked child opens its own. Safe to use from several threads."""

    def __init__(
        self, address: str, user: str, password: str, timeout: float = TRANSACTION_SECONDS, patience: float = RETRY_SECONDS
    ) -> None:
        if urlsplit(address).scheme.partition("+")[0] not in ("bolt", "neo4j"):
            raise Misconfigured(BAD_ADDRESS)
        self._address, self._auth = address, (user, password)
        self._timeout, self._patience = timeout, patience
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._driver: AsyncDriver | None = None
        self._pid = 0
        self._inherited: list[object] = []  # of the process that forked this one: closed here, its loop would hear nothing any more

    def run(self, *statements: Statement) -> list[Row]:
        """All statements in one transaction, repeated on conflicts; the rows of the last. They must be idempotent together."""
        for attempt in stamina.retry_context(
            on=lambda error: isinstance(error, StoreUnavailable) and error.retryable,
            attempts=None,  # a refused connection fails at once: thirty were over after 80 s
            timeout=self._patience,
            wait_initial=0.05,
            wait_max=3.0,
            wait_jitter=0.5,
        ):
            with attempt:
                return self._blocking(self._transaction(statements))
        raise AssertionError("the retries end by rows or by an error")

    def query(self, text: str, **parameters: Any) -> list[Row]:
        return self.run((text, parameters))

    def close(self) -> None:
        with self._guard:
            if self._loop is not None and self._pid == os.getpid():
                if self._driver is not None:
                    asyncio.run_coroutine_threadsafe(self._driver.close(), self._loop).result(CONNECT_SECONDS)
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = self._driver = None

    async def _transaction(self, statements: Sequence[Statement]) -> list[Row]:
        _load_driver()
        from neo4j.exceptions import DriverError, Neo4jError

        async def work(transaction: AsyncManagedTransaction) -> list[Row]:
            rows: list[Row] = []
            for text, parameters in statements:
                result = await transaction.run(text, dict(parameters))
                rows = [record.data() async for record in result]
            return rows

        try:
            async with asyncio.timeout(self._timeout), self._opened().session() as session:
                return await session.execute_write(work)
        except (DriverError, Neo4jError, OSError, TimeoutError, ValueError) as error:
            raise translated(error) from error

    def _opened(self) -> AsyncDriver:
        """Only ever called on the loop."""
        if self._driver is None:
            from neo4j import AsyncGraphDatabase

            self._driver = AsyncGraphDatabase.driver(
                self._address,
                auth=self._auth,
                connection_timeout=CONNECT_SECONDS,
                connection_acquisition_timeout=CONNECT_SECONDS + 1,
                max_transaction_retry_time=0.0,  # retries are in one place: here
                max_connection_pool_size=8,
                warn_notification_severity="OFF",  # a label that no node has yet is no news
            )
        return self._driver

    def _blocking(self, work: Coroutine[Any, Any, T]) -> T:
        with self._guard:
            if self._loop is None or self._pid != os.getpid():
                self._inherited.append((self._loop, self._driver))
                self._loop, self._driver, self._pid = asyncio.new_event_loop(), None, os.getpid()
                threading.Thread(target=_serve, args=(self._loop,), name="bolt", daemon=True).start()
            loop = self._loop
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result(self._timeout + 2 * CONNECT_SECONDS)
        except TimeoutError as error:  # the loop itself is stuck; its own time-out has failed
            future.cancel()
            raise translated(error) from error


def _load_driver() -> None:
    """neo4j takes pandas and pyarrow along where something else has installed them: 120 MB in every process, for frames that nobody
    asks for. They are optional to it, so its first import does not find them."""
    if "neo4j" in sys.modules:
        return
    hidden = [name for name in ("pandas", "pyarrow") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import of it fail
    try:
        importlib.import_module("neo4j")
    finally:
        for name in hidden:
            del sys.modules[name]


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def translated(error: Exception) -> AegisError:
    """Conflicts and outages may pass; the rest will not. ArcadeDB's production mode hides its reasons: only the code is left."""
    from neo4j.exceptions import AuthError, ConfigurationError, ConstraintError, DriverError, Neo4jError, ServiceUnavailable

    if isinstance(error, AuthError):
        return Misconfigured("The graph server refuses access: check AEGIS_NEO4J_USER and AEGIS_NEO4J_PASSWORD.")
    if isinstance(error, ConfigurationError | ValueError):
        return Misconfigured(BAD_ADDRESS)
    if isinstance(error, ServiceUnavailable | OSError | TimeoutError):
        return StoreUnavailable("The graph server does not answer: check that it runs, and AEGIS_NEO4J_URL.")
    # A concurrent MERGE of one key breaks ArcadeDB's constraint, a concurrent DELETE leaves it without the record.
    conflict = isinstance(error, ConstraintError) or "EntityNotFound" in str(getattr(error, "code", ""))
    if isinstance(error, Neo4jError | DriverError) and (conflict or error.is_retryable()):
        return StoreUnavailable("The graph server is too busy: other writes kept getting in the way.")
    return StoreUnavailable(
        f"The graph server refused a statement ({getattr(error, 'code', type(error).__name__)}).", retryable=False
    )
