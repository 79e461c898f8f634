"""A server that answers one request at a time, asked eight times at once: the queue takes longer than any answer may."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from aegis_assets.engines.llm.patience import Limits
from tests.doubles.ollama import OllamaDouble
from tests.engines.llm.asked import ANY, extractor

SCALE = 0.01  # of the measured case: answers of 60 s, a limit of 180 s for each


@pytest.fixture
def one_slot() -> Iterator[OllamaDouble]:
    with OllamaDouble(slots=1, latency=f"constant:{60 * SCALE}") as double:
        yield double


def test_eight_requests_at_once_are_all_answered_none_aborted_none_repeated(one_slot: OllamaDouble) -> None:
    engine = extractor(one_slot, Limits(first_token=1800 * SCALE, gap=60 * SCALE, answer=180 * SCALE))

    async def together() -> None:
        await asyncio.gather(*(engine.extract(f"Neo4j stores Graph{n}.", ANY) for n in range(8)))

    asyncio.run(together())
    stats = one_slot.stats()
    assert (stats["received"], stats["answered"], stats["cancelled"]) == (8, 8, 0)
