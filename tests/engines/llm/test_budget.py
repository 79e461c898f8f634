"""The monthly limit on tokens: over all processes, never passed, and said before a request is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from aegis_assets.engines.llm.budget import MonthlyBudget, next_month
from aegis_assets.engines.llm.extractor import LanguageModelExtractor
from aegis_assets.errors import EngineUnavailable, LimitExceeded
from aegis_assets.stores.ledger import Ledger
from tests.doubles.openai_server import OpenAiDouble
from tests.engines.llm.asked import openai_conversation, run


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    opened = Ledger(ledger_url)
    with opened.connection() as connection:
        connection.execute("DELETE FROM aegis_llm_usage")
    yield opened
    opened.close()


def engine(server: OpenAiDouble, ledger: Ledger, limit: int) -> LanguageModelExtractor:
    return LanguageModelExtractor(openai_conversation(server.url, budget=MonthlyBudget(ledger, limit), max_tokens=500))


def test_what_the_server_counted_is_what_the_month_has(openai_server: OpenAiDouble, ledger: Ledger) -> None:
    found = run(engine(openai_server, ledger, 0))
    assert ledger.tokens_this_month() == found.prompt_tokens + found.completion_tokens > 0


def test_the_limit_is_said_before_a_request_is_sent_with_the_day_on_which_it_ends(
    openai_server: OpenAiDouble, ledger: Ledger
) -> None:
    extractor = engine(openai_server, ledger, 1000)
    with pytest.raises(LimitExceeded, match="AEGIS_LLM_MONTHLY_TOKENS") as raised:
        run(extractor)
    assert next_month(datetime.now(UTC).date()).isoformat() in raised.value.message
    assert not raised.value.retryable
    assert openai_server.stats()["received"] == 0
    assert ledger.tokens_this_month() == 0
    asyncio.run(extractor.check())
    ledger.reserve_tokens(1000, 0)
    with pytest.raises(LimitExceeded):
        asyncio.run(extractor.check())


def test_what_was_refused_costs_nothing(openai_server: OpenAiDouble, ledger: Ledger) -> None:
    openai_server.fault("429")
    with pytest.raises(EngineUnavailable):
        run(engine(openai_server, ledger, 100_000))
    assert ledger.tokens_this_month() == 0


def test_a_request_whose_cost_nobody_knows_counts_as_estimated(openai_server: OpenAiDouble, ledger: Ledger) -> None:
    openai_server.fault("close")
    with pytest.raises(EngineUnavailable):
        run(engine(openai_server, ledger, 100_000))
    assert ledger.tokens_this_month() >= 4 * 500


def test_many_who_reserve_at_once_do_not_pass_the_limit(ledger: Ledger) -> None:
    async def together() -> list[date | None]:
        return await asyncio.gather(*(asyncio.to_thread(ledger.reserve_tokens, 300, 1000) for _ in range(12)))

    assert sum(month is not None for month in asyncio.run(together())) == 3
    assert ledger.tokens_this_month() == 900


def test_a_year_ends_in_january() -> None:
    assert next_month(date(2026, 12, 31)) == date(2027, 1, 1)
    assert next_month(date(2026, 1, 31)) == date(2026, 2, 1)
