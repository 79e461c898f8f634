"""A server that embeds over HTTP as OpenAI's interface or text-embeddings-inference's says: `with EmbeddingDouble() as double`.

Texts with words in common get vectors near each other. A `fault` makes it wrong in the way that its name says; what it was asked is
in `requests`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.in_thread import in_thread

Protocol = Literal["openai", "tei"]
NaN = float("nan")


@dataclass
class EmbeddingDouble:
    """protocol: which routes there are. limit: tokens of a text, which are its words. ignores_base64: answers with floats always.

    too_many: 429s before the next answer, each with `retry_after` seconds. certificate: paths of certificate and key, for https.
    """

    protocol: Protocol = "openai"
    model: str = "tiny-embedder"
    models: tuple[str, ...] | None = None
    revision: str = "r1"
    dimension: int = 32
    limit: int = 512
    most_texts: int = 32
    pooling: str = "mean"
    key: str = ""
    fault: str = ""
    too_many: int = 0
    retry_after: float | None = 0.2
    ignores_base64: bool = False
    lists_models: bool = True
    certificate: tuple[Path, Path] | None = None
    requests: list[list[str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    seconds: float = 0.0

    def __enter__(self) -> EmbeddingDouble:
        config = {}
        if self.certificate is not None:
            config = {"ssl_certfile": str(self.certificate[0]), "ssl_keyfile": str(self.certificate[1])}
        self._served = in_thread(self._application(), force=True, log_level="critical", access_log=False, **config)
        scheme = "https" if self.certificate is not None else "http"
        self.root = f"{scheme}://127.0.0.1:{self._served.__enter__()}"
        self.url = f"{self.root}/v1" if self.protocol == "openai" else self.root
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._served.__exit__(None, None, None)

    @property
    def texts(self) -> list[str]:
        return [text for request in self.requests for text in request]

    def _application(self) -> Starlette:
        if self.protocol == "openai":
            routes = [Route("/v1/embeddings", self._openai, methods=["POST"])]
            if self.lists_models:
                routes.append(Route("/v1/models", self._models))
        else:
            routes = [Route("/info", self._info)]
            routes += [Route(f"/{name}", self._tei, methods=["POST"]) for name in ("embed", "embed_sparse")]
        return Starlette(routes=routes)

    # OpenAI's

    async def _models(self, request: Request) -> Response:
        self.asked.append("models")
        if (refusal := self._refusal(request)) is not None:
            return refusal
        names = self.models if self.models is not None else (self.model,)
        return JSONResponse(
            {"object": "list", "data": [{"id": name, "object": "model", "max_model_len": self.limit} for name in names]}
        )

    async def _openai(self, request: Request) -> Response:
        body = await request.json()
        texts = [body["input"]] if isinstance(body["input"], str) else list(body["input"])
        if body["model"] not in (self.models or (self.model,)):
            message = f"The model `{body['model']}` does not exist."
            return JSONResponse({"error": {"message": message, "type": "NotFoundError", "code": 404}}, 404)

        def answer() -> Response:
            if any(len(text.split()) > self.limit for text in texts):
                message = f"This model's maximum context length is {self.limit} tokens."
                return JSONResponse({"error": {"message": message, "type": "invalid_request_error"}}, 400)
            rows = [
                {"object": "embedding", "index": index, "embedding": vector}
                for index, vector in enumerate(self._vectors(texts, body.get("encoding_format") == "base64"))
            ]
            usage = {"prompt_tokens": sum(len(text.split()) for text in texts), "total_tokens": 0}
            return JSONResponse({"object": "list", "model": self.model, "data": self._spoilt(rows), "usage": usage})

        return await self._answered(request, texts, answer)

    def _spoilt(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if self.fault == "reversed":
            return rows[::-1]
        if self.fault == "misnumbered":
            return [{**row, "index": 0} for row in rows]
        return rows[:-1] if self.fault == "fewer" else rows

    # text-embeddings-inference's

    async def _info(self, request: Request) -> Response:
        self.asked.append("info")
        if (refusal := self._refusal(request)) is not None:
            return refusal
        kind = (
            {"reranker": {"id2label": {}, "label2id": {}}}
            if self.pooling == "reranker"
            else {"embedding": {"pooling": self.pooling}}
        )
        info = {
            "model_id": self.model, "model_sha": self.revision, "model_dtype": "float32", "model_type": kind,
            "max_concurrent_requests": 512, "max_input_length": self.limit, "max_batch_tokens": 16384, "max_batch_requests": None,
            "max_client_batch_size": self.most_texts, "auto_truncate": False, "tokenization_workers": 2, "version": "1.9.3",
        }  # fmt: skip
        return JSONResponse(info)

    async def _tei(self, request: Request) -> Response:
        body = await request.json()
        texts = [body["inputs"]] if isinstance(body["inputs"], str) else list(body["inputs"])
        sparse = request.url.path == "/embed_sparse"

        def answer() -> Response:
            if sparse != (self.pooling == "splade"):
                return JSONResponse({"error": "Backend error: no such pooling", "error_type": "Backend"}, 424)
            if len(texts) > self.most_texts:
                said = f"batch size {len(texts)} > maximum allowed batch size {self.most_texts}"
                return JSONResponse({"error": said, "error_type": "Validation"}, 422)
            longest = max(len(text.split()) for text in texts)
            if longest > self.limit and not body.get("truncate"):
                said = f"Input validation error: `inputs` must have less than {self.limit} tokens. Given: {longest}"
                return JSONResponse({"error": said, "error_type": "Validation"}, 413)
            if sparse:
                return JSONResponse([[{"index": index, "value": 1.5} for index in sorted(_words(text))] for text in texts])
            rows = self._vectors(texts, packed=False)
            return _json_with_nan(rows[:-1] if self.fault == "fewer" else rows)

        return await self._answered(request, texts, answer)

    # Both

    def _refusal(self, request: Request) -> Response | None:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return JSONResponse({"error": {"message": "Incorrect API key provided."}}, 401)
        if self.fault.startswith("status "):
            return JSONResponse({"error": {"message": "as asked"}}, int(self.fault.removeprefix("status ")))
        if self.fault == "html":
            return HTMLResponse("<html>Sign in</html>")
        if self.fault == "redirects":
            return RedirectResponse("https://elsewhere.example/v1/embeddings")
        if self.fault == "no quota":
            message = "You exceeded your current quota, please check your plan and billing details."
            return JSONResponse({"error": {"message": message, "code": "insufficient_quota"}}, 429)
        return None

    async def _answered(self, request: Request, texts: list[str], answer: Any) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if self.too_many:
            self.too_many -= 1
            headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
            return JSONResponse({"error": {"message": "Rate limit reached"}}, 429, headers=headers)
        self.requests.append(texts)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.fault == "hangs":
                while not await request.is_disconnected():
                    await asyncio.sleep(0.02)
            await asyncio.sleep(self.seconds)
        finally:
            self.in_flight -= 1
        made: Response = answer()
        return made

    def _vectors(self, texts: Sequence[str], packed: bool) -> list[Any]:
        made = [vector(text, self.dimension) for text in texts]
        if self.fault == "zeros":
            made[-1] = [0.0] * self.dimension
        elif self.fault == "not a number":
            made[-1][0] = NaN
        elif self.fault == "shorter":
            made[-1] = made[-1][:-1]
        if not packed or self.ignores_base64:
            return made
        return [base64.b64encode(struct.pack(f"<{len(each)}f", *each)).decode() for each in made]


def vector(text: str, dimension: int) -> list[float]:
    """Not of unit length, which a server need not give."""
    numbers = [0.0] * dimension
    for word in text.lower().split():
        digest = hashlib.sha256(word.strip(".,?!").encode("utf-8", "replace")).digest()
        numbers[digest[0] % dimension] += 3.0
        numbers[digest[1] % dimension] -= 1.5
    return numbers if any(numbers) else [1.0, *numbers[1:]]


def _words(text: str) -> set[int]:
    return {hashlib.sha256(word.encode("utf-8", "replace")).digest()[0] * 100 for word in text.lower().split()}


def _json_with_nan(rows: object) -> Response:
    """As Rust's serde would not write it, but a proxy or another server may."""
    import json

    return Response(json.dumps(rows), media_type="application/json")
