"""Demand 6: neither half-open connections nor a crowd of log-ins keep the others out, and slow requests end."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from statistics import median

import httpx
import psycopg
from django.contrib.auth.models import User

from tests.in_thread import in_thread
from tests.webadmin.admin_process import AdminProcess
from tests.webadmin.test_asgi import counting
from webadmin.connections import MOST_WITHOUT_HEAD, TimedProtocol
from webadmin.console.people import throttle

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
SOON = 0.5  # seconds
LOG_INS = 60


class HastyProtocol(TimedProtocol):
    head_seconds, body_seconds, body_rate = 0.5, 0.5, 1000


def ends_after(line: socket.socket) -> tuple[float, bytes]:
    began = time.monotonic()
    said = b""
    while piece := line.recv(1000):
        said += piece
    return time.monotonic() - began, said


def test_half_open_connections_leave_the_health_check_its_time(admin_process: AdminProcess) -> None:
    with ExitStack() as stack:
        lines = []
        for _ in range(MOST_WITHOUT_HEAD + 50):
            lines.append(stack.enter_context(socket.create_connection(("127.0.0.1", admin_process.port), timeout=5)))
            lines[-1].sendall(HEAD)
        took = []
        for _ in range(5):
            began = time.monotonic()
            assert admin_process.client.get("/healthz").status_code == 200
            took.append(time.monotonic() - began)
        assert median(took) < SOON
        assert ends_after(lines[0])[0] < SOON, "the connection that has waited longest makes room"
        lines[-1].sendall(b"Content-Length: 0\r\n\r\n")
        assert lines[-1].recv(100).startswith(b"HTTP/1.1 ")


def test_sixty_log_ins_at_once_leave_the_others_their_time(admin_process: AdminProcess, ledger_url: str) -> None:
    """The lock that makes log-ins of one address wait for each other is held here: all sixty wait for it together."""
    User.objects.create_superuser("ada", password="a long password")

    async def crowd(release: Callable[[], None]) -> tuple[list[float], list[int]]:
        limits = httpx.Limits(max_connections=None)
        url = str(admin_process.client.base_url)
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20, limits=limits) as client:
            token = (await client.get("/admin/login/")).cookies["csrftoken"]
            form = {"username": "ada", "password": "wrong", "csrfmiddlewaretoken": token}
            log_ins = [asyncio.create_task(client.post("/admin/login/", data=form)) for _ in range(LOG_INS)]
            await asyncio.sleep(0.5)
            took = []
            for path in ("/healthz", "/admin/login/", "/healthz"):
                began = time.monotonic()
                assert (await client.get(path)).status_code == 200
                took.append(time.monotonic() - began)
            release()
            return took, [answer.status_code for answer in await asyncio.gather(*log_ins)]

    with closing(psycopg.connect(ledger_url)) as other:
        other.execute(throttle.ONE_AT_A_TIME, ["127.0.0.1"])
        took, statuses = asyncio.run(crowd(other.rollback))
    assert statuses == [200] * LOG_INS
    assert median(took) < SOON


def test_a_request_that_does_not_come_to_its_end_is_given_up() -> None:
    with in_thread(counting, http=HastyProtocol) as port:
        for begun in (b"", b"\r\n", HEAD, HEAD + b"Content-Length: 9\r\n\r\nxx"):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
                line.sendall(begun)
                seconds, said = ends_after(line)
                assert 0.3 < seconds < 3, begun
                assert said.startswith(b"HTTP/1.1 408 "), begun
        with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
            line.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
            assert line.recv(1000).startswith(b"HTTP/1.1 200 ")
            line.sendall(HEAD)  # the next request on the same connection
            assert b" 408 " in ends_after(line)[1]


def test_a_slow_body_that_keeps_coming_is_read_to_its_end() -> None:
    with in_thread(counting, http=HastyProtocol) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(HEAD + b"Content-Length: 3000\r\n\r\n")
        for _ in range(15):
            line.sendall(b"x" * 200)
            time.sleep(0.1)
        assert line.recv(1000).startswith(b"HTTP/1.1 200 ")
