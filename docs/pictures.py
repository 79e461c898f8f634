"""The README's pictures: six pages of the console and three of Dagster, from the running stack with what is ingested there.

`.venv/bin/python -m docs.pictures` after `make demo`, which ingests early-computers.pdf; needs Debian's chromium. It ingests three
made-up manuals, so that dashboard and list show work under way.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

from aegis_assets.settings import ROOT, load
from bench.corpus import Corpus

HERE: Final = Path(__file__).parent
SAMPLE: Final = "early-computers.pdf"
QUESTION: Final = "Who designed the Analytical Engine?"
SIZE: Final = {"width": 1280, "height": 860}
SETTLED_MS: Final = 2500  # parts that are fetched, a graph that is laid out
DARK: Final = "console-dashboard"
MANUALS: Final = {"Loom operation": 150, "Boiler inspection": 400, "Signal box rules": 250}  # sections
UNDER_WAY: Final = """() => [...document.querySelectorAll("progress[aria-label^=Progress]")]
    .some((bar) => bar.value > 0.3 && bar.value < 0.9)"""


def dashboard(page: Page) -> None:
    page.goto("/admin/")
    page.get_by_text("Health").first.wait_for()
    page.wait_for_function(UNDER_WAY, timeout=120_000)


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
    document(page)
    page.goto(f"/admin/graph/?document={page.url.rstrip('/').split('/')[-2]}")
    page.locator("#graph[data-ready]").wait_for()


def search(page: Page) -> None:
    page.goto("/admin/search/")
    page.locator("#q").fill(QUESTION)
    page.keyboard.press("Enter")
    page.locator("#around[data-ready]").wait_for()


def lineage(page: Page) -> None:
    page.goto(f"{load().dagster_address}/locations/aegis/asset-groups/aegis/lineage")
    page.get_by_text("source_file").first.wait_for()


def partition(page: Page) -> None:
    follow(page, "Partition in Dagster")
    page.get_by_text("fingerprint").first.wait_for()


def run(page: Page) -> None:
    follow(page, "Run in Dagster")
    page.get_by_text("RUN_SUCCESS").first.wait_for()


def follow(page: Page, link: str) -> None:
    """Open a link of the sample's page."""
    document(page)
    page.goto(page.get_by_role("link", name=link).get_attribute("href") or "")


# In this order: the first seven of a stack at rest.
PAGES: Final[dict[str, Callable[[Page], None]]] = {
    "console-document": document,
    "console-chunk": chunk,
    "console-graph": graph,
    "console-search": search,
    "dagster-lineage": lineage,
    "dagster-partition": partition,
    "dagster-run": run,
    "console-dashboard": dashboard,
    "console-documents": documents,
}


def main() -> None:
    settings = load()
    password = (settings.home / "admin-password").read_text().strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        light, dark = (logged_in(browser, settings.admin_address, password, theme) for theme in ("light", "dark"))
        with ExitStack() as stack:
            for name in PAGES:
                if name == DARK:
                    stack.enter_context(at_work())
                    taken(dark, name, HERE / f"{name}-dark.png")
                taken(light, name, HERE / f"{name}.png")
        browser.close()


@contextmanager
def at_work() -> Iterator[None]:
    """Manuals that are being ingested; their runs go on afterwards."""
    with TemporaryDirectory() as folder:
        for seed, (name, sections) in enumerate(MANUALS.items()):
            (Path(folder) / f"{name}.md").write_text(Corpus(seed).document(name, sections))
        command = [sys.executable, "manage.py", "ingest", folder, "--collection", "manuals"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as ingesting:
            yield
            ingesting.terminate()


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
