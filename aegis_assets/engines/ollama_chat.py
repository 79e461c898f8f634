"""Schema-constrained questions to a model behind Ollama, asked again within bounds until the answer has the asked-for shape.

The whole call has a deadline of its own, because httpx's time-outs are per read, and a server that dribbles would never hit them. A
connection is opened per text, not kept: a request takes seconds, a handshake none, and closing the connection is what makes the
server stop working after a time-out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import httpx
import ollama
import stamina
from pydantic import BaseModel, ConfigDict, ValidationError

from aegis_assets.engines.ollama_wire import FAILURES, BadReply, Client, CutShort, PromptTooLong, Server, TimedOut, public_error
from aegis_assets.errors import AegisError, Misconfigured
from aegis_assets.network import may_use_proxy
from aegis_assets.pipeline.ports import Slot, free_slot
from aegis_assets.pipeline.prompts import reminder

M = TypeVar("M", bound=BaseModel)

CONNECT_TIMEOUT: Final = 10.0
CHECK_TIMEOUT: Final = 15.0
KEEP_ALIVE: Final = "30m"


class Retries(BaseModel):
    """attempts: requests for one question in all. timeouts: how many may end by time-out, since each costs a whole deadline."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    attempts: int = 4
    timeouts: int = 2
    wait_initial: float = 1.0
    wait_max: float = 20.0
    wait_jitter: float = 1.0


class Tally:
    """What the questions about one text or picture have cost so far, failed requests included."""

    def __init__(self) -> None:
        self.calls = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.timeouts = 0


class Answer(BaseModel):
    """content: the message's text, complete. Tokens as the server counted them, 0 where it did not say."""

    model_config = ConfigDict(frozen=True)
    content: str
    prompt_tokens: int
    completion_tokens: int


class OllamaSettings(BaseModel):
    """What decides an answer. One fixed set per model: another `num_ctx` would make the server reload the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str
    num_ctx: int
    num_predict: int
    temperature: float = 0.0
    seed: int = 7

    def options(self) -> dict[str, float | int]:
        return {
            "temperature": self.temperature,
            "seed": self.seed,
            "num_ctx": self.num_ctx,
            "num_predict": self.num_predict,
        }


class OllamaChat:
    """A model behind an Ollama server. Holds no connection; safe to share between tasks and event loops."""

    def __init__(self, url: str, settings: OllamaSettings, timeout: float, *, url_setting: str, model_setting: str) -> None:
        """timeout: seconds for one whole request. The setting names are for the sentences that say what to correct."""
        if not url:
            raise Misconfigured(f"{url_setting} is empty: set it to the address of an Ollama server.")
        self.settings = settings
        self.server = Server(
            url=url,
            model=settings.model,
            num_ctx=settings.num_ctx,
            timeout=timeout,
            url_setting=url_setting,
            model_setting=model_setting,
        )
        self._tls = httpx.create_ssl_context()  # 20 ms, once; httpx would do it for each client

    def of(self, model: str, model_setting: str) -> OllamaChat:
        """The same server and options for another model."""
        settings = self.settings.model_copy(update={"model": model})
        server = self.server
        return OllamaChat(server.url, settings, server.timeout, url_setting=server.url_setting, model_setting=model_setting)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[ollama.AsyncClient]:
        timeout = httpx.Timeout(self.server.timeout, connect=min(CONNECT_TIMEOUT, self.server.timeout))
        proxied = may_use_proxy(self.server.url)
        async with Client(self.server.url, timeout=timeout, follow_redirects=False, verify=self._tls, trust_env=proxied) as client:
            yield client

    async def ask(self, client: ollama.AsyncClient, messages: Sequence[Mapping[str, Any]], reply: Mapping[str, object]) -> Answer:
        """One request, no retry. Raises AegisErrors only; cancelled with its task, and the server notices."""
        try:
            async with asyncio.timeout(self.server.timeout):
                response = await client.chat(
                    model=self.settings.model,
                    messages=messages,
                    stream=False,
                    think=False,
                    format=dict(reply),
                    options=self.settings.options(),
                    keep_alive=KEEP_ALIVE,
                )
        except FAILURES as error:
            raise public_error(error, self.server) from error
        return self._answer(response)

    def _answer(self, response: ollama.ChatResponse) -> Answer:
        if not response.done or response.done_reason == "load":
            raise BadReply(f"{self.settings.model} answered without finishing.", "it was not finished")
        if response.done_reason == "length":
            raise CutShort(
                f"{self.settings.model} filled its {self.settings.num_predict} tokens without ending its answer; "
                "a larger AEGIS_OLLAMA_NUM_PREDICT may help."
            )
        if (response.prompt_eval_count or 0) >= self.settings.num_ctx - 1:
            # A server from before `truncate: false` cuts in silence, and then counts as many tokens as it has room for.
            raise PromptTooLong(
                f"The text did not fit into the {self.settings.num_ctx} tokens of {self.settings.model}'s context and was cut: "
                "raise AEGIS_OLLAMA_NUM_CTX."
            )
        content = response.message.content or ""
        if not content.strip():
            raise BadReply(f"{self.settings.model} gave an empty answer.", "it was empty")
        return Answer(
            content=content,
            prompt_tokens=max(0, response.prompt_eval_count or 0),
            completion_tokens=max(0, response.eval_count or 0),
        )

    async def insist(
        self,
        client: ollama.AsyncClient,
        messages: Sequence[Mapping[str, Any]],
        reply: Mapping[str, object],
        kind: type[M],
        retries: Retries,
        tally: Tally,
        slot: Slot = free_slot,
    ) -> M:
        """Asks until the answer is a `kind` or the attempts are used up. After an unusable answer the model hears what is wrong.
        slot: held for each request."""
        asked = list(messages)

        def again(error: Exception) -> bool:
            if isinstance(error, BadReply):
                asked[len(messages) :] = [{"role": "user", "content": reminder(error.problem)}]
            if isinstance(error, TimedOut):
                tally.timeouts += 1
                return tally.timeouts < retries.timeouts
            return isinstance(error, AegisError) and error.retryable

        async for attempt in stamina.retry_context(
            on=again,
            attempts=retries.attempts,
            timeout=None,
            wait_initial=retries.wait_initial,
            wait_max=retries.wait_max,
            wait_jitter=retries.wait_jitter,
        ):
            with attempt:
                async with slot():
                    tally.calls += 1
                    answer = await self.ask(client, asked, reply)
                tally.prompt_tokens += answer.prompt_tokens
                tally.completion_tokens += answer.completion_tokens
                return parsed(answer, kind, self.settings.model)
        raise AssertionError("retry_context ends by return or raise")

    async def models(self, seconds: float) -> tuple[str, ...]:
        """What the server has, by name. Raises AegisErrors only."""
        try:
            async with asyncio.timeout(seconds), self.connected() as client:
                listed = await client.list()
        except FAILURES as error:
            raise public_error(error, self.server) from error
        return tuple(sorted(one.model for one in listed.models if one.model))

    async def check(self, capability: str = "completion") -> None:
        """The server answers and has the model; the model can do this and has the context that we ask for. Raises or returns."""
        model = self.settings.model
        server = self.server.model_copy(update={"timeout": min(CHECK_TIMEOUT, self.server.timeout)})
        try:
            async with asyncio.timeout(server.timeout), self.connected() as client:
                shown = await client.show(model)
        except FAILURES as error:
            raise public_error(error, server) from error
        if shown.capabilities and capability not in shown.capabilities:
            raise Misconfigured(f"The model {model} cannot do {capability}: set {self.server.model_setting} to one that can.")
        sizes = [size for key, size in (shown.modelinfo or {}).items() if key.endswith(".context_length") and isinstance(size, int)]
        if sizes and max(sizes) < self.settings.num_ctx:
            raise Misconfigured(
                f"The model {model} has a context of {max(sizes)} tokens: AEGIS_OLLAMA_NUM_CTX ({self.settings.num_ctx}) is more."
            )


_FENCED = re.compile(r"\A\s*(?:<think>.*?</think>\s*)?(?:```(?:json)?\s*\n(.*?)```\s*\Z)?", re.DOTALL)


def parsed(answer: Answer, kind: type[M], model: str) -> M:
    """The answer as `kind`. Thinking and a code fence around the JSON are forgiven: `think: false` can switch off `format`."""
    found = _FENCED.match(answer.content)
    content = answer.content
    if found:
        content = found.group(1) if found.group(1) is not None else answer.content[found.end() :]
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            looks = "HTML" if content.lstrip().startswith("<") else "not JSON"
            raise BadReply(f"{model} gave an answer that is {looks}.", "it was not JSON") from error
        # What the model made up is not told back to it: its words may be the document's.
        where = next((name for name in kind.model_fields if name in first["loc"][:1]), "a key that was not asked for")
        raise BadReply(f"{model} gave JSON of another shape than asked for.", f"{where} does not fit") from error
