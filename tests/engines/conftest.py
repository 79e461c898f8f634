"""The session's engine server, as the engines' tests want it, as a client; doubles of Ollama and of docling-serve."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aegis_assets.engines.client import EngineClient
from tests.doubles import docling_serve as docling_serve_double
from tests.doubles.ollama import OllamaDouble


@pytest.fixture(scope="session")
def engine(engine_server: tuple[str, str]) -> Iterator[EngineClient]:
    client = EngineClient(*engine_server)
    yield client
    client.close()


@pytest.fixture(scope="module")
def ollama_server() -> Iterator[OllamaDouble]:
    with OllamaDouble() as double:
        yield double


@pytest.fixture
def ollama(ollama_server: OllamaDouble) -> OllamaDouble:
    """As it is before a test changes it."""
    ollama_server.configure(
        slots=4, max_queue=512, latency="constant:0", models=[], context_length=40960, capabilities=["completion", "vision"]
    )
    ollama_server.reset()
    return ollama_server


@pytest.fixture(scope="session")
def docling_serve_server() -> Iterator[docling_serve_double.Double]:
    with docling_serve_double.running() as server:
        yield server


@pytest.fixture
def docling_serve(docling_serve_server: docling_serve_double.Double) -> docling_serve_double.Double:
    """As it is before a test changes it."""
    docling_serve_server.reset()
    return docling_serve_server
