"""The admin as the stack starts it: whose word it takes for where a log-in comes from, and for https."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from aegis_assets.embedded.parts import parts
from aegis_assets.settings import ROOT, load
from tests.services import free_ports
from webadmin.console.models import AuditEntry
from webadmin.console.people import throttle


@contextmanager
def started(**settings: str) -> Iterator[httpx.Client]:
    """By the stack's own command, with these settings."""
    settings |= {"AEGIS_ADMIN_PORT": str(free_ports(1)[0])}
    os.environ.update(settings)
    try:
        admin = next(part for part in parts(load(), load()) if part.name == "admin")
    finally:
        for name in settings:
            del os.environ[name]
    environment = {**os.environ, **settings}
    with subprocess.Popen(
        admin.command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while not admin.ready():
                assert time.monotonic() < deadline
                time.sleep(0.1)
            with httpx.Client(base_url=f"http://127.0.0.1:{settings['AEGIS_ADMIN_PORT']}", trust_env=False, timeout=30) as client:
                yield client
        finally:
            process.terminate()


def attempts(client: httpx.Client) -> list[str]:
    """What wrong passwords are told, each of which names another address as its own."""
    client.get("/admin/login/")
    told = []
    for number in range(throttle.OF_NAME_AT_ADDRESS + 2):
        form = {"username": "ada", "password": "wrong", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        told.append(client.post("/admin/login/", data=form, headers={"X-Forwarded-For": f"198.51.100.{number}"}).text)
    return ["waits" if "Too many failed log-ins" in text else "tried" for text in told]


def test_an_address_that_a_client_makes_up_spares_it_no_wait(site: Path) -> None:
    with started() as client:
        assert attempts(client) == ["tried"] * throttle.OF_NAME_AT_ADDRESS + ["waits"] * 2
    assert set(AuditEntry.objects.values_list("address", flat=True)) == {"127.0.0.1"}


def test_a_proxy_that_is_named_is_believed(site: Path) -> None:
    with started(AEGIS_TRUSTED_PROXIES="10.0.0.0/8, 127.0.0.1") as client:
        assert set(attempts(client)) == {"tried"}
    assert "198.51.100.1" in AuditEntry.objects.values_list("address", flat=True)


def test_in_production_the_proxy_says_that_it_was_https_and_needs_not_be_named_for_that(site: Path) -> None:
    production = {"AEGIS_PRODUCTION": "1", "AEGIS_SECRET_KEY": "k" * 50, "AEGIS_ALLOWED_HOSTS": "127.0.0.1"}
    for trusted in ("", "127.0.0.1"):
        with started(**production, AEGIS_TRUSTED_PROXIES=trusted) as client:
            assert client.get("/admin/login/").status_code == 301
            assert client.get("/admin/login/", headers={"X-Forwarded-Proto": "https"}).status_code == 200
