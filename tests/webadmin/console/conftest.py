"""The console in a real browser: Django on a port of its own in this process, and Debian's headless Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from playwright.sync_api import Browser, Page, expect, sync_playwright
from psycopg import sql

from aegis_assets.stores.ledger import Ledger
from tests.chromium import launched
from tests.webadmin.conftest import browser
from tests.webadmin.console.serving import cookies, served

Open = Callable[..., Page]


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    """The dashboard keeps what it read for a second, and a test is faster."""
    cache.clear()


@pytest.fixture
def site_url(ledger: Ledger) -> Iterator[str]:
    """The admin served as the stack runs it; streams have to end with it."""
    with served() as address:
        yield address


@pytest.fixture
def viewer(site_url: str) -> dict[str, str]:
    """Cookies of somebody who may look."""
    return cookies(browser(group="viewer"))


@pytest.fixture
def live(site: Path, no_pauses: None) -> Iterator[str]:
    """The address of the admin, served for this test. Engines and the graph store are away, and pages say so."""
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Its driver runs an event loop in the test's thread, where Django would refuse the test's own queries: it is told not to,
    while the browser is there."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = launched(playwright)
        yield browser
        browser.close()


@pytest.fixture
def open_page(live: str, chromium: Browser) -> Iterator[Open]:
    """A page of somebody who has logged in. The test fails when its console has said an error."""
    problems: list[str] = []
    contexts = []

    def opened(path: str, *, theme: str = "light", width: int = 1280, language: str = "en", user: str = "") -> Page:
        name = user or "boss"
        if not User.objects.filter(username=name).exists():
            User.objects.create_superuser(name, password="a long password")
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            locale=language,
            base_url=live,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on(
            "console",
            lambda message: problems.append(f"{page.url}: {message.text}") if message.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"/admin/login/?next={path}")
        page.fill("#id_username", name)
        page.fill("#id_password", "a long password")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{live}{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Nobody reads the table meanwhile. The lock ends by itself after 5 s: who waits for it without end gets an answer then."""
    with closing(psycopg.connect(url)) as other:
        other.execute("SET idle_in_transaction_session_timeout = '5s'")
        other.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
        yield


def at_rest(page: Page, address: str) -> None:
    """Loaded, with the parts that it fetches."""
    page.goto(address)
    expect(page.locator(".htmx-request")).to_have_count(0)
