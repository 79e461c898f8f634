"""The right to use a slot of a limited thing, over all documents, processes and machines: rows in PostgreSQL.

Fair between documents: a free slot goes to the one that holds least, then to the oldest request; strictly so, which leaves slots
unused for a moment when a heavy request is next, and in return never starves it. Hold one lease at a time: two tasks that each hold
what the other waits for would wait for ever, here as with any lock.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row

from aegis_assets.errors import Misconfigured, StoreUnavailable
from aegis_assets.model.ledger import LeaseRow
from aegis_assets.stores.lease_session import CONNECT_SECONDS, LIMIT_CHANNEL, Session
from aegis_assets.stores.lease_sql import CAPACITIES, HOLDERS

LIMITS: Final[Mapping[str, str]] = {"ollama": "ollama_max_concurrent", "vram": "vram_budget_mb"}


class Leases:
    """Implements the port `Leases`.

    capacities: of each resource, unless aegis_limit has a row by the name of its limit (`LIMITS`; the resource's own name where
    that has none). A changed row acts on running work within two seconds, at once after `NOTIFY aegis_limit`.
    outage_seconds: for which a lease waits for PostgreSQL; a supervised restart takes about 2 s.
    """

    def __init__(self, url: str, capacities: Mapping[str, int], outage_seconds: float = 6.0) -> None:
        self._url = url
        self._outage_seconds = outage_seconds
        self._capacities = dict(capacities)
        self._sessions: dict[asyncio.AbstractEventLoop, Session] = {}
        self._guard = threading.Lock()

    @asynccontextmanager
    async def hold(self, resource: str, weight: int, owner: UUID) -> AsyncIterator[None]:
        """owner: the document that it is for. Raises Misconfigured when the resource never has that much, StoreUnavailable."""
        if weight < 1:
            raise Misconfigured(f"A call that needs {weight} of '{resource}' needs no lease.")
        session = self._session()
        lease = await session.acquire(resource, weight, owner, self._capacities.get(resource, 0), LIMITS.get(resource, resource))
        try:
            yield
        finally:
            await session.release(lease)

    def _session(self) -> Session:
        """Of the running event loop. It ends with the loop."""
        loop = asyncio.get_running_loop()
        with self._guard:
            for ended in [known for known in self._sessions if known.is_closed()]:
                del self._sessions[ended]
            session = self._sessions.get(loop)
            if session is None or session.pid != os.getpid():
                session = self._sessions[loop] = Session(self._url, self._outage_seconds)
            return session

    async def close(self) -> None:
        """Of the running event loop. What is held is free."""
        with self._guard:
            session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    def holders(self) -> list[LeaseRow]:
        """Who holds and who waits, living ones only; by resource, holders first. Blocks: for the admin and for metrics."""
        with self._blocking() as connection:
            return [LeaseRow.model_validate(row) for row in connection.execute(HOLDERS)]

    def capacities(self) -> dict[str, int]:
        """As they are now, by resource. Blocks."""
        with self._blocking() as connection:
            changed = {row["name"]: int(row["value"]) for row in connection.execute(CAPACITIES)}
        return {resource: changed.get(LIMITS.get(resource, resource), value) for resource, value in self._capacities.items()}

    def announce(self) -> None:
        """After a row of aegis_limit was changed. Blocks."""
        with self._blocking() as connection:
            connection.execute("SELECT pg_notify(%(channel)s, '')", {"channel": LIMIT_CHANNEL})

    def _blocking(self) -> psycopg.Connection[DictRow]:
        try:
            return psycopg.connect(
                self._url, autocommit=True, row_factory=dict_row, connect_timeout=CONNECT_SECONDS, application_name="aegis leases"
            )
        except psycopg.OperationalError as error:
            raise StoreUnavailable("The leases (PostgreSQL) do not answer.") from error
