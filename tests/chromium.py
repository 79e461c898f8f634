"""Debian's Chromium without a screen, driven by playwright."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def launched(playwright: Playwright) -> Browser:
    assert CHROMIUM, "Debian's chromium is needed: apt-get install chromium"
    return playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
