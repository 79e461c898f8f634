"""A small server that speaks docling-serve's asynchronous interface v1 as 1.38 does, and can answer in every way that it should
not.

Tasks are worked on in slots and go on when their caller is gone; they are known until `forget` is called. What it makes of a file
is in `docling_serve_work`. How it misbehaves is chosen by the first part of the path: `/good`, a status such as `/503` for every
submission, `/flaky` (busy once, then good), `/html`, `/junk`, `/nothing`, `/empty`, `/closed`, `/hangs`, `/loses` (each task is
forgotten), `/moved`. It remembers what it was asked.
"""

from __future__ import annotations

import json
import ssl
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from tests.doubles.docling_serve_work import Json, Work

VERSIONS: Final = {
    "docling-serve": "1.38.0",
    "docling-jobkit": "3.9.1",
    "docling": "2.143.0",
    "docling-core": "2.104.0",
    "docling-ibm-models": "4.0.4",
    "docling-parse": "7.23.1",
    "python": "cpython-311 (3.11.7)",
    "plaform": "Linux-6.1-x86_64",
}
NO_VERSION: Final = "Forbidden. The server is configured for not showing version details."
NO_TASK: Final = "Task not found."
NO_RESULT: Final = "Task result not found. Please wait for a completion status."


@dataclass
class Task:
    id: str
    status: str = "pending"
    error: str | None = None
    failure: Json | None = None
    result: Json | None = None

    def described(self) -> Json:
        return {
            "task_id": self.id,
            "task_type": "convert",
            "task_status": self.status,
            "task_position": 1 if self.status == "pending" else None,
            "task_meta": None,
            "error_message": self.error,
            "failure": self.failure,
        }


class Double(ThreadingHTTPServer):
    """work: what conversions give. gate: they wait for it. uploaded: bytes of files. done: conversions that came to an end."""

    daemon_threads = True

    def __init__(self, slots: int = 2, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._slots = threading.Semaphore(slots)
        self.stop = threading.Event()
        self.gate = threading.Event()
        self.reset()

    def reset(self) -> None:
        self.work = Work()
        self.api_key = ""
        self.versions: dict[str, str] | None = dict(VERSIONS)
        self.tasks: dict[str, Task] = {}
        self.calls: Counter[str] = Counter()  # by the route, such as 'POST /v1/convert/file/async'
        self.asked: list[dict[str, list[str]]] = []
        self.files: list[bytes] = []
        self.names: list[str] = []
        self.keys: list[str | None] = []
        self.schemas: list[str | None] = []
        self.done = 0
        self.loses_results = False
        self.failure: Json | None = None  # of every task; said by the task or only by its result
        self.failure_at = "status"
        self.invalid: list[Json] = []  # fields of every request
        self.gate.set()

    @property
    def uploaded(self) -> int:
        return sum(map(len, self.files))

    def address(self, behaviour: str = "good") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{behaviour}"

    def forget(self) -> None:
        """As a server does that is started anew."""
        self.tasks.clear()

    def submit(self, content: bytes, form: dict[str, list[str]]) -> Task:
        task = Task(str(uuid.uuid4()))
        self.tasks[task.id] = task
        threading.Thread(target=self._perform, args=(task, content, form), daemon=True).start()
        return task

    def _perform(self, task: Task, content: bytes, form: dict[str, list[str]]) -> None:
        with self._slots:
            task.status = "started"
            while not self.gate.wait(0.1):
                if self.stop.is_set():
                    return
            try:
                task.result = None if self.loses_results else self.work.convert(content, form)
                task.failure, at = self.failure, self.failure_at
                task.status = "failure" if task.failure and at == "status" else "success"
            except RuntimeError:
                task.error, task.status = "Internal processing error.", "failure"
            self.done += 1


class _Handler(BaseHTTPRequestHandler):
    server: Double

    def do_GET(self) -> None:
        behaviour, path = self._route()
        if path == "/version":
            known = self.server.versions
            return self._json(200, known) if known is not None else self._json(403, {"detail": NO_VERSION})
        if not self._authorized():
            return self._json(401, {"detail": "Unauthorized"})
        if behaviour == "loses":
            self.server.forget()
        kind, _, name = path.removeprefix("/v1/").removeprefix("status/").partition("/")
        task = self.server.tasks.get(name.partition("?")[0])
        if kind not in ("poll", "result"):
            return self._json(404, {"detail": "Not Found"})
        if task is None:
            return self._json(404, {"detail": NO_TASK})
        return self._json(200, task.described()) if kind == "poll" else self._result(behaviour, task)

    def do_POST(self) -> None:
        behaviour, path = self._route()
        body = self._chunks() if "chunked" in self.headers.get("Transfer-Encoding", "") else self._plain()
        self.server.keys.append(self.headers.get("X-Api-Key"))
        self.server.schemas.append(self.headers.get("Accept-Docling-Document-Version"))
        form, content = self._form(body)
        self.server.asked.append(form)
        self.server.files.append(content)
        if path != "/v1/convert/file/async":
            return self._json(404, {"detail": "Not Found"})
        if behaviour == "hangs":
            self.server.stop.wait(30)
            return None
        if behaviour == "closed":
            return self.connection.close()
        if behaviour == "moved":
            return self._send(308, b"", {"Location": self.server.address("good") + path})
        if behaviour.isdecimal():
            return self._json(int(behaviour), {"detail": "as asked"})
        if behaviour == "flaky" and len(self.server.asked) == 1:
            return self._json(503, {"detail": "Server is busy, please try again shortly."}, {"Retry-After": "0"})
        if behaviour == "html":
            return self._send(200, b"<html>a proxy</html>", {})
        if not self._authorized():
            return self._json(401, {"detail": "Unauthorized"})
        if problem := self._invalid(form):
            return self._json(422, {"detail": problem})
        return self._json(200, self.server.submit(content, form).described())

    def _result(self, behaviour: str, task: Task) -> None:
        if behaviour == "nothing":
            return self._json(200, [])
        if task.failure is not None:
            return self._json(200, {"kind": "TaskFailureResult", "failure": task.failure})
        if task.result is None:
            return self._json(404, {"detail": NO_RESULT})
        if behaviour == "junk":
            task.result["document"]["json_content"] = {"body": 3}
        if behaviour == "empty":
            task.result["document"]["json_content"] = None
        return self._json(200, task.result)

    def _invalid(self, form: dict[str, list[str]]) -> str | list[Json]:
        """What the real server finds wrong with the options."""
        if self.server.invalid:
            return self.server.invalid
        limits, scale = self.server.work.limits, form.get("images_scale", ["2.0"])[0]
        try:
            if float(scale) > limits.images_scale:
                return f"images_scale exceeds the configured maximum of {limits.images_scale}."
        except ValueError:
            message = "Input should be a valid number, unable to parse string as a number"
            return [{"type": "float_parsing", "loc": ["body", "images_scale"], "msg": message}]
        if float(form.get("document_timeout", ["1"])[0]) > limits.document_timeout:
            return f"document_timeout exceeds the configured maximum of {limits.document_timeout} seconds."
        return ""

    def _authorized(self) -> bool:
        return self.server.api_key in ("", self.headers.get("X-Api-Key"))

    def _route(self) -> tuple[str, str]:
        behaviour, _, path = self.path.strip("/").partition("/")
        self.server.calls[f"{self.command} /{path}" if "/poll/" not in path and "result/" not in path else path.split("/")[-2]] += 1
        return behaviour, f"/{path}"

    def _plain(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().strip(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _form(self, body: bytes) -> tuple[dict[str, list[str]], bytes]:
        message = BytesParser(policy=HTTP).parsebytes(
            b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + body
        )
        fields: dict[str, list[str]] = {}
        content = b""
        for part in message.iter_parts():
            payload: Any = part.get_payload(decode=True)
            if part.get_filename():
                self.server.names.append(str(part.get_filename()))
                content = payload
            else:
                fields.setdefault(str(part.get_param("name", header="content-disposition")), []).append(payload.decode())
        return fields, content

    def _json(self, status: int, answer: object, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(answer).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def running(slots: int = 2, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Double]:
    server = Double(slots, port, tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
