"""One long document through the console in headless Chromium, steered by an admin and watched by a viewer on a phone, in German."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from aegis_assets.model.document import State
from tests.defs.test_ingest import chapters, paged
from tests.e2e.conftest import Person
from tests.e2e.test_graph_page import choose
from tests.waiting import until

PAGES = 192
LIMIT = "parallel_chunks_per_doc"
WIDTH = 390
SECONDS = 240  # while other tests load the machine
ROUNDED = 1e-4  # the page says a fraction in four digits, and an event says all of them
PASSWORD = "may look, and nothing else"
VIEWER = f"""
from django.contrib.auth.models import Group, User
user = User.objects.create_user("onlooker", password={PASSWORD!r}, is_staff=True)
user.groups.add(Group.objects.get(name="viewer"))
"""
WATCH = """setInterval(() => {
  const bar = document.querySelector("#progress progress");
  if (bar) window.watched(bar.value, bar.dataset.state, document.documentElement.dataset.live || "");
}, 50)"""


class Look(NamedTuple):
    """At the bar of the document's page, which says how it learns of what it shows."""

    value: float
    state: str
    mode: str


def rose(run: Sequence[Look]) -> int:
    """How many values the bar had by events. Within a run it never goes back."""
    values = [look.value for look in run if look.state in (State.RUNNING, State.SUCCEEDED)]
    assert [pair for pair in pairwise(values) if pair[1] < pair[0] - ROUNDED] == []
    return len({look.value for look in run if look.mode == "events" and look.state == State.RUNNING})


@pytest.fixture
def limit(person: Person) -> Iterator[Callable[[], int | None]]:
    """The console's change of the limit, as the ledger has it. There is none in the end, however the test ends."""

    def value() -> int | None:
        with person.ledger.connection() as connection:
            row = connection.execute("SELECT value FROM aegis_limit WHERE name = %s", (LIMIT,)).fetchone()
        return row["value"] if row else None

    yield value
    with person.ledger.connection() as connection:
        connection.execute("DELETE FROM aegis_limit WHERE name = %s", (LIMIT,))


@pytest.fixture
def onlooker(person: Person, log_in: Callable[..., Page]) -> Page:
    """The page of somebody who may look alone."""
    code, out, err = person.manage("shell", "-c", VIEWER)
    assert code == 0, out + err
    phone = {"width": WIDTH, "height": 844}
    return log_in("onlooker", PASSWORD, viewport=phone, color_scheme="dark", locale="de")


def state(page: Page, name: State) -> None:
    """Shown without anybody having loaded the page again."""
    expect(page.locator("#progress")).to_have_attribute("data-state", name, timeout=SECONDS * 1000)
    expect(page.locator("#progress .state")).to_have_class(f"state state-{name}")


def steer(page: Page, action: str) -> None:
    page.locator(f"form[action$='/{action}/'] button, form[action$='/{action}'] button").click()


@pytest.mark.timeout(900)
def test_a_long_document_is_watched_cancelled_retried_and_read(
    page: Page, onlooker: Page, person: Person, limit: Callable[[], int | None], tmp_path: Path
) -> None:
    paper = tmp_path / "console.pdf"
    paper.write_bytes(paged(chapters(PAGES, "console")))
    seen: list[Look] = []
    page.expose_function("watched", lambda *look: seen.append(Look(*look)))
    page.add_init_script(WATCH)

    def moved(values: int) -> bool:
        page.wait_for_timeout(50)  # in which what the page tells is heard
        return len({look.value for look in seen if look.mode == "events"}) >= values

    page.goto(f"{person.stack.admin}/admin/documents/document/add/")
    page.set_input_files("input[type=file]", str(paper))
    page.fill("input[name=new_collection]", "console")
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("link", name="console.pdf").click()
    page.wait_for_url("**/change/")
    onlooker.goto(page.url)
    until(lambda: moved(3), SECONDS)

    _limits(page, person, limit)
    until(lambda: moved(5), SECONDS)
    state(onlooker, State.RUNNING)
    _looks_alone(onlooker)

    steer(page, "cancel")
    state(page, State.CANCELLED)
    state(onlooker, State.CANCELLED)
    stopped = len(seen) - 1
    steer(page, "retry")
    state(onlooker, State.RUNNING)
    state(page, State.SUCCEEDED)
    state(onlooker, State.SUCCEEDED)
    expect(page.locator("#progress [data-field=percent]")).to_have_text("100 %")
    expect(page.locator("#progress progress")).to_have_js_property("value", 1)
    again = next(n for n, look in enumerate(seen) if n > stopped and look.state == State.RUNNING)
    assert seen[stopped].value > 0
    assert rose(seen[:stopped]) > 3
    assert rose(seen[again:]) > 1

    _read(page, person)
    assert onlooker.evaluate("document.documentElement.scrollWidth") <= WIDTH


def _limits(page: Page, person: Person, limit: Callable[[], int | None]) -> None:
    """Set by its slider in another tab, while the document runs, and taken back. Others change other limits meanwhile."""
    tab = page.context.new_page()
    tab.goto(f"{person.stack.admin}/admin/limits/")
    card = tab.locator(f"section[aria-labelledby=label-{LIMIT}]")
    field = card.locator(f"#id_{LIMIT}")
    configured = int(field.input_value())
    card.locator(f"[data-slides=id_{LIMIT}]").press("Home")
    expect(field).to_have_value("1")
    assert (configured > 1, limit()) == (True, None)
    tab.get_by_role("button", name="Apply").click()
    expect(card.get_by_text("set here")).to_be_visible()
    expect(field).to_have_value("1")
    assert limit() == 1
    card.get_by_role("button", name="Reset").click()
    expect(field).to_have_value(str(configured))
    assert limit() is None
    tab.close()


def _looks_alone(page: Page) -> None:
    """A viewer sees the document run and no button that would change it, and what he sends all the same is refused."""
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator("html")).to_have_class(re.compile(r"\bdark\b"))
    expect(page.locator("#progress .state")).to_have_text("läuft")
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH
    for action in ("ingest", "retry", "cancel", "remove"):
        assert page.locator(f"form[action*='/{action}']").count() == 0
        address = page.url.replace("/change/", f"/{action}/")
        token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
        headers = {"X-CSRFToken": token, "Referer": page.url, "Accept-Language": "de"}
        answer = page.request.post(address, headers=headers, form={"confirm": "1"})
        assert (answer.status, "Das dürfen Sie nicht" in answer.text()) == (403, True), answer.text()


def _read(page: Page, person: Person) -> None:
    """A chunk from the grid, its evidence on its page, and its entity in the graph."""
    document = page.url.split("/")[-3]
    expect(page.locator("#chunk-title")).to_have_text(f"Chunk 1 of {PAGES}")
    page.get_by_role("listbox").focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.locator("#chunk-title")).to_have_text(f"Chunk {PAGES} of {PAGES}")
    expect(page.locator("#chunk .entities")).to_contain_text("Charles Babbage")
    expect(page.locator(".passage mark", has_text="Charles Babbage")).to_be_visible()
    sheet = page.get_by_role("img", name=f"Page {PAGES}, with the chunk's places framed")
    expect(sheet.locator("rect").first).to_be_attached()
    page.locator("[data-relation]").first.click()
    expect(page.locator(".passage .said").first).to_be_visible()

    page.goto(f"{person.stack.admin}/admin/graph/?document={document}")
    expect(page.locator("#graph[data-ready]")).to_be_attached()
    choose(page, "found", "babbage", "Charles Babbage")
    panel = page.locator("[data-part=panel]")
    expect(panel.get_by_role("heading", name="Charles Babbage")).to_be_visible()
    quote = panel.locator(".quote", has=page.locator("mark", has_text="Charles Babbage")).first
    quote.get_by_role("link", name="console.pdf").click()
    expect(page.locator(".passage .sought").first).to_have_text("Charles Babbage")
    expect(page.locator("#chunk svg rect").first).to_be_attached()
