"""Doubles of OpenAI-compatible servers, as they are before a test changes them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.doubles.openai_server import OpenAiDouble


@pytest.fixture
def openai_server() -> Iterator[OpenAiDouble]:
    """A server of its own for each test: what a process has learnt of one does not hold for the next."""
    with OpenAiDouble() as double:
        yield double
