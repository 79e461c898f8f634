"""A server that speaks OpenAI's protocol and answers by rule: `python -m tests.doubles.openai_server`, or `with OpenAiDouble()`.

The model behind it is the one of the Ollama double: slots, a queue, latency, faults, an account. What a server of this protocol may
lack, or call otherwise, is switched by `Dialect`: JSON schemas, `max_tokens`, `temperature`, the counts in a stream.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.doubles.llm_control import Answering, Double, control_routes
from tests.doubles.ollama_model import Behaviour, Model, Said

PART = 40  # characters of an answer per event
MOST_PARTS = 2000
SERVED = "test-model"


@dataclass
class Dialect:
    """refuses: parameters of a chat that are answered with 400. silent: the 400 does not say which. api_key: wanted in
    every request. says_context: whether /v1/models says how long a context is. counts: whether a stream ends with them.
    thinks: text that comes as reasoning, before the answer. modalities: '' says none."""

    refuses: tuple[str, ...] = ()
    silent: bool = False
    api_key: str = ""
    says_context: bool = True
    counts: bool = True
    thinks: str = ""
    owned_by: str = "vllm"
    modalities: tuple[str, ...] = ()
    headers: list[dict[str, str]] = field(default_factory=list)  # of the requests that came


def error(message: str, status: int, headers: Mapping[str, str] | None = None, **more: object) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": "invalid_request_error", **more}}, status, headers)


class OpenAiWire:
    """Implements the doubles' `Wire`: events with the parts of an answer, its end and its counts."""

    stream_type = "text/event-stream"

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def busy(self, status: int, retry_after: str = "") -> Response:
        return error("Rate limit reached", status, {"retry-after": retry_after} if retry_after else None)

    def crashed(self, status: int) -> Response:
        return error("The server had an error", status)

    def too_long(self, needed: int, room: int) -> Response:
        words = f"This model's maximum context length is {room} tokens. However, you requested {needed} tokens"
        return error(words, 400, code="context_length_exceeded")

    def whole(self, body: Mapping[str, Any], said: Said) -> Response:
        choice = {"index": 0, "message": {"role": "assistant", "content": said.content}, "finish_reason": said.reason}
        return JSONResponse({"id": "x", "object": "chat.completion", "choices": [choice], "usage": self._usage(said)})

    def lines(self, body: Mapping[str, Any], said: Said) -> Sequence[bytes]:
        size = max(PART, len(said.content) // MOST_PARTS)
        texts = [said.content[start : start + size] for start in range(0, len(said.content), size)]
        events = [self._event(body, {"content": text}) for text in texts]
        if self.dialect.thinks:
            events.insert(0, self._event(body, {"reasoning_content": self.dialect.thinks}))
        events.append(self._event(body, {}, said.reason))
        if self.dialect.counts and (body["body"].get("stream_options") or {}).get("include_usage"):
            events.append(_sent({**self._frame(body), "choices": [], "usage": self._usage(said)}))
        return [self._event(body, {"role": "assistant", "content": None}), *events, b"data: [DONE]\n\n"]

    def token(self, body: Mapping[str, Any], text: str) -> bytes:
        return self._event(body, {"content": text})

    def stumbled(self, body: Mapping[str, Any]) -> bytes:
        return _sent({"error": {"message": "the engine died", "type": "server_error"}})

    def _event(self, body: Mapping[str, Any], delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        return _sent({**self._frame(body), "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    def _frame(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body.get("model")}

    def _usage(self, said: Said) -> dict[str, int]:
        total = said.prompt_tokens + said.spent
        return {"prompt_tokens": said.prompt_tokens, "completion_tokens": said.spent, "total_tokens": total}


def _sent(event: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def as_chat(body: dict[str, Any], context: int) -> dict[str, Any]:
    """The request as the double's model takes it, which is Ollama's way; the whole of it under `body`."""
    shape = body.get("response_format") or {}
    schema = (shape.get("json_schema") or {}).get("schema") if shape.get("type") == "json_schema" else None
    messages = [_message(message) for message in body["messages"]]
    if schema is None and "JSON schema:\n" in (told := messages[0]["content"]):
        schema = json.loads(told.rpartition("JSON schema:\n")[2])
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or -1
    return {
        "model": body.get("model"),
        "messages": messages,
        "stream": bool(body.get("stream")),
        "format": schema,
        "options": {"num_predict": limit, "num_ctx": context},
        "truncate": False,
        "body": body,
    }


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message["content"]
    if isinstance(content, str):
        return {"role": message["role"], "content": content}
    texts = [part["text"] for part in content if part["type"] == "text"]
    images = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    return {"role": message["role"], "content": "\n".join(texts), "images": images}


def application(model: Model, dialect: Dialect) -> Starlette:
    def allowed(request: Request) -> bool:
        dialect.headers.append(dict(request.headers))
        return not dialect.api_key or request.headers.get("authorization") == f"Bearer {dialect.api_key}"

    async def chat(request: Request) -> Response:
        if not allowed(request):
            return error(f"Incorrect API key provided: {request.headers.get('authorization')}", 401)
        body = json.loads(await request.body())
        for name in dialect.refuses:
            if name in body:
                model.counts["taught"] += 1
                words = "Bad request" if dialect.silent else f"Unsupported parameter: '{name}' is not supported with this model."
                words += " Use 'max_completion_tokens' instead." if name == "max_tokens" and not dialect.silent else ""
                return error(words, 400, param=None if dialect.silent else name)
        if model.behaviour.models and body.get("model") not in model.behaviour.models:
            return error(f"The model `{body.get('model')}` does not exist.", 404, code="model_not_found")
        return Answering(model, as_chat(body, model.behaviour.context_length))

    async def models(request: Request) -> Response:
        if not allowed(request):
            return error("Incorrect API key provided", 401)
        names = model.behaviour.models or [SERVED]
        context = {"max_model_len": model.behaviour.context_length} if dialect.says_context else {}
        seen = {"architecture": {"input_modalities": list(dialect.modalities)}} if dialect.modalities else {}
        listed = [{"id": n, "object": "model", "created": 1, "owned_by": dialect.owned_by, **context, **seen} for n in names]
        return JSONResponse({"object": "list", "data": listed})

    routes = [Route("/v1/chat/completions", chat, methods=["POST"]), Route("/v1/models", models)]
    return Starlette(routes=[*routes, *control_routes(model)])


class OpenAiDouble(Double):
    """The double in a thread of this process. dialect: changed between requests as a test likes."""

    def __init__(self, port: int = 0, **behaviour: Any) -> None:
        self.dialect = Dialect()
        super().__init__(application(Model(Behaviour(**behaviour), OpenAiWire(self.dialect)), self.dialect), port)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--latency", default="lognormal:0.5:0.5", help="constant:S, uniform:LOW:HIGH or lognormal:MEDIAN:SIGMA")
    parser.add_argument("--model", action="append", default=[], dest="models")
    options = vars(parser.parse_args())
    port = options.pop("port")
    dialect = Dialect()
    served = application(Model(Behaviour(**options), OpenAiWire(dialect)), dialect)
    sys.stderr.write(f"OpenAI double on http://127.0.0.1:{port}/v1\n")
    uvicorn.run(served, host="127.0.0.1", port=port, log_level="critical", lifespan="off")


if __name__ == "__main__":
    main()
