"""The port Vision without a vision model: the text that stands in a picture, read by the engine server."""

from __future__ import annotations

import asyncio
import base64
from typing import Final

from pydantic import BaseModel

from aegis_assets.engines.client import EngineClient
from aegis_assets.engines.service.wire import OcrAnswer
from aegis_assets.model.parsing import Picture, PictureDescription
from aegis_assets.pipeline.ports import Slot, free_slot

SECONDS: Final = 180.0  # half a minute for a slot, a minute for the picture, and the loading of the engine


class OcrVision:
    lease: tuple[str, int] | None = None

    def __init__(self, engine: EngineClient) -> None:
        self._engine = engine

    def fingerprint(self) -> str:
        return self._engine.server_info().ocr

    async def check(self) -> None:
        await asyncio.to_thread(self._engine.server_info)

    async def describe(self, picture: Picture, png: bytes, slot: Slot = free_slot) -> PictureDescription:
        """slot: not needed, since the engine server has a queue of its own."""
        body = _Raw(png=base64.b64encode(png).decode())
        answer = await self._engine.post_queued("/ocr", body, OcrAnswer, SECONDS)
        return PictureDescription(ref=picture.ref, text=answer.text, created_by="ocr")


class _Raw(BaseModel):
    """Base64 as it is sent: the server's type decodes it."""

    png: str
