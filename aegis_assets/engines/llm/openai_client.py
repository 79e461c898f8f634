"""A model behind any server that speaks OpenAI's protocol, through the official client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import openai
from pydantic import BaseModel, ConfigDict, SecretStr

from aegis_assets.engines.llm.client import Think
from aegis_assets.engines.llm.faults import Server, address_of, no_address
from aegis_assets.engines.llm.openai_connection import FAILURES, OpenAiConnection, public_error
from aegis_assets.engines.llm.openai_dialect import dialect
from aegis_assets.engines.llm.openai_models import cannot_see, context_of, takes_any_name
from aegis_assets.engines.llm.openai_wire import http_client
from aegis_assets.errors import Misconfigured
from aegis_assets.network import is_near, tls_context
from aegis_assets.settings import Settings

CHECK_SECONDS: Final = 15.0
NO_KEY: Final = SecretStr("")
LISTED: Final = 5  # models that a sentence names


class OpenAiSettings(BaseModel):
    """One model's options. context: tokens of prompt and answer together, 0 for what the server says."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str
    context: int = 0
    max_tokens: int = 2048
    temperature: float = 0.0
    seed: int = 7
    think: Think = "auto"

    @classmethod
    def from_settings(cls, settings: Settings, model: str) -> OpenAiSettings:
        return cls(
            model=model,
            context=settings.llm_context,
            max_tokens=settings.llm_max_tokens,
            temperature=settings.llm_temperature,
            seed=settings.llm_seed,
            think=settings.llm_think,
        )


class OpenAiClient:
    """Implements `llm.client.Client`. url: up to and including /v1, or without a path."""

    engine = "openai"

    def __init__(
        self,
        url: str,
        settings: OpenAiSettings,
        *,
        api_key: SecretStr = NO_KEY,
        model_setting: str = "AEGIS_LLM_MODEL",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if not url:
            raise Misconfigured("AEGIS_LLM_URL is empty: set it to the address of an OpenAI-compatible server.")
        if not settings.model:
            raise Misconfigured(f"{model_setting} is empty: set it to a model that the language model's server has.")
        self.settings = settings
        self.server = Server(
            place=f"The language model's server at {address_of(url)}",
            kind="an OpenAI-compatible server",
            url=url,
            model=settings.model,
            url_setting="AEGIS_LLM_URL",
            model_setting=model_setting,
            access_setting="AEGIS_LLM_API_KEY",
            context_setting="AEGIS_LLM_CONTEXT",
            answer_setting="AEGIS_LLM_MAX_TOKENS",
        )
        self.dialect = dialect(url, settings.model)
        self._api_key = api_key
        self._tls = tls or tls_context("")
        self._require_safe_address()

    @classmethod
    def from_settings(cls, settings: Settings, model: str, model_setting: str) -> OpenAiClient:
        return cls(
            settings.llm_url,
            OpenAiSettings.from_settings(settings, model),
            api_key=settings.llm_api_key,
            model_setting=model_setting,
            tls=tls_context(settings.ca_file),
        )

    def _require_safe_address(self) -> None:
        parts = urlsplit(self.server.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise no_address(self.server)
        key = self._api_key.get_secret_value()
        if key and parts.scheme == "http" and not is_near(self.server.url):
            raise Misconfigured(
                f"AEGIS_LLM_API_KEY would go to {self.server.address} unencrypted: use an https address, or one in your own"
                " network."
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise Misconfigured("AEGIS_LLM_API_KEY has a character that no key has, such as a blank: copy it anew.")

    def without_key(self, words: str) -> str:
        """Return a server's words without the key, which some repeat."""
        key = self._api_key.get_secret_value()
        return words.replace(key, "…") if key else words

    @property
    def answer_tokens(self) -> int:
        return self.settings.max_tokens

    def of(self, model: str, model_setting: str) -> OpenAiClient:
        settings = self.settings.model_copy(update={"model": model})
        return OpenAiClient(self.server.url, settings, api_key=self._api_key, model_setting=model_setting, tls=self._tls)

    def decisive(self) -> Mapping[str, object]:
        options = self.settings.model_dump(exclude={"context", "think"})
        return options if self.settings.think == "auto" else {**options, "think": self.settings.think}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[OpenAiConnection]:
        """What the environment says of OpenAI's own keys and organisations is for OpenAI, and not sent to any other server."""
        parts = urlsplit(self.server.url)
        key = self._api_key.get_secret_value()
        absent = ("OpenAI-Organization", "OpenAI-Project") if key else ("OpenAI-Organization", "OpenAI-Project", "Authorization")
        async with openai.AsyncOpenAI(
            base_url=self.server.url if parts.path.strip("/") else f"{self.server.url.rstrip('/')}/v1",
            api_key=key or "none",
            max_retries=0,
            http_client=http_client(self.server, self._tls),
        ) as client:
            yield OpenAiConnection(client, self, dict.fromkeys(absent, openai.omit))

    async def listed(self, seconds: float = CHECK_SECONDS) -> dict[str, Mapping[str, object]]:
        """Return what the server says of each of its models, by name."""
        try:
            async with asyncio.timeout(seconds), self.connected() as connection:
                page = await connection.client.models.list(extra_headers=connection.headers)
                return {model.id: model.model_dump() for model in page.data}
        except FAILURES as error:
            raise public_error(error, self, seconds) from error

    async def models(self, seconds: float) -> tuple[str, ...]:
        return tuple(sorted(await self.listed(seconds)))

    async def context(self) -> int:
        """Return the setting, else what the server says, else raise Misconfigured. A server that is away is believed what it said
        before."""
        if self.settings.context:
            return self.settings.context
        if not self.dialect.context_is_fresh:
            try:
                said = context_of(self._entry(await self.listed()))
            except FAILURES:
                if not self.dialect.context:
                    raise
            else:
                self.dialect.learn_context(said)
        if not self.dialect.context:
            raise Misconfigured(
                f"{self.server.place} does not say how long the context of {self.server.model} is: set AEGIS_LLM_CONTEXT to its"
                " number of tokens."
            )
        return self.dialect.context

    def _entry(self, listed: Mapping[str, Mapping[str, object]]) -> Mapping[str, object]:
        """Return what the server says of the model. Raise Misconfigured if it does not have it."""
        model = self.server.model
        if model in listed:
            return listed[model]
        for entry in listed.values():
            if takes_any_name(entry):
                return entry
        names = ", ".join(sorted(listed)[:LISTED]) or "none"
        raise Misconfigured(
            f"{self.server.place} does not have the model {model}: set {self.server.model_setting} to one that it has ({names})."
        )

    async def check(self, capability: str = "completion") -> None:
        """Also raise Misconfigured if the server's context is smaller than the setting's, or neither is known."""
        entry = self._entry(await self.listed())
        said, wanted = context_of(entry), await self.context()
        if said and wanted > said:
            raise Misconfigured(
                f"The model {self.server.model} has a context of {said} tokens: AEGIS_LLM_CONTEXT ({wanted}) is more."
            )
        if capability == "vision" and cannot_see(entry):
            raise Misconfigured(
                f"The model {self.server.model} cannot do {capability}: set {self.server.model_setting} to one that can."
            )
