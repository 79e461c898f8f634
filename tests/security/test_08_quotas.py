"""Demand 8: no user and no token takes all event streams, and the API says when it is asked too often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import httpx
from django.contrib.auth.models import User

from aegis_assets.settings import settings
from aegis_assets.stores.ledger import Ledger
from tests.security.conftest import API_REQUESTS
from tests.webadmin.admin_process import AdminProcess
from tests.webadmin.conftest import browser
from tests.webadmin.console.serving import connected, cookies
from tests.webadmin.uploads import put
from webadmin.console.people import tokens


def bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.make(user, 'script', None)[1]}"}


def test_streams_have_a_quota_for_each_user_and_token(admin_process: AdminProcess, ledger: Ledger) -> None:
    greedy, modest = browser(superuser=True), browser(superuser=True)
    user = User.objects.get(pk=greedy.session["_auth_user_id"])
    path = f"{admin_process.client.base_url}/api/documents/{put('a.md')}/events"
    secret = bearer(user)

    async def watch() -> list[tuple[int, str]]:
        async with connected() as http, AsyncExitStack() as stack:
            streams = []

            async def opened(**request: object) -> tuple[int, str]:
                answer = await stack.enter_async_context(http.stream("GET", path, **request))  # type: ignore[arg-type]
                if answer.status_code == 200:
                    streams.append(answer.aiter_raw())
                    await anext(streams[-1])  # it has begun
                return answer.status_code, answer.headers.get("Retry-After", "")

            of_token, of_user = settings().streams_per_token, settings().streams_per_user
            by_token = [await opened(headers=secret) for _ in range(of_token + 1)]
            by_user = [await opened(cookies=cookies(greedy)) for _ in range(of_user - of_token + 1)]
            return [*by_token[-2:], *by_user[-2:], await opened(cookies=cookies(modest))]

    assert asyncio.run(watch()) == [(200, ""), (429, "30"), (200, ""), (429, "30"), (200, "")]


def test_a_token_that_asks_too_often_is_told_when_to_ask_again(admin_process: AdminProcess) -> None:
    ada = User.objects.create_superuser("ada", password="a long password")
    secret, other = bearer(ada), bearer(ada)
    with httpx.Client(base_url=admin_process.client.base_url, trust_env=False) as client:
        answers = ask_until_refused(client, lambda _: secret)
        refused = answers.pop()
        assert {answer.status_code for answer in answers} == {200}
        assert len(answers) >= API_REQUESTS
        assert (refused.status_code, refused.json()) == (429, {"error": "Too many requests: ask again later, and more slowly."})
        assert 1 <= int(refused.headers["Retry-After"]) <= 3
        assert client.get("/api/collections", headers=other).status_code == 200
        made_up = ask_until_refused(client, lambda number: {"Authorization": f"Bearer {number}"})
        assert (made_up[0].status_code, made_up[-1].status_code) == (401, 429)


def ask_until_refused(client: httpx.Client, headers: Callable[[int], dict[str, str]]) -> list[httpx.Response]:
    """Ask until 429 is answered, or ten times as often as one may: on a busy machine some time passes."""
    answers = []
    for number in range(10 * API_REQUESTS):
        answers.append(client.get("/api/collections", headers=headers(number)))
        if answers[-1].status_code == 429:
            break
    return answers
