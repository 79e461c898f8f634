"""How many rows of each table a piece of work reads and writes, as PostgreSQL counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from aegis_assets.stores.ledger import Ledger, base

READ = """
SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) + n_tup_ins + n_tup_upd + n_tup_del AS rows
FROM pg_stat_user_tables WHERE relname LIKE 'aegis\\_%'"""
FLUSH = "SELECT pg_stat_force_next_flush()"


@contextmanager
def ledger_of_one_connection(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """Yield a ledger whose statistics one connection has, which can be told to hand them in."""
    monkeypatch.setattr(base, "POOL_SIZE", 1)
    ledger = Ledger(url)
    yield ledger
    ledger.close()


def touched(ledger: Ledger, work: Callable[[], object]) -> dict[str, int]:
    """Rows by table, without the tables that the work left alone. ledger: of one connection, and nobody else at work."""
    before = _counted(ledger)
    work()
    after = _counted(ledger)
    return {table: rows - before[table] for table, rows in after.items() if rows != before[table]}


def _counted(ledger: Ledger) -> dict[str, int]:
    with ledger.connection() as connection:
        connection.execute(FLUSH)
        return {row["relname"]: row["rows"] for row in connection.execute(READ)}
