"""Text-embeddings-inference: dense vectors by /embed, SPLADE weights by /embed_sparse, limits by /info."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from aegis_assets.engines.embedding.failures import Server, refused, retry_after, unreachable, unreadable
from aegis_assets.engines.embedding.served import MAX_INPUTS, Served
from aegis_assets.engines.embedding.vectors import in_order
from aegis_assets.errors import Misconfigured
from aegis_assets.network import may_use_proxy, tls_context

CONNECT_SECONDS: Final = 5.0


class _Pooling(BaseModel):
    pooling: str


class _ModelType(BaseModel):
    """One of its fields is set: embedding, or a kind that embeds nothing."""

    embedding: _Pooling | None = None


class _Info(BaseModel):
    """The part of GET /info that is read here."""

    model_config = ConfigDict(protected_namespaces=())
    model_id: str
    model_sha: str | None = None
    model_type: _ModelType
    max_input_length: int
    max_client_batch_size: int = 32


class TeiEmbeddings:
    """The protocol `Api`. sparse: asked for SPLADE weights."""

    def __init__(self, server: Server, ca_file: str, *, sparse: bool = False) -> None:
        """Raises Misconfigured if the address or the key can be none."""
        server.check()
        self.server = server
        self._route = "/embed_sparse" if sparse else "/embed"
        self._sparse = sparse
        self._client = httpx.AsyncClient(
            base_url=server.url.rstrip("/"),
            headers={"Authorization": f"Bearer {server.key}"} if server.key else {},
            verify=tls_context(ca_file),
            trust_env=may_use_proxy(server.url),
            timeout=httpx.Timeout(server.timeout, connect=CONNECT_SECONDS),
        )

    async def describe(self) -> Served:
        """Return the model that runs there. Raises Misconfigured if it is none that this address is for."""
        info = await self.info()
        if info is None:
            raise Misconfigured(unreadable(self.server).message)
        wanted = self.server.model
        if wanted and not self._sparse and wanted != info.model_id:
            raise Misconfigured(
                f"The embedding server at {self.server.address} runs {info.model_id}, not {wanted}:"
                " correct AEGIS_EMBEDDING_MODEL, or leave it empty."
            )
        if info.model_type.embedding is None:
            raise Misconfigured(
                f"The embedding server at {self.server.address} runs {info.model_id}, which embeds nothing: start another model."
            )
        splade = info.model_type.embedding.pooling == "splade"
        if self._sparse and not splade:
            raise Misconfigured(
                f"The embedding server at {self.server.address} runs {info.model_id} without SPLADE pooling, which"
                " AEGIS_EMBEDDING_SPARSE_URL is for: start it with --pooling splade, or leave the setting empty."
            )
        if splade and not self._sparse:
            raise Misconfigured(
                f"The embedding server at {self.server.address} runs {info.model_id} with SPLADE pooling, which makes no dense"
                " vectors: name it in AEGIS_EMBEDDING_SPARSE_URL, and another one in AEGIS_EMBEDDING_URL."
            )
        return Served(
            name=info.model_id,
            revision=info.model_sha or "",
            max_tokens=info.max_input_length,
            max_inputs=max(1, min(MAX_INPUTS, info.max_client_batch_size)),
            sparse=self._sparse,
        )

    async def info(self) -> _Info | None:
        """Return what GET /info says; None if it is something else than text-embeddings-inference that answers."""
        response = await self._request("GET", "/info", None)
        if response.status_code in (404, 405):
            return None
        if response.status_code != httpx.codes.OK:
            raise self._refused(response)
        try:
            return _Info.model_validate_json(response.content)
        except ValidationError:
            return None

    async def embed(self, texts: Sequence[str]) -> list[Any]:
        """`truncate` is false: the server says that a text is too long, instead of leaving its end out without a word."""
        response = await self._request("POST", self._route, {"inputs": list(texts), "truncate": False})
        if response.status_code != httpx.codes.OK:
            raise self._refused(response)
        try:
            rows = response.json()
        except ValueError as error:
            raise unreadable(self.server) from error
        if not isinstance(rows, list):
            raise unreadable(self.server)
        return in_order(list(enumerate(rows)), len(texts))

    async def close(self) -> None:
        await self._client.aclose()

    async def _request(self, method: str, path: str, body: object) -> httpx.Response:
        try:
            async with asyncio.timeout(self.server.timeout):  # httpx's begins anew with each piece of an answer
                return await self._client.request(method, path, json=body)
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            raise unreachable(self.server, error) from error

    def _refused(self, response: httpx.Response) -> Exception:
        try:
            body = response.json()
            said = str(body["error"]) if isinstance(body, dict) and "error" in body else ""
        except ValueError:
            said = ""
        return refused(self.server, response.status_code, said, retry_after(response.headers.get("retry-after")))
