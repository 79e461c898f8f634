"""Log-ins, roles and API tokens."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import AsyncClient, Client
from django.test.utils import override_settings
from django.urls import reverse
from django.utils import timezone

from tests.webadmin.conftest import browser
from tests.webadmin.uploads import put
from webadmin.console.models import ApiToken, AuditEntry
from webadmin.console.people import throttle, tokens

LOG_IN = "/admin/login/"
PASSWORD = "a long password"


@pytest.fixture
def ada(site: Path) -> User:
    user: User = User.objects.create_user("ada", password=PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name="operator"))
    return user


def attempt(name: str, password: str, address: str = "192.0.2.1") -> Any:
    return Client(headers={"host": "localhost"}, REMOTE_ADDR=address).post(LOG_IN, {"username": name, "password": password})


def test_the_right_password_is_refused_after_five_wrong_ones_and_the_wait_is_said(ada: User) -> None:
    for _ in range(throttle.OF_NAME_AT_ADDRESS):
        assert "Try again in" not in attempt("ada", "wrong").content.decode()
    refused = attempt("ada", PASSWORD)
    assert refused.status_code == 200
    assert "Too many failed log-ins. Try again in 15 minutes." in refused.content.decode()
    assert attempt("ada", PASSWORD, "192.0.2.2").status_code == 302, "the owner, elsewhere, is not locked out"
    AuditEntry.objects.update(at=timezone.now() - throttle.PERIOD)
    assert attempt("ada", PASSWORD).status_code == 302


def test_one_address_cannot_try_many_names(site: Path, ada: User) -> None:
    for number in range(throttle.OF_ADDRESS):
        attempt(f"name{number}", "wrong")
    assert "Too many" in attempt("ada", PASSWORD).content.decode()


def test_many_addresses_cannot_try_one_name_for_ever(ada: User) -> None:
    rows = [AuditEntry(action="session.log in failed", actor="ada", address=f"198.51.100.{n}") for n in range(throttle.OF_NAME)]
    AuditEntry.objects.bulk_create(rows)
    assert "Too many" in attempt("ada", PASSWORD).content.decode()


def test_log_ins_log_outs_and_failures_stand_in_the_trail_without_the_password(ada: User) -> None:
    client = Client(headers={"host": "localhost"})
    client.post(LOG_IN, {"username": "ada", "password": "hunter2"})
    client.post(LOG_IN, {"username": "ada", "password": PASSWORD})
    client.post("/admin/logout/")
    assert list(AuditEntry.objects.order_by("id").values_list("action", "actor", "actor_id")) == [
        ("session.log in failed", "ada", None),
        ("session.log in", "ada", ada.pk),
        ("session.log out", "ada", ada.pk),
    ]
    assert not AuditEntry.objects.filter(details__icontains="hunter2").exists()


def test_an_admin_cares_for_people_but_makes_no_superuser_and_touches_none(site: Path) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    client = browser(group="admin")
    answer = client.post(
        reverse("admin:auth_user_add"),
        {"username": "eve", "password1": PASSWORD, "password2": PASSWORD, "groups": [Group.objects.get(name="viewer").pk]},
    )
    assert answer.status_code == 302
    eve = User.objects.get(username="eve")
    assert (eve.is_staff, eve.is_superuser, [group.name for group in eve.groups.all()]) == (True, False, ["viewer"])
    change = reverse("admin:auth_user_change", args=[eve.pk])
    client.post(change, {"username": "eve", "is_active": "on", "is_superuser": "on", "groups": []})
    eve.refresh_from_db()
    assert not eve.is_superuser
    assert client.post(reverse("admin:auth_user_change", args=[root.pk]), {"username": "x"}).status_code == 403
    assert client.post(f"/admin/auth/user/{root.pk}/password/", {"password1": "x", "password2": "x"}).status_code == 403
    assert client.post(reverse("admin:auth_user_delete", args=[root.pk]), {"post": "yes"}).status_code == 403
    assert [entry.action for entry in AuditEntry.objects.filter(target="eve")] == ["user.change", "user.add"]


@pytest.mark.parametrize("group", ["viewer", "operator"])
def test_others_see_neither_people_nor_the_trail_nor_tokens(site: Path, group: str) -> None:
    client = browser(group=group)
    for name in ("auth_user", "console_auditentry", "console_apitoken"):
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 403


def bearer(secret: str) -> Client:
    return Client(headers={"host": "localhost", "authorization": f"Bearer {secret}"})


def test_a_token_is_shown_once_kept_as_a_hash_and_opens_the_api_as_its_user(ada: User) -> None:
    document = put("a.md")
    client = Client(headers={"host": "localhost"})
    client.force_login(ada)
    page = client.post("/admin/account/", {"name": "<b>script", "days": "30"}).content.decode()
    token = ApiToken.objects.get()
    secret = page.split('id="token">')[1].split("<")[0]
    assert secret.startswith(tokens.PREFIX)
    assert secret not in client.get("/admin/account/").content.decode()
    assert "<b>script" not in page
    assert secret not in str(ApiToken.objects.values().get())
    address = f"/api/documents/{document}/progress"
    assert bearer(secret).get(address).json()["state"] == "pending"
    token.refresh_from_db()
    assert token.used_at is not None
    assert [entry.action for entry in AuditEntry.objects.filter(target_kind="apitoken")] == ["apitoken.add"]


def test_an_async_request_is_let_in_by_a_token_too(ada: User) -> None:
    document = put("a.md")
    _, secret = tokens.make(ada, "script", None)

    async def ask(said: str) -> int:
        answer = await AsyncClient().get(f"/api/documents/{document}/progress", headers={"authorization": f"Bearer {said}"})
        return answer.status_code

    with override_settings(ALLOWED_HOSTS=["testserver"]):  # Django's async client says no other host
        assert asyncio.run(ask(secret)) == 200
        assert asyncio.run(ask(secret + "x")) == 401


def test_a_token_opens_no_page(ada: User) -> None:
    _, secret = tokens.make(ada, "script", None)
    assert bearer(secret).get("/admin/documents/document/").status_code == 302


def test_a_token_may_what_its_user_may(ada: User) -> None:
    document = put("a.md")
    _, secret = tokens.make(ada, "script", None)
    ada.groups.clear()
    assert bearer(secret).get(f"/api/documents/{document}/progress").status_code == 403


@pytest.mark.parametrize("spoilt", ["revoked", "expired", "inactive", "wrong", "empty"])
def test_a_token_that_is_no_longer_good_is_refused(ada: User, spoilt: str) -> None:
    document = put("a.md")
    _, secret = tokens.make(ada, "script", 1)
    if spoilt == "revoked":
        tokens.revoke(ApiToken.objects.all())
    elif spoilt == "expired":
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif spoilt == "inactive":
        User.objects.filter(pk=ada.pk).update(is_active=False)
    said = {"wrong": secret[:-1] + ("a" if secret[-1] != "a" else "b"), "empty": ""}.get(spoilt, secret)
    answer = bearer(said).get(f"/api/documents/{document}/progress")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_one_revokes_one_s_own_tokens_and_an_admin_anybody_s_but_a_superuser_s(ada: User) -> None:
    mine, _ = tokens.make(ada, "mine", None)
    roots, _ = tokens.make(User.objects.create_superuser("root"), "root's", None)
    other = browser(group="operator")
    other.post(reverse("console:account-revoke", args=[mine.pk]))
    assert ApiToken.objects.filter(revoked_at=None).count() == 2
    assert other.get(reverse("console:account-revoke", args=[mine.pk])).status_code == 405
    chosen = {"action": "revoke", "index": "0", "_selected_action": [mine.pk, roots.pk]}
    browser(group="admin").post(reverse("admin:console_apitoken_changelist"), chosen)
    assert list(ApiToken.objects.filter(revoked_at=None)) == [roots]
