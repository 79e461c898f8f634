"""Embeddings of an OpenAI-compatible server (vLLM, SGLang, llama.cpp, Ollama, LiteLLM, a paid API), by the official client.

The client retries nothing: who waits after a 429 is decided in one place for all callers (`remote`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import openai

from aegis_assets.engines.embedding.failures import Server, refused, retry_after, unreachable, unreadable
from aegis_assets.engines.embedding.served import MAX_INPUTS, Served
from aegis_assets.engines.embedding.vectors import in_order
from aegis_assets.errors import AegisError, Misconfigured
from aegis_assets.network import may_use_proxy, tls_context

CONNECT_SECONDS: Final = 5.0


class OpenAIEmbeddings:
    """The protocol `Api`."""

    def __init__(self, server: Server, ca_file: str) -> None:
        """Raises Misconfigured if the address or the key can be none."""
        server.check()
        self.server = server
        self._model = server.model
        self._client = openai.AsyncOpenAI(
            base_url=server.url,
            api_key=server.key or "none",  # the client wants one, servers without keys ignore it
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(
                verify=tls_context(ca_file),
                trust_env=may_use_proxy(server.url),
                follow_redirects=False,  # it would carry documents and key to wherever the answer says
                timeout=openai.Timeout(server.timeout, connect=CONNECT_SECONDS),
            ),
        )

    async def describe(self) -> Served:
        """Return the model and its limits. Raises Misconfigured if several could be meant."""
        models = await self._models()
        if not self.server.model:
            if len(models) != 1:
                names = ", ".join(sorted(models)[:8]) or "no list of its models"
                raise Misconfigured(
                    f"AEGIS_EMBEDDING_MODEL is empty, and the server at {self.server.address} has {names}: set it to one."
                )
            self._model = next(iter(models))
        return Served(name=self._model, max_tokens=models.get(self._model, 0), max_inputs=MAX_INPUTS)

    async def embed(self, texts: Sequence[str]) -> list[Any]:
        answer = await self._call(self._client.embeddings.create(model=self._model, input=list(texts)))
        try:
            rows = [(int(row.index), row.embedding) for row in answer.data]
        except (AttributeError, TypeError, ValueError) as error:
            raise unreadable(self.server) from error
        return in_order(rows, len(texts))

    async def close(self) -> None:
        await self._client.close()

    async def _models(self) -> dict[str, int]:
        """Return the most tokens of a text by model name, 0 where the server does not say (vLLM alone does).

        A server that lists nothing may embed all the same: whether the model is there, the first text shows.
        """
        try:
            page = await self._call(self._client.models.list())
            return {str(model.id): int(getattr(model, "max_model_len", 0) or 0) for model in page.data}
        except (TypeError, ValueError, AttributeError):
            return {}
        except Misconfigured as error:
            if "HTTP 404" in error.message or "HTTP 405" in error.message:
                return {}
            raise

    async def _call(self, request: Any) -> Any:
        """Return the answer. Raises AegisError: one sentence for each way in which a server fails."""
        try:
            async with asyncio.timeout(self.server.timeout):  # httpx's begins anew with each piece of an answer
                return await request
        except openai.APIStatusError as error:
            raise self._refused(error) from error
        except (openai.APIConnectionError, TimeoutError) as error:
            raise unreachable(self.server, error) from error
        except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
            raise unreadable(self.server) from error

    def _refused(self, error: openai.APIStatusError) -> AegisError:
        body = error.body if isinstance(error.body, dict) else {}
        said = " ".join(str(body[name]) for name in ("message", "error", "detail", "code") if isinstance(body.get(name), str))
        return refused(self.server, error.status_code, said, retry_after(error.response.headers.get("retry-after")))
