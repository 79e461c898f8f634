"""Demand 5: bodies end at 3 MB except on the upload routes, and nobody's is read who has neither session nor token."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.webadmin.admin_process import AdminProcess
from tests.webadmin.conftest import browser
from tests.webadmin.console.serving import cookies

ANNOUNCED = 700_000_000
PIECE = b"x" * 65_536


def post(port: int, path: str, length: str, headers: str = "") -> tuple[int, float, int]:
    """Send a body without end. Return the status, the seconds until it came, and how many bytes the system took from us."""
    began, sent, rest = time.monotonic(), 0, b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n\r\n".encode())
        line.setblocking(False)
        while time.monotonic() - began < 10:
            try:
                if answer := line.recv(4096):
                    return int(answer.split()[1]), time.monotonic() - began, sent
                break
            except BlockingIOError:
                pass
            try:
                rest = rest or (f"{len(PIECE):x}\r\n".encode() + PIECE + b"\r\n" if "chunked" in length else PIECE)
                taken = line.send(rest)
                sent, rest = sent + taken, rest[taken:]
            except BlockingIOError:
                time.sleep(0.005)
            except OSError:
                time.sleep(0.005)  # it hung up; the answer lies in our buffer
    raise AssertionError(f"no answer after {sent} bytes")


def written(pid: int) -> int:
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields["wchar"])


@pytest.mark.parametrize(
    "path", ["/admin/login/", "/admin/upload/one", "/api/documents", "/admin/documents/document/add/", "/nowhere"]
)
@pytest.mark.parametrize("length", [f"Content-Length: {ANNOUNCED}", "Transfer-Encoding: chunked"])
def test_700_mb_without_a_session_are_refused_at_once_and_not_kept(admin_process: AdminProcess, path: str, length: str) -> None:
    before = written(admin_process.pid)
    status, seconds, _sent = post(admin_process.port, path, length)
    assert 400 <= status < 500
    assert seconds < 1.0
    assert written(admin_process.pid) - before < 10_000_000


@pytest.mark.parametrize("headers", ["Cookie: sessionid=abcdefghijklmnop\r\n", "Authorization: Bearer aegis_made_up\r\n"])
def test_a_made_up_session_or_token_is_none(admin_process: AdminProcess, headers: str) -> None:
    status, seconds, sent = post(admin_process.port, "/api/documents", f"Content-Length: {ANNOUNCED}", headers)
    assert (status, seconds < 1.0, sent < 10_000_000) == (401, True, True)


def test_who_has_logged_in_sends_3_mb_and_uploads_more(admin_process: AdminProcess) -> None:
    held = cookies(browser(superuser=True))
    with httpx.Client(base_url=admin_process.client.base_url, cookies=held, trust_env=False, timeout=30) as client:
        token = {"X-CSRFToken": client.get("/admin/account/").cookies["csrftoken"]}
        assert client.post("/admin/account/", content=b"x" * 3_000_001, headers=token).status_code == 413
        files = {"files": ("big.md", b"word " * 800_000)}
        answer = client.post("/admin/upload/one", data={"new_collection": "books"}, files=files, headers=token)
        assert (answer.status_code, answer.json()["outcome"]) == (200, "new")
