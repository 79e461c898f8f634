"""A model behind an Ollama server, through the official client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import httpx
import ollama
from pydantic import BaseModel, ConfigDict

from aegis_assets.engines.llm.client import Message, Piece, Schema, Think
from aegis_assets.engines.llm.faults import (
    PromptTooLong,
    Server,
    address_of,
    broken_off,
    no_address,
    no_answer,
    refused,
    stumbled,
    unexpected,
    unreachable,
)
from aegis_assets.engines.llm.ollama_wire import ChatTransport
from aegis_assets.engines.llm.retry_after import seconds_of
from aegis_assets.errors import AegisError, EngineFailed, Misconfigured
from aegis_assets.network import may_use_proxy, tls_context
from aegis_assets.pipeline.grounding import clean_name
from aegis_assets.settings import Settings

CONNECT_SECONDS: Final = 10.0
SEND_SECONDS: Final = 60.0
CHECK_SECONDS: Final = 15.0
THINKS: Final[Mapping[Think, Any]] = {"auto": False, "off": False, "on": True, "low": "low", "medium": "medium", "high": "high"}

# Everything that the client, httpx and an answer of another shape can raise; anything else is a defect of ours.
FAILURES: Final = (
    AegisError,
    ollama.ResponseError,
    httpx.HTTPError,
    httpx.InvalidURL,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
)


class OllamaSettings(BaseModel):
    """One model's options. One fixed set per model: another `num_ctx` would make the server reload the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str
    num_ctx: int
    num_predict: int
    temperature: float = 0.0
    seed: int = 7
    think: Think = "auto"
    keep_alive: str = "30m"

    @classmethod
    def from_settings(cls, settings: Settings, model: str) -> OllamaSettings:
        """Extractor and vision get the same sizes: with one model for both, other sizes would make the server reload it."""
        return cls(
            model=model,
            num_ctx=settings.ollama_num_ctx,
            num_predict=settings.ollama_num_predict,
            temperature=settings.llm_temperature,
            seed=settings.llm_seed,
            think=settings.llm_think,
            keep_alive=settings.ollama_keep_alive,
        )

    def options(self) -> dict[str, float | int]:
        """Return what every request carries. repeat_penalty: none, where Ollama's own is 1.1, because an answer has to repeat its
        names."""
        return {
            "temperature": self.temperature,
            "seed": self.seed,
            "num_ctx": self.num_ctx,
            "num_predict": self.num_predict,
            "repeat_penalty": 1.0,
        }


class OllamaClient:
    """Implements `llm.client.Client`. The setting names are for the sentences that say what to correct."""

    engine = "ollama"

    def __init__(
        self,
        url: str,
        settings: OllamaSettings,
        *,
        model_setting: str = "AEGIS_OLLAMA_MODEL",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if not url:
            raise Misconfigured("AEGIS_OLLAMA_URL is empty: set it to the address of an Ollama server.")
        if not settings.model:
            raise Misconfigured(f"{model_setting} is empty: set it to a model that the Ollama server has.")
        self.settings = settings
        self._tls = tls or tls_context("")
        self.server = Server(
            place=f"Ollama at {address_of(url)}",
            kind="an Ollama server",
            url=url,
            model=settings.model,
            url_setting="AEGIS_OLLAMA_URL",
            model_setting=model_setting,
            access_setting="AEGIS_OLLAMA_URL",
            context_setting="AEGIS_OLLAMA_NUM_CTX",
            answer_setting="AEGIS_OLLAMA_NUM_PREDICT",
        )

    @classmethod
    def from_settings(cls, settings: Settings, model: str, model_setting: str) -> OllamaClient:
        options = OllamaSettings.from_settings(settings, model)
        return cls(settings.ollama_url, options, model_setting=model_setting, tls=tls_context(settings.ca_file))

    @property
    def answer_tokens(self) -> int:
        return self.settings.num_predict

    def of(self, model: str, model_setting: str) -> OllamaClient:
        settings = self.settings.model_copy(update={"model": model})
        return OllamaClient(self.server.url, settings, model_setting=model_setting, tls=self._tls)

    def decisive(self) -> Mapping[str, object]:
        """`think` enters where it is set: what was extracted before it was a setting stays valid."""
        options = self.settings.model_dump(exclude={"keep_alive", "think"})
        return options if THINKS[self.settings.think] is False else {**options, "think": self.settings.think}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[OllamaConnection]:
        """No limit on reading: an answer's limits are a conversation's."""
        timeout = httpx.Timeout(None, connect=CONNECT_SECONDS, write=SEND_SECONDS)
        proxied = may_use_proxy(self.server.url)
        try:
            http = httpx.AsyncClient(verify=self._tls, trust_env=proxied, timeout=timeout)
            wire = ChatTransport(http, self.server)
            client = ollama.AsyncClient(self.server.url, timeout=timeout, follow_redirects=False, transport=wire)
        except FAILURES as error:
            raise self.public(error) from error
        async with client:
            yield OllamaConnection(client, wire, self)

    async def models(self, seconds: float) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(seconds), self.connected() as connection:
                listed = await connection.client.list()
        except FAILURES as error:
            raise self.public(error, seconds) from error
        return tuple(sorted(model.model for model in listed.models if model.model))

    async def check(self, capability: str = "completion") -> None:
        """Also raise Misconfigured if the model's context is smaller than the one that is asked for."""
        model = self.settings.model
        try:
            async with asyncio.timeout(CHECK_SECONDS), self.connected() as connection:
                shown = await connection.client.show(model)
        except FAILURES as error:
            raise self.public(error, CHECK_SECONDS) from error
        if shown.capabilities and capability not in shown.capabilities:
            raise Misconfigured(f"The model {model} cannot do {capability}: set {self.server.model_setting} to one that can.")
        sizes = [size for key, size in (shown.modelinfo or {}).items() if key.endswith(".context_length") and isinstance(size, int)]
        if sizes and max(sizes) < self.settings.num_ctx:
            raise Misconfigured(
                f"The model {model} has a context of {max(sizes)} tokens: AEGIS_OLLAMA_NUM_CTX ({self.settings.num_ctx}) is more."
            )

    def public(self, error: BaseException, seconds: float = CONNECT_SECONDS, retry_after: str = "") -> AegisError:
        """Return one sentence per class of failure. The order matters: httpx's time-outs are transport errors too."""
        server = self.server
        if isinstance(error, AegisError):
            return error
        if isinstance(error, ollama.ResponseError):
            return self._refused(error, retry_after)
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | ConnectionError):
            return unreachable(server)
        if isinstance(error, TimeoutError | httpx.TimeoutException):
            return no_answer(server, seconds)
        if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
            return no_address(server)
        if isinstance(error, httpx.HTTPError):
            return broken_off(server)
        if isinstance(error, ValueError | TypeError | AttributeError):
            return EngineFailed(f"What answers at {server.address} does not speak Ollama's protocol; check {server.url_setting}.")
        return unexpected(server, error)

    def _refused(self, error: ollama.ResponseError, retry_after: str) -> AegisError:
        words = clean_name(str(error.error))
        if error.status_code < 300:  # an error in the middle of a stream has none
            return stumbled(self.server)
        if error.status_code == 404 and "model" in words.lower():
            model = self.server.model
            return Misconfigured(f"{self.server.place} does not have the model {model}: run `ollama pull {model}`.")
        return refused(self.server, error.status_code, words, self.settings.num_ctx, seconds_of(retry_after))


class OllamaConnection:
    """Implements `llm.client.Connection`."""

    def __init__(self, client: ollama.AsyncClient, wire: ChatTransport, model: OllamaClient) -> None:
        self.client = client
        self._wire = wire
        self._model = model

    def spelled(self, messages: Sequence[Message], schema: Schema) -> Sequence[Message]:
        return messages

    async def context(self) -> int:
        return self._model.settings.num_ctx

    async def stream(self, messages: Sequence[Message], schema: Schema) -> AsyncGenerator[Piece, None]:
        settings = self._model.settings
        try:
            parts = await self.client.chat(
                model=settings.model,
                messages=[_spelled(message) for message in messages],
                stream=True,
                think=THINKS[settings.think],
                format=dict(schema),
                options=settings.options(),
                keep_alive=settings.keep_alive,
            )
            async with aclosing(_closable(parts)) as closing:
                async for part in closing:
                    yield self._piece(part)
        except FAILURES as error:
            raise self._model.public(error, retry_after=self._wire.retry_after) from error

    def _piece(self, part: ollama.ChatResponse) -> Piece:
        """Raise PromptTooLong for a server from before `truncate: false`: it cuts in silence, and then counts as many tokens as it
        has room for."""
        settings = self._model.settings
        text, thought = part.message.content or "", bool(part.message.thinking)
        if not part.done:
            return Piece(text, thought)
        read = max(0, part.prompt_eval_count or 0)
        if read >= settings.num_ctx - 1:
            raise PromptTooLong(
                f"The text did not fit into the {settings.num_ctx} tokens of {settings.model}'s context and was cut: "
                "raise AEGIS_OLLAMA_NUM_CTX."
            )
        reasons: Mapping[str | None, Any] = {"load": "unfinished", "length": "length"}
        return Piece(text, thought, reasons.get(part.done_reason, "stop"), read, max(0, part.eval_count or 0))


def _spelled(message: Message) -> dict[str, Any]:
    spelled: dict[str, Any] = {"role": message.role, "content": message.text}
    return {**spelled, "images": list(message.images)} if message.images else spelled


async def _closable(parts: AsyncIterator[ollama.ChatResponse]) -> AsyncGenerator[ollama.ChatResponse, None]:
    """Close the client's own generator with this one: its type does not promise that it can be."""
    try:
        async for part in parts:
            yield part
    finally:
        if isinstance(parts, AsyncGenerator):
            await parts.aclose()
