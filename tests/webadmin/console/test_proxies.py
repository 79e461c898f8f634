"""The admin as the stack starts it: whose word it takes for where a log-in comes from."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.webadmin.admin_process import started
from webadmin.console.models import AuditEntry
from webadmin.console.people import throttle


def attempts(client: httpx.Client) -> list[str]:
    """What wrong passwords are told, each of which names another address as its own."""
    client.get("/admin/login/")
    told = []
    for number in range(throttle.OF_NAME_AT_ADDRESS + 2):
        form = {"username": "ada", "password": "wrong", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        told.append(client.post("/admin/login/", data=form, headers={"X-Forwarded-For": f"198.51.100.{number}"}).text)
    return ["waits" if "Too many failed log-ins" in text else "tried" for text in told]


def test_an_address_that_a_client_makes_up_spares_it_no_wait(site: Path) -> None:
    with started() as admin:
        assert attempts(admin.client) == ["tried"] * throttle.OF_NAME_AT_ADDRESS + ["waits"] * 2
    assert set(AuditEntry.objects.values_list("address", flat=True)) == {"127.0.0.1"}


def test_a_proxy_that_is_named_is_believed(site: Path) -> None:
    with started(AEGIS_TRUSTED_PROXIES="10.0.0.0/8, 127.0.0.1") as admin:
        assert set(attempts(admin.client)) == {"tried"}
    assert "198.51.100.1" in AuditEntry.objects.values_list("address", flat=True)
