"""An HTTP server for tests that answers as it is told, on a real socket."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aegis_assets.engines.service.wire import WAITED


class Scripted(ThreadingHTTPServer):
    """Answers with what is in `script`, the last for ever; None closes the connection, 'hang' waits until the test ends."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.script: list[Any] = []
        self.seen: list[tuple[str, str, Any]] = []
        self.waited: list[str] = []
        self.hang_up = threading.Event()
        self.over = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
        self.server.waited.append(self.headers.get(WAITED, "0"))
        self.server.seen.append((self.path, self.headers.get("Authorization", ""), body))
        answer = self.server.script.pop(0) if len(self.server.script) > 1 else self.server.script[0]
        if answer == "hang":
            self.connection.settimeout(0.1)
            while not self.server.over.is_set():
                try:
                    if not self.connection.recv(1):
                        self.server.hang_up.set()
                        return
                except TimeoutError:
                    continue
            return
        if answer is None:
            self.close_connection = True
            self.connection.close()
            return
        status, content = answer(body) if callable(answer) else answer
        encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    do_GET = do_POST

    def log_message(self, *_: object) -> None: ...


class serving:
    """Serve a scripted server while the block runs."""

    def __init__(self, server: Scripted) -> None:
        self.server = server

    def __enter__(self) -> Scripted:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self.server

    def __exit__(self, *_: object) -> None:
        self.server.over.set()
        self.server.shutdown()
        self.server.server_close()
