"""Who embeds for the engine server's callers: its own model, or a server that AEGIS_EMBEDDING_URL names."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from aegis_assets.engines.embedder import chunk_tokens
from aegis_assets.engines.embedding.remote import RemoteEmbedder
from aegis_assets.engines.service.group import READY, STARTING, Models
from aegis_assets.engines.service.wire import EmbedAnswer, EmbedBody
from aegis_assets.errors import AegisError
from aegis_assets.logs import logger
from aegis_assets.model.embedding import EmbedderInfo
from aegis_assets.settings import Settings

ASK_SECONDS: Final = 5.0  # between two questions to a server that was never reached
log = logger(__name__)


class Embeddings(Protocol):
    """state: 'ready', 'starting', or the sentence that says what is wrong. Calls raise AegisError."""

    def state(self) -> str: ...
    async def info(self) -> EmbedderInfo: ...
    async def chunk_tokens(self) -> int: ...
    async def embed(self, body: EmbedBody) -> bytes:
        """Return an EmbedAnswer as JSON."""
        ...

    async def watch(self) -> None:
        """Run until cancelled: find out whether there is an embedder, for `state`."""

    async def close(self) -> None: ...


class LocalEmbeddings:
    """The model in the process that `Models` keeps alive."""

    def __init__(self, models: Models, chosen: Settings) -> None:
        self._models, self._chosen = models, chosen

    def state(self) -> str:
        return self._models.states()["embedder"]

    async def info(self) -> EmbedderInfo:
        return self._models.embedder()

    async def chunk_tokens(self) -> int:
        """Known without the model: documents are cut while it loads."""
        return chunk_tokens(self._chosen)

    async def embed(self, body: EmbedBody) -> bytes:
        return await self._models.embed(body)

    async def watch(self) -> None:
        """`Models` watches its process itself."""

    async def close(self) -> None:
        """`Models` ends its process itself."""


class RemoteEmbeddings:
    """The server at AEGIS_EMBEDDING_URL. A setting that cannot be right is said to everyone who asks, as a model's would be."""

    def __init__(self, chosen: Settings) -> None:
        self._state = STARTING
        self._embedder: RemoteEmbedder | AegisError
        try:
            self._embedder = RemoteEmbedder(chosen)
        except AegisError as error:
            self._embedder = error
            self._state = error.message

    def state(self) -> str:
        return self._state

    async def info(self) -> EmbedderInfo:
        return await self._get().info()

    async def chunk_tokens(self) -> int:
        return (await self.info()).max_tokens

    async def embed(self, body: EmbedBody) -> bytes:
        info, embeddings = await self._get().embed(body.texts, body.kind, body.batch)
        answer = EmbedAnswer(info=info, embeddings=tuple(embeddings))
        return (await asyncio.to_thread(answer.model_dump_json)).encode()

    async def watch(self) -> None:
        """Until it was reached once: later outages are its callers' errors, and no reason to call the engine server unready."""
        while self._state != READY and not isinstance(self._embedder, AegisError):
            try:
                await self._embedder.info()
                self._state = READY
                log.info("embedding_server_ready")
            except AegisError as error:
                if self._state != error.message:
                    log.error("embedding_server_unusable", message=error.message)
                self._state = error.message
                await asyncio.sleep(ASK_SECONDS)

    async def close(self) -> None:
        if isinstance(self._embedder, RemoteEmbedder):
            await self._embedder.close()

    def _get(self) -> RemoteEmbedder:
        if isinstance(self._embedder, AegisError):
            raise self._embedder
        return self._embedder


def embeddings(chosen: Settings, models: Models) -> Embeddings:
    return RemoteEmbeddings(chosen) if chosen.embeds_by_url else LocalEmbeddings(models, chosen)
