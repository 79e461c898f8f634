"""The port Extractor without a language model: spaCy or GLiNER, in the engine server.

Texts that wait together go together. A request goes over two processes and back; one for each chunk took 10 of the 170 CPU seconds
of a manual of 390 pages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, cast
from weakref import WeakKeyDictionary

from aegis_assets.engines.client import EngineClient, writable
from aegis_assets.engines.service.wire import ExtractAnswer, ExtractBody, error_of
from aegis_assets.errors import NO_TEXTS_FAULT, EngineFailed, Misconfigured
from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.model.ids import fingerprint
from aegis_assets.pipeline.ports import Slot, free_slot
from aegis_assets.settings import Settings

MOST: Final = 16  # texts of a request: 0.4 s
SENDERS: Final = 2  # so that the model has the next request while the answers to one are on their way

GLINER_VRAM_MB: Final = 1600  # fp16 weights of 340M parameters, and activations of a batch: of a request with all its texts

Waiting = tuple[str, asyncio.Future[Extraction]]


class ExtractorClient:
    """The extractor of the engine server, asked for many texts at a time."""

    takes_pairs = False

    def __init__(
        self,
        engine: EngineClient,
        kind: Literal["spacy", "gliner"] = "spacy",
        name: str = "spacy en-core-web-sm",
        lease: tuple[str, int] | None = None,
    ) -> None:
        self._engine, self._kind, self.name, self.lease = engine, kind, name, lease
        self._joined: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Schema, _Joined]] = WeakKeyDictionary()

    @classmethod
    def from_settings(cls, chosen: Settings, engine: EngineClient) -> ExtractorClient:
        if chosen.extractor_engine != "gliner":
            return cls(engine)
        on_gpu = (chosen.gliner_device or chosen.embedder_device).startswith("cuda")
        lease = ("vram", min(GLINER_VRAM_MB // MOST, chosen.vram_budget_mb)) if on_gpu else None
        return cls(engine, "gliner", f"gliner {Path(chosen.gliner_path).name}", lease)

    def named(self, schema: Schema) -> str:
        return self.name

    def fingerprint(self, schema: Schema) -> str:
        """Return what decides the result: the types alone, for neither reads a prompt or asks a language model."""
        read = schema.model_copy(update={"prompt": ""}).model_dump_json(exclude={"model", "pairs"})
        return fingerprint(**{self._kind: self._server_fingerprint(), "schema": read})

    def _server_fingerprint(self) -> str:
        """Raises Misconfigured if the engine server has none, or the other one: results would bear a wrong name."""
        info = self._engine.server_info()
        if info.extractor_problem is not None:
            raise error_of(info.extractor_problem)
        if info.extractor.startswith("gliner") != (self._kind == "gliner"):
            raise Misconfigured(
                "AEGIS_EXTRACTOR is 'gliner' here or for the engine server, and not for both: set it alike, and restart the engine"
                " server."
            )
        return info.extractor_fingerprint

    def earlier(self, schema: Schema) -> tuple[str, ...]:
        """Return no fingerprints: what is done anew here costs seconds and no calls."""
        return ()

    async def check(self, schema: Schema | None = None) -> None:
        await asyncio.to_thread(self._server_fingerprint)

    async def extract(self, text: str, schema: Schema, slot: Slot = free_slot) -> Extraction:
        """Extract a text in a request that it shares. Cancelling it does not stop the work on a text that was sent."""
        joined = self._joined.setdefault(asyncio.get_running_loop(), {}).setdefault(schema, _Joined(self._engine, schema))
        async with slot():
            return await joined.extract(writable(text))


class _Joined:
    """Texts of one schema, in one event loop."""

    def __init__(self, engine: EngineClient, schema: Schema) -> None:
        self._engine, self._schema = engine, schema
        self._waiting: list[Waiting] = []
        self._senders: set[asyncio.Task[None]] = set()

    async def extract(self, text: str) -> Extraction:
        found: asyncio.Future[Extraction] = asyncio.get_running_loop().create_future()
        self._waiting.append((text, found))
        if not self._senders or (len(self._senders) < SENDERS and len(self._waiting) >= MOST):
            self._senders.add(asyncio.create_task(self._send()))
        return await found

    async def _send(self) -> None:
        """Send one request after the other, each with what came meanwhile.

        It is a sender no more the moment that it finds nothing waiting: whoever comes then starts another.
        """
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._attempt([one for one in batch if not one[1].done()])  # who asked was cancelled
        finally:
            self._senders.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _attempt(self, batch: Sequence[Waiting]) -> None:
        """Answer a batch, each text alone where one breaks the model: the others only happened to be near it."""
        if not batch:
            return
        try:
            answers = await self._ask([text for text, _ in batch])
        except Exception as error:  # noqa: BLE001  it is for those who ask
            if len(batch) > 1 and not isinstance(error, NO_TEXTS_FAULT):
                for one in batch:
                    await self._attempt([one])
                return
            for _, found in batch:
                if not found.done():
                    found.set_exception(error)
            return
        for (_, found), answer in zip(batch, answers, strict=True):
            if not found.done():
                found.set_result(answer)

    async def _ask(self, texts: Sequence[str]) -> Sequence[Extraction]:
        body = ExtractBody(texts=tuple(texts), schema=self._schema)
        found = (await self._engine.post("/extract", body, ExtractAnswer)).extractions
        if len(found) != len(texts):
            raise EngineFailed("The extractor returned no result for a text.")
        return found
