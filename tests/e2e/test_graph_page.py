"""Graph and search in headless Chromium: a picture that grows, evidence, names merged for good, and a question that is answered."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import psutil
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Person

TEXT = """# Compilers

Grace Hopper built the A-0 compiler at Remington Rand. Rear Admiral Hopper led the team. John Backus designed Fortran at IBM.

# Words of caution

`<script>alert(1)</script>` is a text.
"""


def choose(page: Page, listbox: str, typed: str, name: str) -> None:
    field = page.locator(f"[aria-controls={listbox}]")
    field.fill("")
    field.press_sequentially(typed)
    option = page.locator(f"#{listbox} [role=option]", has_text=re.compile(f"^{name}")).first
    expect(option).to_be_visible()
    option.click()


def test_a_graph_is_explored_merged_for_good_and_searched(page: Page, person: Person, tmp_path: Path) -> None:
    note = tmp_path / "pioneers.md"
    note.write_text(TEXT)
    document = UUID(person.ingest(note, collection="graphpage")[0]["document"])
    page.goto(f"{person.stack.admin}/admin/graph/?document={document}")
    expect(page.locator("#graph[data-ready]")).to_be_attached()

    choose(page, "found", "backus", "John Backus")
    panel = page.locator("[data-part=panel]")
    expect(panel.get_by_role("heading", name="John Backus")).to_be_visible()
    expect(panel.locator("mark", has_text="John Backus").first).to_be_visible()
    page.get_by_text("As tables").click()
    expect(page.locator("[data-part=entities] button", has_text="John Backus")).to_be_visible()
    page.locator("[data-part=canvas]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    expect(panel.get_by_role("heading", name="Where it is named")).to_be_visible()
    page.locator(".chip[aria-pressed=true]").first.click()
    expect(page.locator(".chip[aria-pressed=false]")).to_have_count(1)

    choose(page, "found", "grace", "Grace Hopper")
    expect(panel.get_by_role("heading", name="Grace Hopper")).to_be_visible()
    choose(page, "merge-found", "backus", "John Backus")
    page.get_by_role("button", name="Merge").click()
    expect(page.get_by_text("are one from now on")).to_be_visible()
    both = {"Grace Hopper", "John Backus"}
    whole = next(name for name, aliases in person.entities("graphpage").items() if {name, *aliases} >= both)

    note.write_text(TEXT + "\nA later note about John Backus and Grace Hopper.\n")
    assert person.ingest(note, collection="graphpage")[0]["state"] == "succeeded"
    assert both <= {whole, *person.entities("graphpage")[whole]}, "the decision outlives a revision"

    page.goto(f"{person.stack.admin}/admin/graph/decisions/")
    page.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_text("Undone, in ledger and graph.")).to_be_visible()
    assert both <= person.entities("graphpage").keys()

    page.goto(f"{person.stack.admin}/admin/search/?collection=graphpage")
    page.get_by_role("searchbox").fill("Who designed Fortran?")
    page.keyboard.press("Enter")
    expect(page.locator("[data-hit] mark", has_text="Fortran").first).to_be_visible()
    expect(page.locator("#around[data-ready]")).to_be_attached()
    page.locator("[data-hit]").first.hover()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto(f"{person.stack.admin}/admin/graph/?document={document}")
    expect(page.locator("#graph[data-ready]")).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    web = psutil.Process(person.pid("admin")).memory_info().rss
    assert web < 200 * 2**20, "merging and searching are done beside the web process"
