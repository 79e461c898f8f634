"""PostgreSQL's word that a document's row changed -> its id, for a process that keeps viewers up to date.

A trigger says the word (webadmin/monitoring/migrations), so whoever writes need not think of it. It comes with the row, which a run
writes at most once a second for each document. What changed is not said: the row is the truth, and a word may be lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final
from uuid import UUID

import psycopg

from aegis_assets.logs import logger
from aegis_assets.postgres_options import connection_options

log = logger(__name__)

CHANNEL: Final = "aegis_document"
LISTEN: Final = "LISTEN aegis_document"
PAUSE_SECONDS: Final = (0.5, 8.0)  # between attempts to connect, doubling


async def changes(url: str) -> AsyncGenerator[UUID | None, None]:
    """Ids as they come, on one connection that is made anew whenever it breaks. None: anything may have changed meanwhile."""
    pause = PAUSE_SECONDS[0]
    while True:
        try:
            # A server that vanished is noticed by keepalives, though nothing is ever sent to it.
            options = connection_options("aegis changes")
            async with await psycopg.AsyncConnection.connect(url, autocommit=True, **options) as connection:
                await connection.execute(LISTEN)
                pause = PAUSE_SECONDS[0]
                yield None
                async for notify in connection.notifies():
                    yield UUID(notify.payload)
        except psycopg.OperationalError:
            log.warning("changes_connection_lost", again_in=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS[1])
