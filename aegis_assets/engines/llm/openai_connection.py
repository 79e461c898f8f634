"""One connection to a server of OpenAI's protocol: a streamed answer, and its failures as public sentences."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import httpx2
import openai
from openai.types.chat import ChatCompletionChunk

from aegis_assets.engines.llm.client import Message, Piece, Schema
from aegis_assets.engines.llm.faults import (
    broken_off,
    no_address,
    no_answer,
    refused,
    speaks_of_context,
    stumbled,
    unexpected,
    unreachable,
)
from aegis_assets.engines.llm.retry_after import seconds_of
from aegis_assets.errors import AegisError, EngineFailed, Misconfigured
from aegis_assets.pipeline.grounding import clean_name

if TYPE_CHECKING:
    from aegis_assets.engines.llm.openai_client import OpenAiClient

MAX_LESSONS: Final = 6  # requests that teach how a server wants to be asked, before one that it takes
NOT_TAKEN: Final = (400, 422, 501)
THOUGHTS: Final = ("reasoning_content", "reasoning")
QUOTA: Final = "insufficient_quota"

# Everything that the client, httpx and an answer of another shape can raise; anything else is a defect of ours.
FAILURES: Final = (
    AegisError,
    openai.OpenAIError,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
)


class OpenAiConnection:
    """Implements `llm.client.Connection`. headers: sent, or left out, with each request."""

    def __init__(self, client: openai.AsyncOpenAI, model: OpenAiClient, headers: Mapping[str, str | openai.Omit]) -> None:
        self.client = client
        self.headers = headers
        self._model = model

    async def context(self) -> int:
        return await self._model.context()

    def spelled(self, messages: Sequence[Message], schema: Schema) -> list[Message]:
        return self._model.dialect.spelled(messages, schema)

    async def stream(self, messages: Sequence[Message], schema: Schema) -> AsyncGenerator[Piece, None]:
        try:
            chunks = await self._begin(messages, schema)
            async with chunks:
                end = Piece()
                async for chunk in chunks:
                    piece = _piece(chunk)
                    end = _joined(end, piece)
                    if piece.text or piece.thought:
                        yield piece
            yield Piece(reason=end.reason or "unfinished", prompt_tokens=end.prompt_tokens, completion_tokens=end.completion_tokens)
        except FAILURES as error:
            raise public_error(error, self._model) from error

    async def _begin(self, messages: Sequence[Message], schema: Schema) -> openai.AsyncStream[ChatCompletionChunk]:
        """Return the answer's stream. What the server refuses is learnt, and it is asked again without."""
        dialect = self._model.dialect
        guess: openai.APIStatusError | None = None  # the refusal that made us guess, since it did not say of what
        for _ in range(MAX_LESSONS):
            request = self._request(messages, schema)
            try:
                chunks: openai.AsyncStream[ChatCompletionChunk] = await self.client.chat.completions.create(**request)
            except openai.APIStatusError as error:
                words = _words(error)
                if error.status_code not in NOT_TAKEN or speaks_of_context(words):
                    raise
                if dialect.learn(words, schema):
                    continue
                if guess is not None:
                    dialect.untell(schema)
                    raise guess from error
                if not dialect.constrains(schema):
                    raise
                guess = error
                dialect.tell(schema)
            else:
                await self._require_stream(chunks)
                return chunks
        raise EngineFailed(f"{self._model.server.place} refuses every way of asking that is known.", retryable=False)

    def _request(self, messages: Sequence[Message], schema: Schema) -> dict[str, Any]:
        settings, dialect = self._model.settings, self._model.dialect
        optional = {"temperature": settings.temperature, "seed": settings.seed, "stream_options": {"include_usage": True}}
        return {
            "model": settings.model,
            "messages": [_spelled(message) for message in dialect.spelled(messages, schema)],
            "stream": True,
            "extra_headers": self.headers,
            dialect.max_tokens: settings.max_tokens,
            **{name: value for name, value in optional.items() if name not in dialect.dropped},
            **dialect.shaped(schema),
            **_thinking(settings.think),
        }

    async def _require_stream(self, chunks: openai.AsyncStream[ChatCompletionChunk]) -> None:
        kind = chunks.response.headers.get("content-type", "")
        if kind and not kind.startswith("text/event-stream"):
            await chunks.close()
            raise _other_protocol(self._model)


def _spelled(message: Message) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    pictures = [f"data:image/png;base64,{base64.b64encode(image).decode()}" for image in message.images]
    parts = [{"type": "image_url", "image_url": {"url": picture}} for picture in pictures]
    return {"role": message.role, "content": [{"type": "text", "text": message.text}, *parts]}


def _thinking(think: str) -> dict[str, Any]:
    """Say whether the model reasons before it answers, where a setting says so: Qwen's and DeepSeek's templates take a switch,
    OpenAI's own models an effort."""
    if think in ("on", "off"):
        return {"extra_body": {"chat_template_kwargs": {"enable_thinking": think == "on"}}}
    return {} if think == "auto" else {"reasoning_effort": think}


def _piece(chunk: ChatCompletionChunk) -> Piece:
    """Servers send the counts in a last chunk without choices, or with each."""
    read, written = (chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0) if chunk.usage else (0, 0)
    if not chunk.choices:
        return Piece(prompt_tokens=read, completion_tokens=written)
    choice = chunk.choices[0]
    more: Mapping[str, object] = choice.delta.model_extra or {}
    thought = any(more.get(name) for name in THOUGHTS)
    reason: Literal["", "stop", "length"] = ""
    if choice.finish_reason:
        reason = "length" if choice.finish_reason == "length" else "stop"
    return Piece(choice.delta.content or "", thought, reason, read, written)


def _joined(end: Piece, piece: Piece) -> Piece:
    """Return what is known of the end of the answer."""
    return Piece(
        reason=piece.reason or end.reason,
        prompt_tokens=piece.prompt_tokens or end.prompt_tokens,
        completion_tokens=piece.completion_tokens or end.completion_tokens,
    )


def _words(error: openai.APIError) -> str:
    """Return what the server said, whatever shape it gave it."""
    body = error.body
    if isinstance(body, Mapping):
        return str(body.get("message") or body.get("detail") or body.get("error") or body)
    return str(body or error.message)


def _other_protocol(model: OpenAiClient) -> AegisError:
    server = model.server
    return EngineFailed(f"What answers at {server.address} does not speak OpenAI's protocol; check {server.url_setting}.")


def public_error(error: BaseException, model: OpenAiClient, seconds: float = 0.0) -> AegisError:
    """Return one sentence per class of failure. The order matters: the client's classes are related."""
    server = model.server
    if isinstance(error, AegisError):
        return error
    if isinstance(error, openai.APIStatusError):
        return _refused(error, model)
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
        if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
            return unreachable(server)
        return no_address(server) if isinstance(cause, httpx2.UnsupportedProtocol) else broken_off(server)
    if isinstance(error, TimeoutError):
        return no_answer(server, seconds)
    if isinstance(error, httpx2.InvalidURL):
        return no_address(server)
    if isinstance(error, openai.APIResponseValidationError | ValueError | TypeError | AttributeError):
        return _other_protocol(model)
    if isinstance(error, openai.APIError):  # an error in the middle of a stream
        return stumbled(server)
    return unexpected(server, error)


def _refused(error: openai.APIStatusError, model: OpenAiClient) -> AegisError:
    server, words, status = model.server, model.without_key(clean_name(_words(error))), error.status_code
    if status == 402 or QUOTA in (error.code, error.type):
        return Misconfigured(
            f"{server.place} refuses more requests because the account is used up: top it up or change AEGIS_LLM_URL."
        )
    if status == 404 and "model" in words.lower():
        return Misconfigured(f"{server.place} does not have the model {server.model}: correct {server.model_setting}.")
    context = model.settings.context or model.dialect.context
    return refused(server, status, words, context, seconds_of(error.response.headers.get("retry-after", "")))
