"""The limit in front of Django, over a real HTTP server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.in_thread import in_thread
from tests.webadmin.conftest import browser
from webadmin.asgi import get_asgi_application
from webadmin.bodies import Message, Receive, Send, limited

MOST = 1_000_000


async def counting(scope: Message, receive: Receive, send: Send) -> None:
    """Reads the whole body and answers with its size."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with in_thread(limited(counting, lambda path: MOST)) as port:
        yield f"http://127.0.0.1:{port}"


def pieces(size: int) -> Iterator[bytes]:
    """A body whose length is not announced."""
    for start in range(0, size, 50_000):
        yield b"x" * min(50_000, size - start)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(("size", "status"), [(0, 200), (MOST, 200), (MOST + 1, 413), (MOST * 5, 413)])
def test_a_body_over_the_limit_is_refused_in_a_sentence(server: str, announced: bool, size: int, status: int) -> None:
    with httpx.Client(trust_env=False, timeout=20) as client:
        answer = client.post(server, content=b"x" * size if announced else pieces(size))
    assert answer.status_code == status
    assert answer.text == (str(size) if status == 200 else "This upload is too large; send fewer files at once.\n")


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "This upload is too large; send fewer files at once."),
        ("de", "Das ist zu viel auf einmal; bitte weniger Dateien zugleich hochladen."),
    ],
)
def test_a_script_is_refused_in_json_and_in_its_language(server: str, language: str, sentence: str) -> None:
    headers = {"Accept-Language": language}
    with httpx.Client(trust_env=False, timeout=20) as client:
        answer = client.post(f"{server}/api/documents", content=b"x" * (MOST + 1), headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/json")
    assert answer.json() == {"error": sentence}


def test_a_body_announced_too_large_is_not_waited_for(server: str) -> None:
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n")
        assert b" 413 " in line.recv(1000).split(b"\r\n")[0]


def test_django_behind_the_limit_answers_413_before_it_has_looked_at_the_request(site: object) -> None:
    """Nobody is logged in, and nothing is spooled to disk."""
    browser(superuser=True)
    transport = httpx.ASGITransport(limited(get_asgi_application(), lambda path: MOST))  # type: ignore[arg-type]

    async def post(size: int) -> int:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.post("/admin/login/", content=b"x" * size)).status_code

    assert asyncio.run(post(MOST + 1)) == 413
    assert asyncio.run(post(10)) == 403
