"""Cypher statements -> rows, over Bolt, with a time-out on every transaction and retries on conflicts.

Design note: the driver is the asynchronous one, on an event loop of its own behind a blocking call. The blocking driver waits for
ever on a server that stopped answering; a cancelled coroutine gives its connection up.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import ssl
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import stamina

from aegis_assets.errors import AegisError, Misconfigured, StoreUnavailable
from aegis_assets.model.graph import GraphServer
from aegis_assets.network import tls_context
from aegis_assets.stores.graph_server import ABOUT, described

if TYPE_CHECKING:
    from neo4j import AsyncDriver, AsyncManagedTransaction, AsyncSession

T = TypeVar("T")
Row = dict[str, Any]
Statement = tuple[str, Mapping[str, Any]]

GRAPH = "the graph server"
CONNECT_SECONDS = 5.0
TRANSACTION_SECONDS = 60.0  # a batch takes 0.1 to 4 s on two busy cores
RETRY_SECONDS = 60.0  # ends the attempts; a supervised restart of the embedded server takes about 3 s
SCHEMES = {f"{scheme}{security}" for scheme in ("bolt", "neo4j") for security in ("", "+s", "+ssc")}
BOLT_PORT = 7687
BAD_ADDRESS = "The graph server's address must begin with bolt:// or neo4j://: check AEGIS_NEO4J_URL."
# The server restarts with other data, and does not know the transactions that this process has seen.
LOST_BOOKMARKS = ("Neo.ClientError.Transaction.InvalidBookmark", "Neo.TransientError.Transaction.BookmarkTimeout")

_IMPORTING = threading.Lock()


class Bolt:
    """A connection pool that opens nothing before the first call; a forked child opens its own. Safe to use from several threads.

    address: bolt:// for a single server, neo4j:// for a cluster; +s encrypts, and then `ca_file` names further authorities (PEM).
    database: empty for the server's default. timeout: seconds for a transaction. patience: seconds for it and its repetitions.
    """

    def __init__(
        self,
        address: str,
        user: str,
        password: str,
        timeout: float = TRANSACTION_SECONDS,
        patience: float = RETRY_SECONDS,
        *,
        database: str = "",
        ca_file: str = "",
    ) -> None:
        if urlsplit(address).scheme not in SCHEMES:
            raise Misconfigured(BAD_ADDRESS)
        self._address, self._auth = address, (user, password)
        self._timeout, self._patience = timeout, patience
        self._database, self._ca_file = database, ca_file
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._driver: AsyncDriver | None = None
        self._bookmarks: Any = None
        self._pid = 0
        self._inherited: list[object] = []  # of the process that forked this one: closed here, its loop would hear nothing any more

    def run(self, *statements: Statement) -> list[Row]:
        """Run all statements in one write transaction and return the rows of the last.

        The transaction is repeated on conflicts: the statements must be idempotent together. In a cluster the leader answers.
        """
        return self._repeating(lambda: self._transaction(statements, write=True))

    def query(self, text: str, **parameters: Any) -> list[Row]:
        """Return the rows of a statement that only reads.

        In a cluster a follower answers, which knows of all that this process has written.
        """
        return self._repeating(lambda: self._transaction(((text, parameters),), write=False))

    def server(self) -> GraphServer:
        """Return which server answers, and the database that it works with."""
        return self._repeating(self._about)

    def _repeating(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        for attempt in stamina.retry_context(
            on=lambda error: isinstance(error, StoreUnavailable) and error.retryable,
            attempts=None,  # a refused connection fails at once: thirty were over after 80 s
            timeout=self._patience,
            wait_initial=0.05,
            wait_max=3.0,
            wait_jitter=0.5,
        ):
            with attempt:
                return self._blocking(work())
        raise AssertionError("the retries end by rows or by an error")

    def close(self) -> None:
        with self._guard:
            if self._loop is not None and self._pid == os.getpid():
                if self._driver is not None:
                    asyncio.run_coroutine_threadsafe(self._driver.close(), self._loop).result(CONNECT_SECONDS)
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = self._driver = None

    async def _transaction(self, statements: Sequence[Statement], *, write: bool) -> list[Row]:
        async def work(transaction: AsyncManagedTransaction) -> list[Row]:
            rows: list[Row] = []
            for text, parameters in statements:
                result = await transaction.run(text, dict(parameters))
                rows = [record.data() async for record in result]
            return rows

        return await self._in_session(lambda session: session.execute_write(work) if write else session.execute_read(work))

    async def _about(self) -> GraphServer:
        async def work(transaction: AsyncManagedTransaction) -> GraphServer:
            result = await transaction.run(ABOUT)
            rows = [record.data() async for record in result]
            summary = await result.consume()
            return described(rows, summary.server.agent, summary.database or self._database)

        return await self._in_session(lambda session: session.execute_read(work))

    async def _in_session(self, work: Callable[[AsyncSession], Coroutine[Any, Any, T]]) -> T:
        _load_driver()
        from neo4j.exceptions import DriverError, Neo4jError

        try:
            async with asyncio.timeout(self._timeout):
                driver = self._opened()
                async with driver.session(database=self._database or None, bookmark_manager=self._bookmarks) as session:
                    return await work(session)
        except (DriverError, Neo4jError, OSError, TimeoutError, ValueError) as error:
            if getattr(error, "code", None) in LOST_BOOKMARKS:
                self._bookmarks = _new_bookmarks()
                raise StoreUnavailable("The graph server's data was replaced by other data.", server=GRAPH) from error
            raise await self._explained(error) from error

    async def _explained(self, error: Exception) -> AegisError:
        """Return the error as ours. A cluster's driver does not tell that it found nobody because of a certificate: so ask."""
        from neo4j.exceptions import ServiceUnavailable

        if isinstance(error, ServiceUnavailable) and self._address.startswith("neo4j+s:"):
            try:
                await self._shake_hands()
            except ssl.SSLCertVerificationError as reason:
                return translated(reason, self._database)
            except (OSError, TimeoutError):
                pass
        return translated(error, self._database)

    async def _shake_hands(self) -> None:
        """Open a TLS connection to the server as the driver does, and close it."""
        parts = urlsplit(self._address)
        async with asyncio.timeout(CONNECT_SECONDS):
            context = tls_context(self._ca_file) if self._ca_file else ssl.create_default_context()
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or BOLT_PORT, ssl=context)
            writer.close()

    def _opened(self) -> AsyncDriver:
        """Only ever called on the loop."""
        if self._driver is None:
            from neo4j import AsyncGraphDatabase

            logging.getLogger("neo4j.notifications").setLevel(logging.ERROR)  # a label that no node has yet is no news
            address, security = secured(self._address, self._ca_file)
            self._driver = AsyncGraphDatabase.driver(
                address,
                auth=self._auth,
                connection_timeout=CONNECT_SECONDS,
                connection_acquisition_timeout=CONNECT_SECONDS + 1,
                max_transaction_retry_time=0.0,  # retries are in one place: here
                max_connection_pool_size=8,
                warn_notification_severity="OFF",
                **security,
            )
            # A single server needs none, and would refuse those of the data that it had before it was restored.
            self._bookmarks = _new_bookmarks() if address.startswith("neo4j") else None
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


def secured(address: str, ca_file: str) -> tuple[str, dict[str, Any]]:
    """Return the address and the driver's options for it, so that authorities in `ca_file` are trusted beside the usual ones.

    The driver accepts a TLS context with the plain schemes only. Raises Misconfigured if the file cannot be read.
    """
    scheme, _, rest = address.partition("://")
    if not ca_file or not scheme.endswith("+s"):
        return address, {}
    return f"{scheme.removesuffix('+s')}://{rest}", {"ssl_context": tls_context(ca_file)}


def _new_bookmarks() -> Any:
    from neo4j import AsyncGraphDatabase

    return AsyncGraphDatabase.bookmark_manager()


def _load_driver() -> None:
    """neo4j takes pandas and pyarrow along where something else has installed them: 120 MB in every process, for frames that nobody
    asks for. They are optional to it, so its first import does not find them.

    One thread at a time: `neo4j` and `neo4j.exceptions` import each other, and of two threads that begin at different ends Python
    gives one a module without its names.
    """
    with _IMPORTING:
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


def translated(error: Exception, database: str = "") -> AegisError:
    """Return the error as ours. Conflicts and outages may pass; the rest will not.

    ArcadeDB's production mode hides its reasons: only the code is left.
    """
    _load_driver()
    from neo4j.exceptions import AuthError, ConfigurationError, ConstraintError, DriverError, Neo4jError, ServiceUnavailable

    code = str(getattr(error, "code", ""))
    if isinstance(error, AuthError):
        return Misconfigured("The graph server refuses access: check AEGIS_NEO4J_USER and AEGIS_NEO4J_PASSWORD.")
    if code.endswith("DatabaseNotFound"):
        return Misconfigured(f"The graph server has no database named '{database}': check AEGIS_NEO4J_DATABASE.")
    if _untrusted(error):  # which is a ValueError too
        return Misconfigured(
            "The graph server's certificate is not trusted: name its authority in AEGIS_CA_FILE, and the host that the"
            " certificate is for in AEGIS_NEO4J_URL."
        )
    if isinstance(error, ConfigurationError | ValueError):
        return Misconfigured(BAD_ADDRESS)
    if isinstance(error, ServiceUnavailable | OSError | TimeoutError):
        return StoreUnavailable("The graph server does not answer: check that it runs, and AEGIS_NEO4J_URL.", server=GRAPH)
    # A concurrent MERGE of one key breaks ArcadeDB's constraint, a concurrent DELETE leaves it without the record. Of two that make
    # an index on Neo4j, IF NOT EXISTS keeps the second from doing so only when the first has finished.
    conflict = isinstance(error, ConstraintError) or "EntityNotFound" in code or code.endswith("AlreadyExists")
    if isinstance(error, Neo4jError | DriverError) and (conflict or error.is_retryable()):
        return StoreUnavailable("The graph server is too busy: other writes kept getting in the way.", server=GRAPH)
    return StoreUnavailable(f"The graph server refused a statement ({code or type(error).__name__}).", retryable=False)


def _untrusted(error: BaseException | None) -> bool:
    """Return whether a certificate that could not be verified is among the error's causes."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
