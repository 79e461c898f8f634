"""Who may ask for what: the one decorator that every page and every address of the API has, for sync and async views alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.webadmin.conftest import browser
from webadmin.console import navigation
from webadmin.console.page import WRITING, api, page

PERMISSION = "documents.view_document"
Ask = Callable[..., HttpResponse]


def person(*, staff: bool = True, superuser: bool = False, active: bool = True) -> User:
    return User.objects.create_user(f"p{User.objects.count()}", is_staff=staff, is_superuser=superuser, is_active=active)


def sync_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


async def async_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


@pytest.fixture(params=[sync_view, async_view], ids=["sync", "async"])
def view(request: pytest.FixtureRequest) -> Any:
    return request.param


def ask(guarded: Any, user: Any, method: str = "get", **headers: str) -> HttpResponse:
    request = getattr(RequestFactory(headers=headers), method)("/somewhere/?a=1")

    async def known() -> Any:
        return user

    request.user, request.auser = user, known
    if iscoroutinefunction(guarded):
        return asyncio.run(guarded(request))
    return guarded(request)


def test_whoever_has_the_permission_comes_in(site: Path, view: Any) -> None:
    for guard in (page, api):
        answer = ask(guard(PERMISSION)(view), person(superuser=True))
        assert answer.content == b"in"
        assert "no-cache" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("kept_out", [{"staff": False, "superuser": True}, {"active": False, "superuser": True}, {}])
def test_whoever_lacks_it_is_refused(site: Path, view: Any, kept_out: dict[str, bool]) -> None:
    with pytest.raises(PermissionDenied):
        ask(page(PERMISSION)(view), person(**kept_out))
    assert ask(api(PERMISSION)(view), person(**kept_out)).status_code == 403


def test_a_stranger_is_sent_to_the_log_in_and_a_script_is_told(site: Path, view: Any) -> None:
    answer = ask(page(PERMISSION)(view), AnonymousUser())
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/login/?next=/somewhere/%3Fa%3D1")
    assert ask(api(PERMISSION)(view), AnonymousUser()).status_code == 401


def test_a_part_of_a_page_is_not_filled_with_the_log_in(site: Path, view: Any) -> None:
    answer = ask(page(PERMISSION)(view), AnonymousUser(), **{"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == "/admin/login/"
    assert answer.content == b""


def test_another_method_is_refused_before_anybody_is_asked_who_they_are(site: Path, view: Any) -> None:
    assert ask(page(PERMISSION)(view), AnonymousUser(), "post").status_code == 405
    assert ask(page(PERMISSION, methods=WRITING)(view), person(superuser=True), "get").status_code == 405


def patterns(found: list[URLPattern | URLResolver], before: str = "/") -> list[tuple[str, Any]]:
    every: list[tuple[str, Any]] = []
    for one in found:
        address = before + str(one.pattern)
        every += patterns(one.url_patterns, address) if isinstance(one, URLResolver) else [(address, one.callback)]
    return every


def test_no_address_of_the_console_is_open_to_a_stranger(site: Path) -> None:
    """Whatever is added later: an address either asks who is there, or is one of these."""
    open_to_all = {"/", "/favicon.ico", "/healthz", "/admin/login/", "/admin/logout/", "/i18n/setlang/", "/metrics"}
    stranger = Client(headers={"host": "localhost"})
    filled = {"<uuid:document>": "00000000-0000-0000-0000-000000000000", "<int:token>": "1", "<path:object_id>": "1", "<id>": "1"}
    for address, _ in patterns(get_resolver().url_patterns):
        for place, value in filled.items():
            address = address.replace(place, value)
        if address in open_to_all or any(sign in address for sign in "<(^"):
            continue
        for answer in (stranger.get(address), stranger.post(address)):
            assert answer.status_code in (302, 401, 403, 404, 405), address
            if answer.status_code == 302:
                assert answer.headers["Location"].startswith("/admin/login/"), address


@pytest.mark.parametrize(
    ("group", "titles"),
    [
        ("", {"Dashboard"}),
        ("viewer", {"Dashboard", "Documents", "Collections", "Merges", "Limits"}),
        ("operator", {"Dashboard", "Upload", "Documents", "Collections", "Merges", "Limits"}),
        ("admin", {"Dashboard", "Upload", "Documents", "Collections", "Merges", "Limits", "People", "API tokens", "Audit"}),
    ],
)
def test_the_sidebar_shows_what_would_open_and_all_of_it_opens(site: Path, group: str, titles: set[str]) -> None:
    client = browser(group=group)
    request = RequestFactory().get("/admin/")
    request.user = User.objects.latest("id")
    links = {str(item["title"]): item["link"] for part in navigation.sidebar(request) for item in part["items"]}
    assert set(links) >= titles
    for title, address in links.items():
        assert client.get(address).status_code == 200, title
    hidden = {str(link.title): link for _, part in navigation.GROUPS for link in part if str(link.title) not in links}
    for link in hidden.values():
        assert client.get(reverse(link.name)).status_code == 403, str(link.title)


def test_the_sidebar_marks_the_page_that_one_is_on(site: Path) -> None:
    def marked(path: str) -> list[str]:
        request = RequestFactory().get(path)
        request.user = person(superuser=True)
        return [str(item["title"]) for part in navigation.sidebar(request) for item in part["items"] if item["active"]]

    assert marked("/admin/") == ["Dashboard"]
    assert marked("/admin/documents/document/add/") == ["Upload"]
    assert marked("/admin/documents/document/0/change/") == ["Documents"]
    assert marked("/admin/account/") == []
