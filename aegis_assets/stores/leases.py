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
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row

from aegis_assets.errors import Misconfigured, StoreUnavailable
from aegis_assets.model.lease import FoundLimitRow, LeaseRow
from aegis_assets.pipeline.concurrency_limit import START
from aegis_assets.pipeline.ports import Permit
from aegis_assets.postgres_options import connection_options
from aegis_assets.settings import Settings
from aegis_assets.stores.lease_permit import Terms
from aegis_assets.stores.lease_session import LIMIT_CHANNEL, Session
from aegis_assets.stores.lease_sql import CAPACITIES, FOUND_LIMIT, HOLDERS

LIMITS: Final[Mapping[str, str]] = {"ollama": "ollama_max_concurrent", "vram": "vram_budget_mb"}
# Resources whose size is found out, with the setting that says so. aegis_limit, which holds numbers, has the place of the word in
# CHOICE_WORDS.
CHOICES: Final[Mapping[str, str]] = {"ollama": "ollama_limit"}
CHOICE_WORDS: Final = ("fixed", "auto")


def language_model_server(settings: Settings) -> str:
    """Return what the limit found out is remembered by: the model and the server's address, without user, password and query.

    Trade-off: a collection's own model and the vision model share it, since they share the server.
    """
    if settings.language_server == "openai":
        model, url = settings.llm_model, settings.llm_url
    else:
        model, url = settings.ollama_model, settings.ollama_url
    parts = urlsplit(url if "//" in url else f"//{url}")
    address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", "")).removeprefix("//")
    return f"{model} at {address}"[:300] if address else ""


class Leases:
    """Implements the port `Leases`.

    capacities: of each resource, unless aegis_limit has a row by the name of its limit (`LIMITS`; the resource's own name where
    that has none). A changed row acts on running work within two seconds, at once after `NOTIFY aegis_limit`.
    outage_seconds: for which a lease waits for PostgreSQL; a supervised restart takes about 2 s.
    """

    def __init__(
        self,
        url: str,
        capacities: Mapping[str, int],
        servers: Mapping[str, str] | None = None,
        choice: str = "fixed",
        *,
        outage_seconds: float = 6.0,
    ) -> None:
        """servers: by resource, for which server and model the size is found out. choice: `auto` or `fixed`, see CHOICES."""
        self._url = url
        self._outage_seconds = outage_seconds
        self._capacities = dict(capacities)
        self._servers = dict(servers or {})
        self._auto = choice == "auto"
        self._sessions: dict[asyncio.AbstractEventLoop, Session] = {}
        self._guard = threading.Lock()

    @classmethod
    def from_settings(cls, settings: Settings, outage_seconds: float = 6.0) -> Leases:
        url = settings.postgres_url.get_secret_value()
        capacities = {"ollama": settings.ollama_max_concurrent, "vram": settings.vram_budget_mb}
        servers = {"ollama": language_model_server(settings)}
        return cls(url, capacities, servers, settings.ollama_limit, outage_seconds=outage_seconds)

    @asynccontextmanager
    async def hold(self, resource: str, weight: int, owner: UUID) -> AsyncIterator[Permit]:
        """owner: the document that it is for. Raises Misconfigured when the resource never has that much, StoreUnavailable."""
        if weight < 1:
            raise Misconfigured(f"A call that needs {weight} of '{resource}' needs no lease.")
        session = self._session()
        lease = await session.acquire(self._terms(resource), weight, owner)
        try:
            yield lease.permit
        finally:
            await session.release(lease)

    def _terms(self, resource: str) -> Terms:
        limit, choice = LIMITS.get(resource, resource), CHOICES.get(resource, "")
        return Terms(resource, self._capacities.get(resource, 0), limit, choice, self._auto, self._servers.get(resource, ""))

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

    def found_limit(self, resource: str) -> FoundLimitRow:
        """Return how many requests to the resource's server there may be now, and how many were answered lately. Blocks."""
        terms = self._terms(resource)
        with self._blocking() as connection:
            changed = {row["name"]: int(row["value"]) for row in connection.execute(CAPACITIES)}
            row = connection.execute(FOUND_LIMIT, terms.values()).fetchone() or {}
        ceiling = changed.get(terms.limit, terms.fallback)
        auto = bool(terms.server) and changed.get(terms.choice, int(terms.auto)) == CHOICE_WORDS.index("auto")
        value = min(ceiling, row.get("value") or START) if auto else ceiling
        return FoundLimitRow(server=terms.server, auto=auto, limit=value, ceiling=ceiling, answered=row.get("answered") or 0)

    def announce(self) -> None:
        """After a row of aegis_limit was changed. Blocks."""
        with self._blocking() as connection:
            connection.execute("SELECT pg_notify(%(channel)s, '')", {"channel": LIMIT_CHANNEL})

    def _blocking(self) -> psycopg.Connection[DictRow]:
        try:
            return psycopg.connect(self._url, autocommit=True, row_factory=dict_row, **connection_options("aegis leases"))
        except psycopg.OperationalError as error:
            raise StoreUnavailable("The leases (PostgreSQL) do not answer.", server="PostgreSQL") from error
