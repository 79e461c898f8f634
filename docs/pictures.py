"""The README's picture: the admin's page of a document, from the running stack.

`.venv/bin/python docs/pictures.py NAME` while the document of that name runs; needs Debian's chromium.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from aegis_assets.settings import load

HERE = Path(__file__).parent


def main(name: str) -> None:
    settings = load()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        log_in(page, settings.admin_address, (settings.home / "admin-password").read_text().strip())
        page.goto(f"{settings.admin_address}/admin/documents/document/")
        page.get_by_role("link", name=name).first.click()
        page.wait_for_timeout(1500)
        page.screenshot(path=HERE / "admin.png")
        browser.close()


def log_in(page: Page, address: str, password: str) -> None:
    page.goto(f"{address}/admin/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/admin/")


if __name__ == "__main__":
    main(sys.argv[1])
