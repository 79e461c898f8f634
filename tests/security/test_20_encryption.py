"""Demand 20: beyond loopback the admin listens only with TLS, behind a trusted proxy, or where it was said that it may without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from django.test import override_settings

from aegis_assets.errors import Misconfigured
from aegis_assets.perimeter import require_protected_admin
from aegis_assets.settings import ROOT, Settings, settings
from tests.certificates import make
from tests.services import free_ports
from tests.webadmin.admin_process import started
from tests.webadmin.conftest import browser

REMINDER = "open to other machines without encryption"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"listen": "127.0.0.1"}, ""),
        ({"listen": "::1"}, ""),
        ({"listen": "localhost"}, ""),
        ({"listen": "0.0.0.0"}, "AEGIS_PLAIN_HTTP=true"),
        ({"listen": "::"}, "AEGIS_PLAIN_HTTP=true"),
        ({"listen": "aegis.example", "trusted_proxies": " "}, "AEGIS_PLAIN_HTTP=true"),
        ({"listen": "0.0.0.0", "plain_http": True}, ""),
        ({"listen": "0.0.0.0", "trusted_proxies": "10.0.0.1"}, ""),
        ({"listen": "0.0.0.0", "tls_cert": "a.pem", "tls_key": "a.key"}, ""),
        ({"listen": "127.0.0.1", "tls_cert": "a.pem"}, "go together"),
    ],
)
def test_what_protects_it_is_asked_for(given: dict[str, object], sentence: str) -> None:
    chosen = Settings(_env_file=None, **given)  # type: ignore[call-arg, arg-type]
    if not sentence:
        require_protected_admin(chosen)
        return
    with pytest.raises(Misconfigured, match=sentence):
        require_protected_admin(chosen)


def test_unprotected_it_does_not_start_and_says_why_in_a_sentence(site: Path) -> None:
    command = [sys.executable, "-m", "uvicorn", "webadmin.asgi:application", "--host", "0.0.0.0", "--port", str(free_ports(1)[0])]
    environment = {**os.environ, "AEGIS_LISTEN": "0.0.0.0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "AEGIS_LISTEN opens the admin to other machines" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_a_certificate_it_speaks_https_alone(site: Path, tmp_path: Path) -> None:
    """In production, with nobody in front: what a client says of its protocol counts for nothing (demand 19)."""
    files = make(tmp_path)
    chosen = {
        "AEGIS_LISTEN": "0.0.0.0",
        "AEGIS_TLS_CERT": str(files.certificate),
        "AEGIS_TLS_KEY": str(files.key),
        "AEGIS_PRODUCTION": "1",
        "AEGIS_SECRET_KEY": "k" * 50,
        "AEGIS_ALLOWED_HOSTS": "127.0.0.1",
    }
    with started(**chosen) as admin:
        answer = admin.client.get("/admin/login/", headers={"X-Forwarded-Proto": "http"})
        assert (admin.client.base_url.scheme, answer.status_code) == ("https", 200)
        assert "Secure" in answer.headers["Set-Cookie"]
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{admin.port}/healthz", trust_env=False)


@pytest.mark.parametrize(
    ("plain", "host", "reminds"),
    [
        ("true", "aegis.example:8000", True),
        ("true", "localhost", False),
        ("true", "[::1]", False),
        ("", "aegis.example", False),
    ],
)
def test_the_console_reminds_whoever_comes_without_it(
    site: Path, monkeypatch: pytest.MonkeyPatch, plain: str, host: str, reminds: bool
) -> None:
    monkeypatch.setenv("AEGIS_PLAIN_HTTP", plain)
    settings.cache_clear()
    with override_settings(ALLOWED_HOSTS=["*"]):
        client = browser(superuser=True)
        assert (REMINDER in client.get("/admin/account/", headers={"host": host}).content.decode()) is reminds
        secure = client.get("/admin/account/", headers={"host": host}, secure=True)
        assert REMINDER not in secure.content.decode()
        german = client.get("/admin/account/", headers={"host": host, "Accept-Language": "de"}).content.decode()
        assert ("ohne Verschlüsselung" in german) is reminds
