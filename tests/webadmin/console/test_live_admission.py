"""Who may watch events of documents: asked at the door, and again while a stream is open."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from aegis_assets.embedded.postgres import Postgres
from aegis_assets.stores.ledger import Ledger
from tests.webadmin.conftest import browser
from tests.webadmin.console.serving import Watched, connected, cookies, until, watch
from tests.webadmin.uploads import put
from webadmin.console.live import hub as live
from webadmin.console.models import ApiToken
from webadmin.console.people import tokens


@pytest.mark.parametrize("how", ["log out", "deactivate", "take the permission", "change the password", "revoke the token"])
def test_whoever_may_not_see_any_more_is_cut_off(site_url: str, monkeypatch: pytest.MonkeyPatch, how: str, ledger: Ledger) -> None:
    monkeypatch.setattr(live, "ADMISSION_SECONDS", 0.3)
    document = put("a.md")
    client, stays = browser(group="viewer"), browser(group="viewer")
    user = User.objects.exclude(pk=int(stays.session["_auth_user_id"])).get()
    token, secret = tokens.make(user, "script", None)
    request = {"headers": {"Authorization": f"Bearer {secret}"}} if "token" in how else {"cookies": cookies(client)}
    address = f"{site_url}/api/documents/{document}/events"

    def revoke() -> None:
        if how == "log out":
            Session.objects.filter(pk=client.session.session_key).delete()
        elif how == "deactivate":
            User.objects.filter(pk=user.pk).update(is_active=False)
        elif how == "take the permission":
            user.groups.clear()
        elif how == "change the password":
            user.set_password("another")
            user.save()
        else:
            tokens.revoke(ApiToken.objects.filter(pk=token.pk))

    async def look() -> list[Watched]:
        seen: list[Watched] = []
        async with connected() as http:
            other = asyncio.create_task(watch(http, address, 20, seen, cookies=cookies(stays)))
            mine = asyncio.create_task(watch(http, address, 20, seen, **request))
            await until(lambda: len(seen) == 2 and all(one.of("progress") for one in seen))
            await asyncio.sleep(0.7)
            assert not any(one.ended for one in seen)
            await asyncio.to_thread(revoke)
            await until(lambda: seen[1].ended, 5)
            await asyncio.sleep(0.7)
            assert not seen[0].ended
            again = await watch(http, address, 2, [], **request)
            for one in (other, mine):
                one.cancel()
        return [*seen, again]

    assert asyncio.run(look())[2].status in (401, 403)


def test_without_a_look_at_who_may_watch_nobody_watches_for_long_and_a_short_outage_sends_nobody_away(
    site_url: str, viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch, postgres_server: Postgres, ledger_url: str
) -> None:
    monkeypatch.setattr(live, "ADMISSION_SECONDS", 0.2)
    monkeypatch.setattr(live, "TRUSTED_SECONDS", 3.0)
    document = put("a.md")
    database = sql.Identifier(str(conninfo_to_dict(ledger_url)["dbname"]))

    def accept(connections: bool) -> None:
        """Open connections stay; each look at who may watch makes its own."""
        with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(database, sql.Literal(connections)))

    async def look() -> Watched:
        seen: list[Watched] = []
        async with connected() as http:
            mine = asyncio.create_task(watch(http, f"{site_url}/api/documents/{document}/events", 30, seen, cookies=viewer))
            await until(lambda: seen and seen[0].of("progress"))
            await asyncio.to_thread(accept, False)
            await asyncio.sleep(1.0)  # a few looks
            await asyncio.to_thread(accept, True)
            await asyncio.sleep(2.5)
            assert not seen[0].ended, "it was let in again in time"
            away = time.monotonic()
            await asyncio.to_thread(accept, False)
            await until(lambda: seen[0].ended, 6)
            assert time.monotonic() - away > 2.0, "it is trusted for three seconds from the last look, a fifth of a second before"
            return await mine

    try:
        assert asyncio.run(look()).status == 200
    finally:
        accept(True)


def test_who_has_never_been_let_in_gets_a_sentence_and_no_stream(site_url: str) -> None:
    document = put("a.md")
    nobody, stranger = {}, cookies(browser())

    async def ask(path: str, jar: dict[str, str]) -> Watched:
        async with connected() as http:
            return await watch(http, site_url + path, 5, [], cookies=jar)

    for path in (f"/api/documents/{document}/events", f"/api/documents/events?id={document}"):
        assert asyncio.run(ask(path, nobody)).status == 401
        assert asyncio.run(ask(path, stranger)).status == 403
