"""The admin in headless Chromium: log in, upload, watch the bar, read chunks and entities, remove."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Person


def test_an_upload_runs_shows_its_chunks_and_goes_again(page: Page, person: Person, tmp_path: Path) -> None:
    note = tmp_path / "<i>hopper.md"
    note.write_text("# Compilers\n\nGrace Hopper built the A-0 compiler at Remington Rand. `<script>alert(1)</script>`\n")
    page.goto(f"{person.stack.admin}/admin/documents/document/add/")
    page.set_input_files("input[type=file]", str(note))
    page.fill("input[name=new_collection]", "browser")
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("link", name="<i>hopper.md").click()
    expect(page.get_by_text("succeeded").first).to_be_visible(timeout=120_000)
    page.reload()
    expect(page.get_by_text("Grace Hopper").first).to_be_visible()
    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    page.get_by_role("button", name="Remove").or_(page.get_by_role("link", name="Remove")).first.click()
    page.get_by_role("button", name="Remove").first.click()
    page.wait_for_url(f"{person.stack.admin}/admin/documents/document/**")
    expect(page.get_by_text("removed").or_(page.get_by_text("removing")).first).to_be_visible()
