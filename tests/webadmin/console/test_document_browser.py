"""A document's page in headless Chromium: the grid by keyboard and mouse, the chunk that opens, its page with its places framed."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.urls import reverse
from playwright.sync_api import Page, Route, expect

from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.doubles.engine import EngineDouble
from tests.webadmin.conftest import forget
from tests.webadmin.console.conftest import Open
from tests.webadmin.console.ledger_rows import Made, made, mention, relation
from webadmin.documents.models import Chunk, ChunkTask, Document, Failure, Placement, Window

TEXT = "Ada wrote notes. <img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def engine(site: Path, ledger: Ledger, dagster: DagsterDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    with EngineDouble(tmp_path) as double:
        monkeypatch.setenv("AEGIS_ENGINE_URL", double.url)
        forget()
        yield


def address(one: Made) -> str:
    return reverse("admin:documents_document_change", args=[one.document])


def fail(one: Made, number: int) -> None:
    ChunkTask.objects.filter(chunk=one.chunks[number], stage="extract").update(state="failed")
    Failure.objects.create(
        document_id=one.document, chunk_id=one.chunks[number], stage="extract", kind="x", retryable=True, message="No JSON."
    )


def title(page: Page, text: str) -> None:
    expect(page.locator("#chunk-title")).to_have_text(text)


def test_cells_are_reached_by_keys_and_open_their_chunk(open_page: Open) -> None:
    page = open_page(address(made([3, 2], text=TEXT)))
    title(page, "Chunk 1 of 5")
    cells = page.get_by_role("listbox")
    cells.focus()
    page.keyboard.press("End")
    expect(page.get_by_role("option")).to_have_text("Chunk 5 of 5 · pages 2 to 2 · done")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    title(page, "Chunk 4 of 5")
    assert page.url.endswith("#chunk-1-0")
    page.get_by_role("link", name="Previous", exact=True).click()
    title(page, "Chunk 3 of 5")
    page.reload()
    title(page, "Chunk 3 of 5")
    expect(page.locator(".passage")).to_have_text(TEXT)


def test_a_click_opens_the_cell_under_it(open_page: Open) -> None:
    page = open_page(address(made([3])))
    title(page, "Chunk 1 of 3")
    box = page.locator(".cells svg").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 2.5 * 22, box["y"] + 8)
    title(page, "Chunk 3 of 3")


def test_a_relation_points_out_its_sentence(open_page: Open) -> None:
    one = made([1], text=TEXT)
    mention(one.chunks[0], "Ada", 0, 3)
    relation(one.chunks[0], "Ada", "notes", 0, 16)
    page = open_page(address(one))
    button = page.locator("[data-relation]")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert "".join(page.locator(".passage .said").all_text_contents()) == "Ada wrote notes."
    expect(page.locator(".passage mark")).to_have_text("Ada")
    button.click()
    expect(page.locator(".passage .said")).to_have_count(0)


def test_the_page_is_shown_with_the_chunk_s_places_framed(open_page: Open) -> None:
    one = made([1])
    boxes = [{"page": 1, "l": 72.0, "t": 72.0, "r": 300.0, "b": 90.0}, {"page": 1, "l": 72.0, "t": 95.0, "r": 280.0, "b": 110.0}]
    Placement.objects.update(boxes=boxes)
    page = open_page(address(one))
    sheet = page.get_by_role("img", name="Page 1, with the chunk's places framed")
    expect(sheet).to_have_attribute("viewBox", "0 0 612 792")
    assert sheet.locator("rect").count() == 2


def test_the_first_failure_is_open_and_the_next_one_a_button_away(open_page: Open) -> None:
    one = made([4])
    fail(one, 1)
    fail(one, 3)
    page = open_page(address(one))
    title(page, "Chunk 2 of 4")
    expect(page.locator("#chunk .notice.bad")).to_contain_text("No JSON.")
    page.get_by_role("button", name="Next failure").click()
    title(page, "Chunk 4 of 4")
    page.get_by_role("button", name="Next failure").click()
    title(page, "Chunk 2 of 4")


def test_five_thousand_cells_are_drawn_and_reached(open_page: Open) -> None:
    page = open_page(address(made([16] * 312 + [8])), width=390, theme="dark", language="de")
    expect(page.locator('[data-cell="d"] [data-number]')).to_have_text("5000")
    page.get_by_role("listbox").focus()
    page.keyboard.press("End")
    expect(page.get_by_role("option")).to_have_text("Textstück 5000 von 5000 · Seiten 313 bis 313 · fertig")
    assert page.locator(".cells svg *").count() < 10
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_chunk_that_the_page_opens_does_not_move_who_has_gone_on(open_page: Open) -> None:
    page = open_page("/admin/")
    held: list[Route] = []
    page.route(re.compile(r"/chunk/[^/]+$|/chunk/\d+/\d+$"), lambda route: held.append(route))
    page.goto(address(made([4])))
    page.get_by_role("listbox").focus()
    page.keyboard.press("End")
    expect(page.get_by_role("option")).to_contain_text("Chunk 4 of 4")
    assert held
    for route in held:
        route.continue_()
    expect(page.locator("svg .open")).to_have_attribute("visibility", "visible")
    expect(page.get_by_role("option")).to_contain_text("Chunk 4 of 4")


def test_cells_change_while_the_document_runs(open_page: Open) -> None:
    one = made([2])
    ChunkTask.objects.update(state="pending")
    for state in ("queued", "running"):
        Document.objects.update(state=state)
    page = open_page(address(one))
    expect(page.locator('[data-cell="p"] [data-number]')).to_have_text("2")
    ChunkTask.objects.filter(chunk=one.chunks[0]).update(state="done")
    page.evaluate("document.dispatchEvent(new Event('aegis:changed'))")
    expect(page.locator('[data-cell="d"] [data-number]')).to_have_text("1")
    expect(page.locator('[data-cell="p"] [data-number]')).to_have_text("1")


def running(windows: list[int]) -> Made:
    one = made(windows)
    ChunkTask.objects.update(state="running")
    for state in ("queued", "running"):
        Document.objects.update(state=state)
    return one


def tell(page: Page) -> None:
    cache.clear()
    with page.expect_response("**/chunks"):
        page.evaluate("document.dispatchEvent(new Event('aegis:changed'))")


def test_the_open_chunk_follows_its_cell_and_stays_where_it_is(open_page: Open) -> None:
    one = running([2])
    Placement.objects.update(boxes=[{"page": 1, "l": 72.0, "t": 72.0, "r": 300.0, "b": 90.0}])
    page = open_page(address(one), language="de")
    title(page, "Textstück 1 von 2")
    tasks = page.locator("#chunk .reading .state")
    expect(tasks).to_have_text(["läuft", "läuft"])
    expect(page.get_by_role("img", name="Seite 1, die Stellen des Textstücks umrahmt")).to_be_visible()
    page.evaluate("document.querySelector('.sheet').dataset.kept = 'yes'")
    page.set_viewport_size({"width": 1280, "height": 400})
    page.evaluate("window.scrollTo(0, 300)")
    top = page.locator("#chunk-title").bounding_box()
    ChunkTask.objects.filter(chunk=one.chunks[0]).update(state="done")
    mention(one.chunks[0], "Ada", 0, 3)
    tell(page)
    expect(tasks).to_have_text(["fertig", "fertig"])
    expect(page.locator(".passage mark")).to_have_text("Ada")
    expect(page.locator(".sheet[data-kept]")).to_have_count(1)
    assert page.locator("#chunk-title").bounding_box() == top


def test_the_open_chunk_is_not_fetched_again_for_what_happens_to_others(open_page: Open) -> None:
    one = running([2])
    page = open_page(address(one))
    title(page, "Chunk 1 of 2")
    asked: list[str] = []
    tell(page)  # which chunk's state the page began with is known from now on
    expect(page.locator('[data-cell="r"] [data-number]')).to_have_text("2")
    page.wait_for_load_state("networkidle")
    page.on("request", lambda request: asked.append(request.url) if "/chunk/" in request.url else None)
    ChunkTask.objects.filter(chunk=one.chunks[1]).update(state="done")
    extra = Window.objects.get(document_id=one.document)
    chunk = Chunk.objects.create(id=uuid4(), document_id=one.document, text_hash="9" * 64, repeat=0, text="More.", tokens=2)
    Placement.objects.create(generation_id=one.generation, window=extra, chunk=chunk, ordinal=2, headings=[], pages=[1])
    tell(page)
    title(page, "Chunk 1 of 3")
    assert asked == []


def test_the_open_chunk_waits_while_somebody_has_selected_text_in_it(open_page: Open) -> None:
    one = running([1])
    page = open_page(address(one))
    page.locator(".passage").select_text()
    ChunkTask.objects.update(state="done")
    tell(page)
    expect(page.locator('[data-cell="d"] [data-number]')).to_have_text("1")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.getSelection().toString()") == "Ada wrote notes."
    expect(page.locator("#chunk .reading .state").first).to_have_text("running")
    page.evaluate("document.getSelection().removeAllRanges()")
    tell(page)
    expect(page.locator("#chunk .reading .state").first).to_have_text("done")


def test_cells_are_asked_for_by_themselves_only_where_nothing_is_told(open_page: Open) -> None:
    one = made([2])
    for state in ("queued", "running"):
        Document.objects.update(state=state)
    page = open_page("/admin/")
    page.route("**/progress*.js", lambda route: route.fulfill(content_type="text/javascript"))  # its events come from here
    page.clock.install(time=0)
    page.goto(address(one))
    page.clock.pause_at(3600)
    asked: list[str] = []

    def tell() -> None:
        with page.expect_response("**/chunks"):
            page.evaluate("document.dispatchEvent(new Event('aegis:changed'))")

    tell()
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/chunks") else None)
    for _ in range(6):
        page.clock.run_for(1000)
        page.wait_for_timeout(100)  # what the timer would ask for would be answered
        tell()
    assert len(asked) == 6
    with page.expect_response("**/chunks"):
        page.clock.run_for(2000)


def test_a_link_to_a_chunk_shows_the_span_that_it_names(open_page: Open) -> None:
    one = made([1], text=TEXT)
    page = open_page(reverse("console:chunk", args=[one.document, one.chunks[0]]))
    page.goto(f"{page.url}?from=4&to=9")
    expect(page.locator(".sought")).to_have_text("wrote")
