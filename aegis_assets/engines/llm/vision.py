"""A picture of a document and its caption -> a description of a few sentences, by a vision model behind any server.

Pictures are shrunk to MAX_SIDE before they are sent, because a vision model spends a token per 28 to 32 pixels square: a full page
at 300 dpi would take 8,000 of them and overflow the context. Trade-off: the answer is constrained to JSON although it is prose, so
that junk, HTML and answers that were cut off are noticed instead of being stored as a description.
"""

from __future__ import annotations

import asyncio
import io
import struct
from typing import Final

from aegis_assets.engines.llm.client import Message
from aegis_assets.engines.llm.conversation import Conversation, Tally
from aegis_assets.errors import BadInput
from aegis_assets.model.ids import fingerprint
from aegis_assets.model.parsing import Picture, PictureDescription
from aegis_assets.pipeline.grounding import clean_name
from aegis_assets.pipeline.ports import Slot, free_slot
from aegis_assets.pipeline.prompts import VISION_PROMPT_VERSION, Description, description_schema, vision_prompt, vision_question

MAX_SIDE: Final = 1344  # pixels: 48 x 28, about 2,300 tokens for a square picture
MAX_PIXELS: Final = 100_000_000
MAX_PNG_BYTES: Final = 64_000_000
MAX_DESCRIPTION: Final = 4000
_PNG: Final = b"\x89PNG\r\n\x1a\n"


class LanguageModelVision:
    """Port Vision. Holds no connection and no state between calls."""

    lease: tuple[str, int] | None = ("ollama", 1)

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def fingerprint(self) -> str:
        client = self._conversation.client
        return fingerprint(
            engine=f"{client.engine}-vision",
            version=VISION_PROMPT_VERSION,
            settings=sorted(client.decisive().items()),
            prompt=vision_prompt(),
            reply=description_schema(),
            side=MAX_SIDE,
        )

    async def check(self) -> None:
        """Raise EngineUnavailable, LimitExceeded or Misconfigured, in one sentence that says what to do."""
        await self._conversation.check("vision")

    async def describe(self, picture: Picture, png: bytes, slot: Slot = free_slot) -> PictureDescription:
        """Raise BadInput for bytes that are no picture, otherwise as LanguageModelExtractor.extract."""
        image = await asyncio.to_thread(shrunk, png)
        messages = [Message("system", vision_prompt()), Message("user", vision_question(picture.caption), (image,))]
        async with self._conversation.client.connected() as connection:
            reply = await self._conversation.insist(connection, messages, description_schema(), Description, Tally(), slot)
        return PictureDescription(ref=picture.ref, text=_told(reply.description), created_by=self._conversation.client.server.model)


def _told(description: str) -> str:
    """One paragraph without control characters, at most MAX_DESCRIPTION characters, cut at a word."""
    words = " ".join(clean_name(line) for line in description.splitlines()).split()
    text = " ".join(words)
    return text if len(text) <= MAX_DESCRIPTION else text[:MAX_DESCRIPTION].rsplit(" ", 1)[0] + " …"


def shrunk(png: bytes) -> bytes:
    """The picture with no side above MAX_SIDE; the bytes as they are where it fits. The size is read before anything is decoded."""
    if not png.startswith(_PNG) or len(png) < 33 or png[12:16] != b"IHDR" or len(png) > MAX_PNG_BYTES:
        raise BadInput("The picture is not a PNG of a size that can be described.")
    width, height = struct.unpack(">II", png[16:24])
    if not width or not height or width * height > MAX_PIXELS:
        raise BadInput(f"The picture has {width} x {height} pixels, which cannot be described.")
    if max(width, height) <= MAX_SIDE:
        return png
    from PIL import Image  # here, since most pictures need no shrinking

    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            image.thumbnail((MAX_SIDE, MAX_SIDE))
            small = io.BytesIO()
            image.save(small, "PNG")
            return small.getvalue()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput("The picture's bytes are damaged.") from error
