"""The monthly limit on the tokens of a language model that is paid for: reserved before a request, corrected after it.

Design note: a reservation is the estimate of the prompt and the whole of what an answer may have. So the limit is never passed,
however many processes ask at once; near it, a request that would just have fitted may be refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime
from typing import Final, Protocol

from aegis_assets.engines.llm.faults import Overloaded, PromptTooLong, Unreachable
from aegis_assets.errors import LimitExceeded, Misconfigured
from aegis_assets.pipeline.ports import TokenUsage

# After these the server has answered nothing that it would charge for.
UNCHARGED: Final = (Unreachable, Overloaded, PromptTooLong, Misconfigured)


class Spending:
    """The cost of one request; its reservation stands until the cost is known."""

    def __init__(self) -> None:
        self.cost: tuple[int, int] | None = None

    def spent(self, prompt_tokens: int, completion_tokens: int) -> None:
        self.cost = (prompt_tokens, completion_tokens)


class Budget(Protocol):
    async def check(self) -> None:
        """Raise LimitExceeded if nothing is left of this month."""
        ...

    def spending(self, tokens: int) -> AbstractAsyncContextManager[Spending]:
        """Reserve that many tokens for the request inside. Raise LimitExceeded, which says when the count starts anew."""
        ...


class Unlimited:
    """The Budget of a server that nobody pays by the token."""

    async def check(self) -> None:
        return

    @asynccontextmanager
    async def spending(self, tokens: int) -> AsyncIterator[Spending]:
        yield Spending()


unlimited: Final = Unlimited()


class MonthlyBudget:
    """A Budget over all processes, in the ledger. limit: tokens in a calendar month (UTC), 0 to count without a limit."""

    def __init__(self, usage: TokenUsage, limit: int) -> None:
        self._usage = usage
        self._limit = limit

    async def check(self) -> None:
        if self._limit and await asyncio.to_thread(self._usage.tokens_this_month) >= self._limit:
            raise self._exhausted()

    @asynccontextmanager
    async def spending(self, tokens: int) -> AsyncIterator[Spending]:
        month = await asyncio.to_thread(self._usage.reserve_tokens, tokens, self._limit)
        if month is None:
            raise self._exhausted()
        spending = Spending()
        try:
            yield spending
        except UNCHARGED:
            await asyncio.to_thread(self._usage.settle_tokens, month, tokens, 0, 0)
            raise
        if spending.cost is not None:
            await asyncio.to_thread(self._usage.settle_tokens, month, tokens, *spending.cost)

    def _exhausted(self) -> LimitExceeded:
        return LimitExceeded(
            f"The language model has had the {self._limit} tokens of this month (AEGIS_LLM_MONTHLY_TOKENS): raise the limit, or"
            f" wait for {next_month(datetime.now(UTC).date()).isoformat()} (UTC), when the count starts anew."
        )


def next_month(day: date) -> date:
    """Return the first day of the month after this one."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
