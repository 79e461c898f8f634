"""Every page of the console, whoever adds one: no error in the browser's console, none wider than a phone, none that axe-core finds
seriously wrong, and what comes from outside is text.

Each walk loads each page once and looks at it in the size and theme of `first`, and then of `second`. A page that is loaded again
costs as much as ten such looks. An admin, who sees every page, walks in both languages; others see the same templates with less on
them, in `make test-full`. The document runs, and a search finds its chunks. No graph store is there: pages say so, and are sound
all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from pprint import pformat
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page

from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.doubles.engine import EngineDouble
from tests.webadmin.conftest import forget
from tests.webadmin.console.conftest import Open, at_rest
from tests.webadmin.console.every import addresses
from tests.webadmin.console.stuffed import HOSTILE, TOKEN, answering, stuffed

AXE = Path(__file__).parents[2] / "e2e" / "vendor" / "axe" / "axe.min.js"
GRAVE = ("serious", "critical")
Look = tuple[int, str]
WALKS = (
    ("admin", "en", (1280, "light"), (390, "light")),
    pytest.param("admin", "de", (390, "dark"), (1280, "dark"), marks=pytest.mark.slow),
    pytest.param("operator", "de", (1280, "dark"), (390, "light"), marks=pytest.mark.slow),
    pytest.param("viewer", "en", (390, "light"), (1280, "dark"), marks=pytest.mark.slow),
)
FEWEST = {"admin": 18, "operator": 12, "viewer": 8}  # a walk that finds less has lost its way
HITS = f"{reverse('console:search')}?q=Ada"
RUN_AXE = "(options) => axe.run(document, options)"
# Colours that are on their way to the other theme's would be measured half-way.
SET_THEME = """(dark) => {
  document.documentElement.classList.toggle("dark", dark);
  for (const one of document.getAnimations()) if (one instanceof CSSTransition) one.finish();
}"""
WIDTH = """() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(() => done(document.documentElement.scrollWidth)));
})"""
# Text that turns the direction and is neither alone in its block nor kept apart from what stands beside it.
LEAKS = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const leaks = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.data.includes("\\u202e") || !node.parentElement.checkVisibility()) continue;
    let one = node.parentElement, apart = ["OPTION", "TEXTAREA", "TITLE"].includes(one.tagName);
    while (!apart && one && getComputedStyle(one).display.startsWith("inline") && getComputedStyle(one).display === "inline") {
      apart = /isolate|plaintext/.test(getComputedStyle(one).unicodeBidi);
      one = one.parentElement;
    }
    if (!apart && one) {
      const style = getComputedStyle(one);
      const around = [...one.childNodes].map((child) => child.textContent).join("").trim();
      apart = /plaintext/.test(style.unicodeBidi) || around === node.data.trim();
    }
    if (!apart) leaks.push(node.parentElement.outerHTML.slice(0, 160));
  }
  return leaks;
}"""


@pytest.fixture(autouse=True)
def engine(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with EngineDouble(tmp_path) as double:
        monkeypatch.setenv("AEGIS_ENGINE_URL", double.url)
        forget()
        yield


@lru_cache(maxsize=1)
def axe() -> str:
    return AXE.read_text()


def person(role: str) -> Client:
    user = User.objects.create_user(role, password="a long password", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client


def findings(page: Page) -> list[str]:
    page.evaluate(axe())
    options = {"resultTypes": ["violations"], "preload": False, "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    found: list[dict[str, Any]] = page.evaluate(RUN_AXE, options)["violations"]
    return [
        f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:160]} [{len(one['nodes'])}]"
        for one in found
        if one["impact"] in GRAVE
    ]


def not_text(page: Page) -> list[str]:
    """What became something else than text, of all that comes from outside."""
    wrong = [] if page.evaluate("window.pwned === undefined") else ["a script ran"]
    wrong += ["markup became an element"] if page.locator(".pwned").count() else []
    wrong += ["a template was evaluated"] if page.evaluate(f"document.body.textContent.includes({TOKEN + '49'!r})") else []
    return wrong + [f"direction leaks: {leak}" for leak in page.evaluate(LEAKS)]


def seen(page: Page) -> bool:
    return bool(page.evaluate(f"document.body.textContent.includes({TOKEN!r})"))


def too_wide(page: Page, width: int) -> list[str]:
    needed = page.evaluate(WIDTH)
    return [f"{needed} px wide, of {width}"] if needed > width else []


def loaded(page: Page, address: str, language: str, theme: str) -> list[str]:
    """What is wrong with the page as it was loaded, in any size."""
    wrong = ["no hits"] if address == HITS and not page.locator("[data-hit]").count() else []
    wrong += [] if page.evaluate("document.documentElement.lang") == language else ["another language"]
    dark = page.evaluate("document.documentElement.classList.contains('dark')")
    wrong += [] if dark == (theme == "dark") else ["another theme"]
    wrong += [] if page.locator("h1").first.is_visible() else ["no heading"]
    return wrong + not_text(page)


@pytest.mark.parametrize(("role", "language", "first", "second"), WALKS)
def test_every_page_is_sound_for_everybody(
    open_page: Open, ledger: Ledger, dagster: DagsterDouble, role: str, language: str, first: Look, second: Look
) -> None:
    there = stuffed()
    answering(there)
    found = addresses(person(role), there)
    assert len(found) >= FEWEST[role], found
    (width, theme), (other_width, other_theme) = first, second
    page = open_page("/admin/", theme=theme, width=width, language=language, user=role)
    wrong: dict[str, list[str]] = {}
    shown = 0
    for address in [*found, HITS]:
        page.set_viewport_size({"width": width, "height": 900})
        at_rest(page, address)
        here = loaded(page, address, language, theme) + too_wide(page, width) + findings(page)
        shown += seen(page)
        page.set_viewport_size({"width": other_width, "height": 900})
        here += too_wide(page, other_width)
        if other_theme != theme:
            page.evaluate(SET_THEME, other_theme == "dark")
            here += findings(page)
        if here:
            wrong[address] = here
    assert not wrong, pformat(wrong, width=200)
    assert shown >= FEWEST[role] / 3, "the pages show what was put into the ledger"


def test_a_hostile_search_is_text_on_every_page(open_page: Open, ledger: Ledger, dagster: DagsterDouble) -> None:
    there = stuffed()
    answering(there)
    found = addresses(person("admin"), there)
    page = open_page("/admin/", user="admin")
    wrong: dict[str, list[str]] = {}
    for address in [f"{one}?q={quote(HOSTILE)}" for one in found if one.endswith("/")]:
        at_rest(page, address)
        if here := not_text(page):
            wrong[address] = here
    assert not wrong, pformat(wrong, width=200)
