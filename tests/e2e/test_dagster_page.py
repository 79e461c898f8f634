"""Dagster's page in headless Chromium, used by somebody who has never seen it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from aegis_assets.model.document import State
from aegis_assets.settings import ROOT
from tests.chromium import launched
from tests.e2e.conftest import Person
from tests.e2e.test_limits import held
from tests.waiting import until

SAMPLE: Final = ROOT / "samples" / "unix.md"
COLLECTION: Final = "by-hand"
PRINTED: Final = "query Printed($key: [String!]!) { printed: capturedLogs(logKey: $key) { stderr } }"
SIZE: Final = {"width": 1280, "height": 1000}


@pytest.fixture
def dagster_page(person: Person) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = launched(playwright)
        page = browser.new_context(base_url=person.stack.dagster, viewport=SIZE).new_page()  # type: ignore[arg-type]
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page
        expect.set_options(timeout=5_000)
        browser.close()


def press(page: Page, name: str) -> None:
    """Click the last button of this name, which may begin with that of an icon: a dialog is the end of the page."""
    page.get_by_role("button", name=name).last.click()


def events_of(page: Page, text: str) -> None:
    """Show the run's events that have this text, or are of this step."""
    page.get_by_placeholder(re.compile("^Filter")).fill(text)


def test_a_document_is_found_materialized_cancelled_executed_again_and_understood(person: Person, dagster_page: Page) -> None:
    page = dagster_page
    [row] = person.ingest(SAMPLE, collection=COLLECTION)
    document = UUID(row["document"])

    page.goto("/")
    page.get_by_role("link", name="Catalog").click()
    page.get_by_role("link", name="vector_index").first.click()
    page.get_by_text("Partitions", exact=True).first.click()
    page.get_by_placeholder("Filter by name").fill(f"{COLLECTION}/unix")
    page.get_by_text(re.compile(f"{document.hex[2:8]}$")).locator("visible=true").first.click()  # a long key is cut in its middle
    expect(page.get_by_text("fingerprint").first).to_be_visible()

    with held(person, row["document"]):  # the run waits in its step plan until it has been cancelled
        press(page, "Materialize…")
        press(page, "Confirm")
        press(page, "Launch 1 run")
        page.get_by_role("link", name="View", exact=True).or_(page.get_by_role("button", name="View", exact=True)).click()
        expect(page.get_by_text('Started execution of step "ingest_documents.plan".')).to_be_visible()
        press(page, "Terminate")
        press(page, "Terminate 1 run")
        cancelled_or_soon = page.get_by_role("button", name="Done").or_(page.get_by_text("RUN_CANCELED"))
        expect(cancelled_or_soon.first).to_be_visible()
    page.reload()  # the dialog closes by itself once the run has ended, even under a click
    expect(page.get_by_text("RUN_CANCELED")).to_be_visible()

    cancelled = page.url
    press(page, "Re-execute all")
    page.wait_for_url(lambda address: "/runs/" in address and address != cancelled)
    expect(page.get_by_text("RUN_SUCCESS")).to_be_visible()
    until(lambda: person.ledger.document(document).state == State.SUCCEEDED)
    events_of(page, "Materialized vector_index")
    expect(page.get_by_text(f"Materialized vector_index of {COLLECTION}/unix.md#{document.hex[:8]}.")).to_be_visible()

    page.goto(f"/runs/{row['run_id']}")  # of the run that had something to do
    events_of(page, "step:ingest_documents.extract_window[d00_s0001_0004]")
    expect(page.get_by_text("STEP_OUTPUT")).to_be_visible()
    for metadata in ("document", "unix.md", "sections", "1-4", "chunks", "failed", "seconds"):
        expect(page.get_by_text(metadata, exact=True).first).to_be_visible()

    printed = person.dagster(PRINTED, key=[row["run_id"], "compute_logs", "run"])["stderr"]
    assert "ingest_documents.extract_window[d00_s0001_0004]" in printed, "what its steps logged"
