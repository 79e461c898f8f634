"""Demand 15: sessions end, a changed password ends tokens too, and passwords have twelve characters and are not their owner's."""

from __future__ import annotations

import time
from importlib import import_module
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client, override_settings

from aegis_assets.settings import settings
from tests.webadmin.admin_process import AdminProcess
from tests.webadmin.conftest import browser
from tests.webadmin.console.serving import cookies
from webadmin.console.models import ApiToken, AuditEntry
from webadmin.console.people import tokens
from webadmin.console.people.sessions import BEGAN, POLL, USED

OLD, NEW = "a long password", "another long one"


def kept(client: Client) -> Any:
    """The client's session as the database has it."""
    store = import_module(django_settings.SESSION_ENGINE).SessionStore
    return store(client.cookies["sessionid"].value)


def status(admin: AdminProcess, client: Client, **headers: str) -> int:
    with httpx.Client(base_url=admin.client.base_url, cookies=cookies(client), trust_env=False) as http:
        return http.get("/admin/account/", headers=headers).status_code


@pytest.mark.parametrize(("what", "hours"), [(USED, settings().session_idle_minutes / 60), (BEGAN, settings().session_hours)])
def test_a_session_ends_when_it_is_idle_or_old(admin_process: AdminProcess, what: str, hours: float) -> None:
    client = browser(group="viewer")
    for margin, expected in ((-300, 200), (300, 302)):
        session = kept(client)
        session[what] = int(time.time() - hours * 3600 - margin)
        session.save()
        assert status(admin_process, client) == expected
    assert not kept(client).exists(client.cookies["sessionid"].value)


def test_a_click_keeps_a_session_alive_and_what_a_page_asks_by_itself_does_not(admin_process: AdminProcess) -> None:
    client = browser(group="viewer")
    session = kept(client)
    before = session[USED] = int(time.time()) - 3600
    session[BEGAN] = int(time.time() - settings().session_hours * 3600 + 600)
    session.save()
    assert status(admin_process, client, **{POLL: "1"}) == 200
    assert kept(client)[USED] == before
    assert status(admin_process, client) == 200
    assert kept(client)[USED] > before + 3500
    assert kept(client).get_expiry_age() <= 600, "it ends with its longest time, however it is used"


def test_a_changed_password_ends_sessions_and_tokens(admin_process: AdminProcess) -> None:
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.PBKDF2PasswordHasher"]):  # which the process has
        ada, bob = (User.objects.create_superuser(name, password=OLD) for name in ("ada", "bob"))
    secrets = {user.username: tokens.make(user, "script", None)[1] for user in (ada, bob)}
    elsewhere = Client(headers={"host": "localhost"})
    elsewhere.force_login(ada)
    client = admin_process.client
    form = {"username": "ada", "password": OLD, "csrfmiddlewaretoken": client.get("/admin/login/").cookies["csrftoken"]}
    assert client.post("/admin/login/", data=form).status_code == 302
    change = {"old_password": OLD, "new_password1": NEW, "new_password2": NEW, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    assert client.post("/admin/password_change/", data=change).status_code == 302

    asked = {
        name: httpx.get(f"{client.base_url}/api/collections", headers={"Authorization": f"Bearer {secret}"}, trust_env=False)
        for name, secret in secrets.items()
    }
    assert {name: answer.status_code for name, answer in asked.items()} == {"ada": 401, "bob": 200}
    assert client.get("/admin/account/").status_code == 200, "who changed it stays"
    assert status(admin_process, elsewhere) == 302
    assert AuditEntry.objects.filter(action="apitoken.revoke", details={"cause": "password"}).count() == 1


def test_a_password_taken_away_ends_tokens_and_a_hash_made_anew_does_not(site: object) -> None:
    ada = User.objects.create_user("ada", password=OLD)
    token, _ = tokens.make(ada, "script", None)
    hashers = ["django.contrib.auth.hashers.ScryptPasswordHasher", *django_settings.PASSWORD_HASHERS]
    before = ada.password
    with override_settings(PASSWORD_HASHERS=hashers):
        assert ada.check_password(OLD)
    assert ada.password != before
    ada.save()
    assert ApiToken.objects.get(pk=token.pk).revoked_at is None
    ada.set_unusable_password()
    ada.save()
    assert ApiToken.objects.get(pk=token.pk).revoked_at is not None


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("elevenchars", "at least 12 characters"),
        ("adalovelace1", "too similar to the username"),
        ("123456789012", "entirely numeric"),
    ],
)
def test_a_weak_password_is_refused(site: object, wanted: str, sentence: str) -> None:
    ada = User.objects.create_superuser("adalovelace", password=OLD)
    client = Client(headers={"host": "localhost"})
    client.force_login(ada)
    answer = client.post("/admin/password_change/", {"old_password": OLD, "new_password1": wanted, "new_password2": wanted})
    assert sentence in answer.content.decode()
    assert "ends all sessions elsewhere and all API tokens" in answer.content.decode()
    ada.refresh_from_db()
    assert ada.check_password(OLD)
