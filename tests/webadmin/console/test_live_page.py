"""The pages' script in headless Chromium: bars move by events, by asking where a proxy holds events back, and rest unseen."""

from __future__ import annotations

import io
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import psycopg
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect, sync_playwright

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.chromium import launched
from tests.stores.ledger.build import RUN, dead, planned, running
from tests.webadmin.conftest import browser
from tests.webadmin.console.serving import cookies, served
from webadmin.documents import services


@pytest.fixture
def moving(ledger: Ledger) -> UUID:
    document = services.upload(io.BytesIO(b"one"), "<i>a\u202e😀.md", "default").document
    assert document
    ledger.begin(document, RUN, dead)
    planned(ledger, document, "k1", "k2")
    return document


@pytest.fixture
def address(moving: UUID) -> Iterator[str]:
    with served() as url:
        yield url


@pytest.fixture
def jar(moving: UUID) -> dict[str, str]:
    """Made before playwright runs its loop here, in which Django would ask no database."""
    return cookies(browser(group="viewer"))


@pytest.fixture
def context(address: str, jar: dict[str, str]) -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        chromium = launched(playwright)
        context = chromium.new_context()
        context.set_default_timeout(20_000)
        context.add_cookies([{"name": name, "value": value, "url": address} for name, value in jar.items()])
        yield context
        chromium.close()


def problems(page: Page) -> list[str]:
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def put(ledger_url: str, document: UUID, fraction: float) -> None:
    with psycopg.connect(ledger_url, autocommit=True) as database:
        database.execute("UPDATE aegis_document SET fraction = %s WHERE id = %s", (fraction, document))


def asked(page: Page, part: str) -> list[str]:
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url) if part in request.url else None)
    return found


@pytest.mark.parametrize("where", ["", "documents/document/", "documents/document/{}/change/"])
def test_a_bar_moves_by_events_and_the_end_is_seen(
    context: BrowserContext, address: str, moving: UUID, ledger: Ledger, ledger_url: str, where: str
) -> None:
    page = context.new_page()
    found, progress, states = problems(page), asked(page, "/progress"), asked(page, "/states")
    page.goto(f"{address}/admin/{where.format(moving)}")
    expect(page.locator("html")).to_have_attribute("data-live", "events")
    bar = page.locator("progress[data-state=running]").first
    for fraction in (0.3, 0.55):
        put(ledger_url, moving, fraction)
        expect(bar).to_have_js_property("value", fraction, timeout=5000)
    ledger.finish(moving, RUN, State.SUCCEEDED, "")
    if where:
        expect(page.locator(".state-succeeded").first).to_be_visible()
        expect(page.locator("progress").first).to_have_js_property("value", 1)
        expect(page.locator("details[open]")).to_have_count(0)  # a document's page was loaded again
    else:
        expect(page.get_by_text("Nothing is running.")).to_be_visible()
    assert [one for one in (*progress, *states) if "/progress.js" not in one] == [], "nothing is asked for"
    assert found == []


def test_the_entities_of_documents_that_end_together_are_asked_for_together(
    context: BrowserContext, address: str, moving: UUID, ledger: Ledger, ledger_url: str
) -> None:
    for number in range(5):
        running(ledger, f"{number}.md", str(number), "default")
    page = context.new_page()
    counts = asked(page, "/entities")
    page.goto(f"{address}/admin/documents/document/")
    expect(page.locator("html")).to_have_attribute("data-live", "events")
    assert len(counts) == 1, "what the page shows"
    with psycopg.connect(ledger_url, autocommit=True) as database:
        database.execute("UPDATE aegis_document SET state = 'succeeded'")
    expect(page.locator(".state-succeeded")).to_have_count(6)
    page.wait_for_timeout(600)
    assert [len(parse_qs(urlsplit(one).query)["id"]) for one in counts[1:]] == [6]


def test_where_a_proxy_holds_events_back_the_numbers_are_asked_for(
    context: BrowserContext, address: str, moving: UUID, ledger: Ledger, ledger_url: str
) -> None:
    """As nginx does that buffers answers: the stream is open, and nothing of it arrives."""
    held: list[Route] = []
    context.route("**/events*", lambda route: held.append(route))
    page = context.new_page()
    page.clock.install()
    found = problems(page)
    page.goto(f"{address}/admin/documents/document/")
    while not held:
        page.wait_for_timeout(50)
    page.clock.fast_forward(12_000)
    expect(page.locator("html")).to_have_attribute("data-live", "polling")
    put(ledger_url, moving, 0.4)
    expect(page.locator("progress").first).to_have_js_property("value", 0.4, timeout=5000)
    assert len(held) == 1
    assert found == []


def test_a_viewer_who_is_not_let_in_any_more_asks_no_more(
    context: BrowserContext, address: str, moving: UUID, ledger_url: str
) -> None:
    context.route("**/events*", lambda route: route.fulfill(status=401, json={"error": "Log in first."}))
    context.route("**/progress", lambda route: route.fulfill(status=401, json={"error": "Log in first."}))
    page = context.new_page()
    page.clock.install()
    polls = asked(page, "/progress")
    page.goto(f"{address}/admin/documents/document/{moving}/change/")
    expect(page.locator("html")).to_have_attribute("data-live", "off")
    page.clock.fast_forward(30_000)
    page.wait_for_timeout(200)  # what would be asked for now would be on its way
    assert len(polls) == 1 + 1, "the script itself, and one question"


def test_a_page_that_nobody_looks_at_listens_to_nothing(
    context: BrowserContext, address: str, moving: UUID, ledger_url: str
) -> None:
    page = context.new_page()
    page.goto(f"{address}/admin/documents/document/{moving}/change/")
    expect(page.locator("html")).to_have_attribute("data-live", "events")
    hidden = "Object.defineProperty(document, 'hidden', {{value: {}, configurable: true}});"
    hide = hidden + "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(hide.format("true"))
    expect(page.locator("html")).to_have_attribute("data-live", "resting")
    put(ledger_url, moving, 0.6)
    page.wait_for_timeout(2000)
    bar = page.locator("progress").first
    assert bar.evaluate("bar => bar.value") < 0.6
    page.evaluate(hide.format("false"))
    expect(bar).to_have_js_property("value", 0.6)
