"""The tokens of a language model that is paid for, by calendar month (UTC): one row a month, whoever asks."""

from __future__ import annotations

from datetime import date
from typing import Final

from aegis_assets.stores.ledger.base import Base, Connection, one, reads, writes

# The whole of a month is one row, so the limit holds whoever else reserves at the same time.
RESERVE: Final = """
INSERT INTO aegis_llm_usage AS usage (month, tokens)
SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date, %(tokens)s::bigint
WHERE %(limit)s::bigint = 0 OR %(tokens)s::bigint <= %(limit)s::bigint
ON CONFLICT (month) DO UPDATE SET tokens = usage.tokens + EXCLUDED.tokens
WHERE %(limit)s::bigint = 0 OR usage.tokens + EXCLUDED.tokens <= %(limit)s::bigint
RETURNING month
"""
SETTLE: Final = """
UPDATE aegis_llm_usage SET tokens = greatest(0, tokens - %(reserved)s::bigint + %(prompt)s::bigint + %(completion)s::bigint),
prompt_tokens = prompt_tokens + %(prompt)s::bigint, completion_tokens = completion_tokens + %(completion)s::bigint,
requests = requests + 1
WHERE month = %(month)s
"""
THIS_MONTH: Final = "SELECT tokens FROM aegis_llm_usage WHERE month = date_trunc('month', now() AT TIME ZONE 'UTC')::date"


class Usage(Base):
    """Implements the port `TokenUsage`. A transaction that is repeated because its end was not heard counts twice: never too
    little."""

    @writes
    def reserve_tokens(self, connection: Connection, tokens: int, limit: int) -> date | None:
        row = one(connection, RESERVE, tokens=tokens, limit=limit)
        return row["month"] if row else None

    @writes
    def settle_tokens(self, connection: Connection, month: date, reserved: int, prompt_tokens: int, completion_tokens: int) -> None:
        connection.execute(SETTLE, {"month": month, "reserved": reserved, "prompt": prompt_tokens, "completion": completion_tokens})

    @reads
    def tokens_this_month(self, connection: Connection) -> int:
        row = one(connection, THIS_MONTH)
        return int(row["tokens"]) if row else 0
