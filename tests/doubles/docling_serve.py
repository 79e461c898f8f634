"""A small server that speaks docling-serve's HTTP interface v1, and can answer in every way that it should not.

How it behaves is chosen by the first part of the path: `/good`, `/busy`, `/hangs`, `/html`, `/junk`, `/failure`, `/partial`,
`/empty`, `/nothing`, `/closed`, `/flaky` (busy once, then good). It keeps what it was asked.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def document(text: str, pages: int = 1) -> dict[str, Any]:
    """One heading per page, then the text, as docling-serve returns it in `json_content`."""
    from docling_core.types.doc import BoundingBox, DocItemLabel, DoclingDocument, ProvenanceItem, Size

    made = DoclingDocument(name="document")
    for number in range(1, pages + 1):
        made.add_page(page_no=number, size=Size(width=600, height=800))
        place = ProvenanceItem(page_no=number, bbox=BoundingBox(l=10, t=700, r=90, b=690), charspan=(0, 1))
        made.add_heading(f"Page {number}", level=1, prov=place)
        made.add_text(DocItemLabel.TEXT, f"{text} {number}", prov=place)
    return made.export_to_dict()


class Double(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, list[bytes]]] = []
        self.names: list[str] = []
        self.keys: list[str | None] = []
        self.stop = threading.Event()

    def address(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{behaviour}"


class _Handler(BaseHTTPRequestHandler):
    server: Double

    def do_POST(self) -> None:
        behaviour, _, path = self.path.strip("/").partition("/")
        body = (
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "chunked" not in self.headers.get("Transfer-Encoding", "")
            else self._chunks()
        )
        self.server.keys.append(self.headers.get("X-Api-Key"))
        self.server.asked.append(self._form(body))
        if path != "v1/convert/file":
            return self._send(404, b'{"detail":"Not Found"}')
        if behaviour == "hangs":
            self.server.stop.wait(30)
            return self._send(200, b"{}")
        if behaviour == "closed":
            return self.connection.close()
        return self._send(*self._answer(behaviour))

    def _answer(self, behaviour: str) -> tuple[int, bytes]:
        if behaviour == "busy" or (behaviour == "flaky" and len(self.server.asked) == 1):
            return 503, b'{"detail":"busy"}'
        if behaviour.isdigit():
            return int(behaviour), b'{"detail":"as asked"}'
        if behaviour in ("html", "junk"):
            return (
                200,
                b"<html>a proxy</html>"
                if behaviour == "html"
                else b'{"document": {"json_content": {"body": 3}}, "status": "success"}',
            )
        status = {"failure": "failure", "partial": "partial_success"}.get(behaviour, "success")
        pages = self.server.asked[-1].get("page_range")
        content = None if behaviour == "empty" else document("Words of page", int(pages[1]) if pages else 1)
        answer: object = [] if behaviour == "nothing" else {"document": {"json_content": content}, "status": status, "errors": []}
        return 200, json.dumps(answer).encode()

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().strip(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _form(self, body: bytes) -> dict[str, list[bytes]]:
        message = BytesParser(policy=HTTP).parsebytes(
            b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + body
        )
        fields: dict[str, list[bytes]] = {}
        for part in message.iter_parts():
            fields.setdefault(str(part.get_param("name", header="content-disposition")), []).append(part.get_payload(decode=True))
            if part.get_filename():
                self.server.names.append(str(part.get_filename()))
        return fields

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def running() -> Iterator[Double]:
    server = Double()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
