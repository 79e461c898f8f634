"""A real server of OpenAI's protocol: llama.cpp's, with a language model that gives vectors of the right form and little sense."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from aegis_assets.engines.embedding.remote import RemoteEmbedder
from aegis_assets.errors import Misconfigured
from aegis_assets.settings import Settings
from tests.engine_service import stop

Result = TypeVar("Result")


@pytest.fixture(scope="module")
def server(llamacpp_server: str) -> str:
    return llamacpp_server


def using(act: Callable[[RemoteEmbedder], Coroutine[Any, Any, Result]], url: str, **more: Any) -> Result:
    async def run() -> Result:
        embedder = RemoteEmbedder(Settings(embedding_url=url, **more))
        try:
            return await act(embedder)
        finally:
            await embedder.close()

    return asyncio.run(run())


def test_its_protocol_model_and_dimension_are_found_out(server: str) -> None:
    found = using(lambda embedder: embedder.info(), server)
    assert found.server == f"OpenAI-compatible at {server}"
    assert found.name == "smollm2-135m"
    assert found.dimension == 576


def test_texts_get_the_vectors_that_each_gets_alone(server: str) -> None:
    texts = ["Ada wrote the first program.", "A mesh of triangles.", "Rain in the evening."]

    async def ask(embedder: RemoteEmbedder) -> tuple[list[Any], list[Any]]:
        together = (await embedder.embed(texts, "passage"))[1]
        return together, [(await embedder.embed([text], "passage"))[1][0] for text in texts]

    together, alone = using(ask, server)
    for one, other in zip(together, alone, strict=True):
        assert sum(value * value for value in one.dense) == pytest.approx(1.0, abs=1e-4)
        assert sum(a * b for a, b in zip(one.dense, other.dense, strict=True)) == pytest.approx(1.0, abs=1e-2)
    assert together[0].dense != together[1].dense


def test_a_text_that_its_batch_does_not_hold_is_embedded_in_parts(server: str) -> None:
    """Its physical batch has 512 tokens by default, whatever the context, and it says so with a 500."""
    long = " ".join(f"Paragraph {n} speaks of engines and of their makers." for n in range(60))
    (made,) = using(lambda embedder: embedder.embed([long], "passage"), server)[1]
    assert sum(value * value for value in made.dense) == pytest.approx(1.0, abs=1e-4)


@pytest.fixture(scope="module")
def locked(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from tests.llamacpp_service import start_llamacpp

    process, address = start_llamacpp(tmp_path_factory.mktemp("llamacpp"), api_key="hush")
    yield address
    stop(process)


def test_its_key_is_wanted_and_a_wrong_one_is_said(locked: str, tmp_path: Path) -> None:
    assert using(lambda embedder: embedder.info(), locked, embedding_api_key="hush").dimension == 576
    with pytest.raises(Misconfigured, match="AEGIS_EMBEDDING_API_KEY"):
        using(lambda embedder: embedder.info(), locked, embedding_api_key="wrong", embedder="openai")
