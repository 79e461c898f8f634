"""Ollama's spelling of answers and failures, for the double."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from tests.doubles.ollama_model import Said

TOO_LONG = "the input length exceeds the context length"
BUSY = "server busy, please try again.  maximum pending requests exceeded"
PART = 40  # characters of an answer per line
MOST_PARTS = 2000


def error(message: str, status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": message}, status, headers)


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class OllamaWire:
    """Implements the doubles' `Wire`: one object, or one line per part and a last one with the counts."""

    stream_type = "application/x-ndjson"

    def busy(self, status: int, retry_after: str = "") -> Response:
        words = BUSY if status == 503 else "rate limited"
        return error(words, status, {"retry-after": retry_after} if retry_after else None)

    def crashed(self, status: int) -> Response:
        return error("llama runner process has terminated", status)

    def too_long(self, needed: int, room: int) -> Response:
        return error(TOO_LONG, 400)

    def whole(self, body: Mapping[str, Any], said: Said) -> Response:
        return JSONResponse({**self._part(body, said.content, done=True), **self._end(said)})

    def lines(self, body: Mapping[str, Any], said: Said) -> Sequence[bytes]:
        size = max(PART, len(said.content) // MOST_PARTS)
        texts = [said.content[start : start + size] for start in range(0, len(said.content), size)]
        parts = [self._part(body, text, done=False) for text in texts]
        parts.append({**self._part(body, "", done=True), **self._end(said)})
        return [json.dumps(part).encode() + b"\n" for part in parts]

    def token(self, body: Mapping[str, Any], text: str) -> bytes:
        return json.dumps(self._part(body, text, done=False)).encode() + b"\n"

    def stumbled(self, body: Mapping[str, Any]) -> bytes:
        return json.dumps({"error": "an error was encountered while running the model"}).encode() + b"\n"

    def _part(self, body: Mapping[str, Any], text: str, *, done: bool) -> dict[str, Any]:
        said = {"message": {"role": "assistant", "content": text}} if "messages" in body else {"response": text}
        return {"model": body.get("model"), "created_at": now(), **said, "done": done}

    def _end(self, said: Said) -> dict[str, Any]:
        return {
            "done_reason": said.reason,
            "total_duration": 1_000_000,
            "load_duration": 0,
            "prompt_eval_count": said.prompt_tokens,
            "prompt_eval_duration": 500_000,
            "eval_count": said.spent,
            "eval_duration": 500_000,
        }
