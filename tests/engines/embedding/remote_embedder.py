"""An embedder behind an address, for one call."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from aegis_assets.engines.embedding import remote
from aegis_assets.engines.embedding.remote import RemoteEmbedder
from aegis_assets.model.embedding import EmbedderInfo, Embedding
from aegis_assets.settings import Settings
from tests.doubles.embedding_server import vector

Result = TypeVar("Result")
Made = tuple[EmbedderInfo, list[Embedding]]
TEXTS = ["Ada wrote the first program.", "A mesh of triangles.", "Rain in the evening."]
BOTH = pytest.mark.parametrize("protocol", ["openai", "tei"])


def using(chosen: Settings, act: Callable[[RemoteEmbedder], Coroutine[Any, Any, Result]]) -> Result:
    async def run() -> Result:
        embedder = RemoteEmbedder(chosen)
        try:
            return await act(embedder)
        finally:
            await embedder.close()

    return asyncio.run(run())


def info(url: str, **more: Any) -> EmbedderInfo:
    return using(Settings(embedding_url=url, **more), lambda embedder: embedder.info())


def embed(url: str, texts: list[str] = TEXTS, kind: remote.Kind = "passage", batch: int = 0, **more: Any) -> Made:
    return using(Settings(embedding_url=url, **more), lambda embedder: embedder.embed(texts, kind, batch))


def direction(text: str, dimension: int = 32) -> list[float]:
    numbers = vector(text, dimension)
    length = math.hypot(*numbers)
    return [number / length for number in numbers]
