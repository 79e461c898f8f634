"""The README's pictures: the six main pages of the console, from the running stack with what is ingested there.

`.venv/bin/python docs/pictures.py` after `make demo`, which ingests early-computers.pdf; needs Debian's chromium.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

from aegis_assets.settings import load

HERE: Final = Path(__file__).parent
SAMPLE: Final = "early-computers.pdf"
QUESTION: Final = "Who designed the Analytical Engine?"
SIZE: Final = {"width": 1280, "height": 860}
SETTLED_MS: Final = 2500  # parts that are fetched, a graph that is laid out
DARK: Final = "dashboard"


def dashboard(page: Page) -> None:
    page.goto("/admin/")
    page.get_by_text("Health").first.wait_for()


def documents(page: Page) -> None:
    page.goto("/admin/documents/document/")


def document(page: Page) -> None:
    documents(page)
    page.get_by_role("link", name=SAMPLE).first.click()
    page.wait_for_url("**/change/**")


def chunk(page: Page) -> None:
    """The one that a document's page opens, on a page of its own."""
    document(page)
    page.locator('#chunk a.icon-button[href*="/chunk/"]').click()
    page.wait_for_url("**/chunk/**")


def graph(page: Page) -> None:
    page.goto("/admin/graph/")
    page.locator("#graph[data-ready]").wait_for()


def search(page: Page) -> None:
    page.goto("/admin/search/")
    page.locator("#q").fill(QUESTION)
    page.keyboard.press("Enter")
    page.locator("#around[data-ready]").wait_for()


PAGES: Final[dict[str, Callable[[Page], None]]] = {
    "dashboard": dashboard,
    "documents": documents,
    "document": document,
    "chunk": chunk,
    "graph": graph,
    "search": search,
}


def main() -> None:
    settings = load()
    password = (settings.home / "admin-password").read_text().strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        for theme, names in (("light", tuple(PAGES)), ("dark", (DARK,))):
            page = logged_in(browser, settings.admin_address, password, theme)
            after = "-dark" if theme == "dark" else ""
            for name in names:
                taken(page, name, HERE / f"console-{name}{after}.png")
        browser.close()


def taken(page: Page, name: str, path: Path) -> None:
    PAGES[name](page)
    page.wait_for_timeout(SETTLED_MS)
    page.mouse.move(0, 0)
    page.screenshot(path=path)


def logged_in(browser: Browser, address: str, password: str, theme: str) -> Page:
    dark = theme == "dark"
    page = browser.new_context(viewport=SIZE, base_url=address, color_scheme="dark" if dark else "light", locale="en").new_page()
    page.set_default_timeout(10_000)
    page.goto("/admin/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/admin/")
    return page


if __name__ == "__main__":
    main()
