"""A server in front of a language model's server: passes everything on, and counts what the platform asks and gets.

What the platform keeps of an answer does not say how long it was, whether it was cut at the limit, or what the prompt held. Here it
is seen whatever the platform does with it. Ollama's `/api/chat` and OpenAI's `/chat/completions` are read, streamed or not.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import httpx

TIMEOUT_SECONDS: Final = 1800.0
NOT_PASSED: Final = frozenset({"host", "connection", "transfer-encoding", "content-length", "accept-encoding", "content-encoding"})


@dataclass
class Exchange:
    """One answer. stopped: the platform had enough and went away. pieces: of the stream, for a server that counts nothing then."""

    messages: list[dict[str, Any]]
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    pieces: int = 0
    cut: bool = False
    stopped: bool = False

    def read(self, line: bytes) -> None:
        """Take up one line of the answer: an object of Ollama's, an event of OpenAI's, or a whole answer of either."""
        text = line.decode("utf-8", "replace").strip().removeprefix("data:").strip()
        if not text.startswith("{"):
            return
        event = json.loads(text)
        choices = event.get("choices") or [{}]
        self.pieces += 1
        self.cut = self.cut or "length" in (event.get("done_reason"), choices[0].get("finish_reason"))
        usage = event.get("usage") or {}
        self.prompt_tokens = event.get("prompt_eval_count") or usage.get("prompt_tokens") or self.prompt_tokens
        self.completion_tokens = event.get("eval_count") or usage.get("completion_tokens") or self.completion_tokens

    @property
    def tokens_out(self) -> int:
        return self.completion_tokens or self.pieces


@dataclass
class Proxy:
    """url: of this server. upstream: of the one behind it."""

    upstream: str
    url: str = ""
    exchanges: list[Exchange] = field(default_factory=list)


@contextmanager
def running(upstream: str) -> Iterator[Proxy]:
    proxy = Proxy(upstream.rstrip("/"))
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy)) as server:
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on("GET", b"")

        def do_POST(self) -> None:
            self._pass_on("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _pass_on(self, method: str, body: bytes) -> None:
            exchange = Exchange(json.loads(body)["messages"]) if self.path.endswith(("/api/chat", "/chat/completions")) else None
            headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_PASSED}
            began = time.monotonic()
            try:
                with httpx.stream(
                    method, proxy.upstream + self.path, content=body, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False
                ) as answer:
                    self._answer(answer, exchange)
            except (BrokenPipeError, ConnectionResetError):
                if exchange is not None:
                    exchange.stopped = True
            if exchange is not None:
                exchange.seconds = time.monotonic() - began
                proxy.exchanges.append(exchange)

        def _answer(self, answer: httpx.Response, exchange: Exchange | None) -> None:
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in NOT_PASSED:
                    self.send_header(name, value)
            self.end_headers()  # HTTP/1.0: the end of the connection is the end of the answer
            rest = b""
            for piece in answer.iter_bytes():
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if exchange is not None:
                        exchange.read(line)
                self.wfile.write(piece)
                self.wfile.flush()
            if exchange is not None:
                exchange.read(rest)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
