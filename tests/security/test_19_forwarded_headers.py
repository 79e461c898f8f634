"""Demand 19: AEGIS_TRUSTED_PROXIES empty means that nobody's forwarded headers are believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.webadmin.admin_process import started
from webadmin.console.models import AuditEntry

PRODUCTION = {"AEGIS_PRODUCTION": "1", "AEGIS_SECRET_KEY": "k" * 50, "AEGIS_ALLOWED_HOSTS": "127.0.0.1"}
FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Host": "evil.example"}


@pytest.mark.parametrize(("trusted", "status", "address"), [("", 301, None), ("127.0.0.1", 200, "198.51.100.7")])
def test_forwarded_headers_are_believed_of_named_proxies_alone(site: Path, trusted: str, status: int, address: str | None) -> None:
    with started(**PRODUCTION, AEGIS_TRUSTED_PROXIES=trusted) as admin:
        answer = admin.client.get("/admin/login/", headers=FORWARDED)
        assert answer.status_code == status
        assert "evil.example" not in answer.headers.get("Location", "")
        if address:
            form = {"username": "ada", "password": "wrong", "csrfmiddlewaretoken": answer.cookies["csrftoken"]}
            cookie = {"Cookie": f"csrftoken={answer.cookies['csrftoken']}", "Referer": "https://127.0.0.1/"}
            origin = {**FORWARDED, **cookie}
            assert admin.client.post("/admin/login/", data=form, headers=origin).status_code == 200
            assert set(AuditEntry.objects.values_list("address", flat=True)) == {address}
