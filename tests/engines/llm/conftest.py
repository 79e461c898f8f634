"""Doubles of OpenAI-compatible servers, as they are before a test changes them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aegis_assets.engines.llm.openai_dialect import dialect
from tests.doubles.openai_server import OpenAiDouble


@pytest.fixture
def openai_server() -> Iterator[OpenAiDouble]:
    """A server of its own for each test: what a process has learnt of one does not hold for the next."""
    with OpenAiDouble() as double:
        yield double


@pytest.fixture(autouse=True)
def nothing_learnt() -> None:
    """Let the process forget what it knows of servers: a double may get the port of one before it."""
    dialect.cache_clear()
