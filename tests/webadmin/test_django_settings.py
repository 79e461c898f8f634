"""Django's settings as they follow from the platform's: in production, and for databases with more than a name."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client, override_settings

from aegis_assets.errors import Misconfigured
from aegis_assets.postgres_options import connection_options
from aegis_assets.settings import ROOT, settings

Derived = Callable[..., dict[str, Any]]


@pytest.fixture
def derived(monkeypatch: pytest.MonkeyPatch) -> Iterator[Derived]:
    """Django's settings under these of the platform."""

    def derive(**given: str) -> dict[str, Any]:
        for name, value in given.items():
            monkeypatch.setenv(f"AEGIS_{name.upper()}", value)
        settings.cache_clear()
        return runpy.run_path(str(ROOT / "webadmin" / "settings.py"))

    yield derive
    settings.cache_clear()


@pytest.fixture
def production(derived: Derived) -> dict[str, Any]:
    return derived(production="1", secret_key="s" * 50, allowed_hosts="aegis.example, .inner.example")


def test_production_needs_a_key_and_allows_no_debugging(derived: Derived) -> None:
    with pytest.raises(Misconfigured, match="AEGIS_SECRET_KEY"):
        derived(production="1")
    with pytest.raises(Misconfigured, match="AEGIS_DEBUG"):
        derived(production="1", secret_key="s" * 50, debug="1")


def test_in_production_cookies_go_over_https_alone_and_origins_are_known(production: dict[str, Any]) -> None:
    assert production["SESSION_COOKIE_SECURE"]
    assert production["CSRF_COOKIE_SECURE"]
    assert production["ALLOWED_HOSTS"] == ["aegis.example", ".inner.example"]
    assert production["CSRF_TRUSTED_ORIGINS"] == ["https://aegis.example", "https://*.inner.example"]


def test_in_production_plain_http_is_sent_to_https_but_for_the_health_check(site: object, production: dict[str, Any]) -> None:
    with override_settings(**{name: value for name, value in production.items() if name.isupper() and name != "DATABASES"}):
        client = Client(headers={"host": "aegis.example"})
        plain = client.get("/admin/login/")
        assert (plain.status_code, plain.headers["Location"]) == (301, "https://aegis.example/admin/login/")
        assert client.get("/healthz").status_code == 200
        assert client.get("/admin/login/", headers={"x-forwarded-proto": "https"}).status_code == 301
        behind = client.get("/admin/login/", secure=True)  # as uvicorn says it of a trusted proxy
        assert behind.status_code == 200
        assert "max-age=31536000" in behind.headers["Strict-Transport-Security"]
        assert behind.cookies["csrftoken"]["secure"]
        assert client.get("/healthz", headers={"host": "elsewhere.example"}).status_code == 400


def test_without_a_key_nobody_can_guess_it(derived: Derived) -> None:
    assert derived()["SECRET_KEY"] != derived()["SECRET_KEY"]


def test_what_else_a_database_address_says_is_kept(derived: Derived) -> None:
    address = "postgresql://us%40er:p%2Fw@db.example:6000/na%20me?sslmode=require&application_name=x"
    database = derived(postgres_url=address)["DATABASES"]["default"]
    assert {name: database[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")} == {
        "NAME": "na me", "USER": "us@er", "PASSWORD": "p/w", "HOST": "db.example", "PORT": "6000",
    }  # fmt: skip
    assert database["OPTIONS"] == connection_options("x", {"sslmode": "require"})


def test_a_wrong_database_address_is_a_sentence_without_its_password(derived: Derived) -> None:
    with pytest.raises(Misconfigured, match="AEGIS_POSTGRES_URL") as wrong:
        derived(postgres_url="user:hunter2@host/name")
    assert "hunter2" not in wrong.value.message
