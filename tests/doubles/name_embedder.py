"""An embedder of names: each is a direction in the plane that follows from its letters, so that some names are near each other."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from aegis_assets.errors import EngineFailed
from aegis_assets.model.embedding import Embedding


class NameEmbedder:
    """angles: of names whose direction matters. asked: every name it was asked about. fails: answers nothing."""

    def __init__(self, angles: dict[str, float] | None = None) -> None:
        self.angles = angles or {}
        self.asked: list[str] = []
        self.fails = False
        self.fingerprint = "embedder-1"

    def info(self) -> Any:
        return SimpleNamespace(fingerprint=self.fingerprint)

    def embed(self, texts: Sequence[str], kind: str, batch: int = 0) -> list[Embedding]:
        if self.fails:
            raise EngineFailed("The model stopped.")
        self.asked += texts
        angles = [self.angles.get(text, zlib.crc32(text.encode()) % 1000 / 1000 * math.pi) for text in texts]
        return [Embedding(dense=(math.cos(angle), math.sin(angle)), indices=(), values=()) for angle in angles]
