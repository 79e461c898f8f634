"""The console in headless Chromium: uploads, lists and the dashboard, on a phone, in German, by keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.console.conftest import Open
from tests.webadmin.console.ledger_rows import made, mention, merge
from tests.webadmin.uploads import put
from webadmin.documents.models import Collection, Document


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_list_of_merges_needs_no_scrolling_sideways(open_page: Open, ledger: Ledger, language: str) -> None:
    made([1])
    for number in range(3):
        merge(f"The International Business Machines Corporation {number}", f"International Business Machines {number}", "embedding")
    page = open_page("/admin/documents/merge/", language=language)
    expect(page.locator("#result_list tbody tr")).to_have_count(3)
    wide = """() => {
        const wider = [];
        for (let one = document.getElementById("result_list"); one; one = one.parentElement) {
            const sizes = `${one.tagName}.${one.className}: ${one.scrollWidth} in ${one.clientWidth}`;
            if (getComputedStyle(one).overflowX !== "visible" && one.scrollWidth > one.clientWidth + 1) wider.push(sizes);
        }
        return wider;
    }"""
    assert page.evaluate(wide) == []


def choose_folder(page: Page, folder: Path) -> None:
    page.set_input_files("#folder", str(folder))


def test_a_folder_is_compared_sent_file_by_file_and_ingested(
    open_page: Open, dagster: DagsterDouble, ledger: Ledger, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.md").write_text("one")
    (folder / "twin.md").write_text("one")
    (folder / "deep" / "one.md").write_text("two")
    (folder / ".hidden").write_text("no")
    (folder / "<img src=x onerror=alert(1)>.md").write_text("three")
    (folder / "big.bin").write_bytes(b"x" * 1_100_000)
    page = open_page("/admin/documents/document/add/")
    choose_folder(page, folder)
    expect(page.locator("#files tr")).to_have_count(5)
    expect(page.locator("#files tr[data-outcome=duplicate]")).to_have_count(1)
    expect(page.get_by_text("Larger than 1 MB.")).to_be_visible()
    expect(page.locator("#chosen-title")).to_have_text("5 files, 3 of them to be sent")
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#said")).to_have_text("Choose a collection or name a new one.")
    page.fill("input[name=new_collection]", "papers")
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#said")).to_have_text("3 documents are being ingested.")
    expect(page.locator("#files a")).to_have_count(3)
    assert Document.objects.filter(state="queued").count() == 3
    page.get_by_role("link", name="deep/one.md").click()
    expect(page.locator("h1")).to_contain_text("one.md")


def test_what_is_dropped_is_taken_folders_too_and_the_target_stays_where_it_is(
    open_page: Open, ledger: Ledger, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "one.md").write_text("one")
    alone = tmp_path / "alone.md"
    alone.write_text("two")
    page = open_page("/admin/documents/document/add/")
    target = page.locator("#drop")
    there = target.bounding_box()
    assert there is not None
    carried = {"items": [], "files": [str(folder), str(alone)], "dragOperationsMask": 1}
    place = {"x": there["x"] + 9, "y": there["y"] + 9}
    hand = page.context.new_cdp_session(page)
    for move in ("dragEnter", "dragOver"):
        hand.send("Input.dispatchDragEvent", {"type": move, **place, "data": carried})
    expect(target).to_have_class("drop over")
    assert target.bounding_box() == there
    hand.send("Input.dispatchDragEvent", {"type": "drop", **place, "data": carried})
    expect(target).to_have_class("drop")
    expect(page.locator("#files th")).to_have_text(["papers/deep/one.md", "alone.md"])


def test_what_is_dropped_without_a_place_of_its_own_is_taken_too(open_page: Open, ledger: Ledger) -> None:
    page = open_page("/admin/documents/document/add/")
    page.evaluate("""() => {
        const carried = new DataTransfer();
        carried.items.add("some words", "text/plain");
        carried.items.add(new File(["one"], "attached.md"));
        document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: carried }));
    }""")
    expect(page.locator("#files th")).to_have_text(["attached.md"])


def test_a_folder_that_cannot_be_read_is_said_and_the_rest_is_taken(open_page: Open, ledger: Ledger, tmp_path: Path) -> None:
    folder, alone = tmp_path / "papers", tmp_path / "alone.md"
    folder.mkdir()
    (folder / "one.md").write_text("one")
    alone.write_text("two")
    page = open_page("/admin/documents/document/add/", language="de")
    # Whoever runs the tests may read every folder that is there.
    page.evaluate("""() => {
        const entry = DataTransferItem.prototype.webkitGetAsEntry;
        const readEntries = (done, fail) => fail(new DOMException("denied", "NotReadableError"));
        DataTransferItem.prototype.webkitGetAsEntry = function () {
            const found = entry.call(this);
            if (found.isDirectory) found.createReader = () => ({ readEntries });
            return found;
        };
    }""")
    there = page.locator("#drop").bounding_box()
    assert there is not None
    carried = {"items": [], "files": [str(folder), str(alone)], "dragOperationsMask": 1}
    place = {"x": there["x"] + 9, "y": there["y"] + 9}
    hand = page.context.new_cdp_session(page)
    for move in ("dragEnter", "dragOver"):
        hand.send("Input.dispatchDragEvent", {"type": move, **place, "data": carried})
    hand.send("Input.dispatchDragEvent", {"type": "drop", **place, "data": carried})
    expect(page.locator("#said")).to_have_text("papers ist nicht lesbar.")
    expect(page.locator("#files th")).to_have_text(["alone.md"])


def test_files_can_wait_and_are_compared_again_with_another_collection(
    open_page: Open, dagster: DagsterDouble, ledger: Ledger, tmp_path: Path
) -> None:
    note = tmp_path / "note.md"
    note.write_text("one")
    Collection.objects.create(id="00000000-0000-0000-0000-000000000001", name="empty")
    page = open_page("/admin/documents/document/add/", language="de")
    page.fill("input[name=new_collection]", "papers")
    page.set_input_files("input[name=files]", str(note))
    page.get_by_role("checkbox", name="Sofort aufnehmen").uncheck()
    page.get_by_role("button", name="Hochladen").click()
    expect(page.locator("#said")).to_have_text("1 Dokumente warten, bis jemand sie aufnimmt.")
    assert not dagster.runs
    page.reload()
    page.fill("input[name=new_collection]", "papers")
    page.set_input_files("input[name=files]", str(note))
    expect(page.locator("#files tr[data-outcome=unchanged]")).to_have_count(1)
    page.fill("input[name=new_collection]", "")
    page.select_option("select[name=collection]", label="empty")
    expect(page.locator("#files tr[data-outcome=new]")).to_have_count(1)


def test_a_lost_connection_is_said_and_the_next_press_goes_on(
    open_page: Open, dagster: DagsterDouble, ledger: Ledger, tmp_path: Path
) -> None:
    note = tmp_path / "note.md"
    note.write_text("one")
    page = open_page("/admin/documents/document/add/")
    lost = "The connection broke; try again."
    page.route("**/admin/upload/known", lambda route: route.abort("aborted"))
    page.route("**/admin/upload/begin", lambda route: route.abort("aborted"))
    page.fill("input[name=new_collection]", "papers")
    page.set_input_files("input[name=files]", str(note))
    expect(page.locator("#files td.breaks")).to_have_text(lost)
    upload = page.get_by_role("button", name="Upload")
    upload.click()
    expect(page.locator("#said")).to_have_text(lost)
    assert Document.objects.get().message == "Uploaded, not ingested yet."
    page.unroute("**/admin/upload/begin")
    page.get_by_role("button", name="Take off the list").click()
    upload.click()
    expect(page.locator("#said")).to_have_text("1 documents are being ingested.")
    assert Document.objects.get().state == "queued"


def test_the_theme_and_the_sidebar_are_remembered_and_the_keyboard_reaches_them(open_page: Open) -> None:
    page = open_page("/admin/")
    dark = "document.documentElement.classList.contains('dark')"
    menu = page.locator(".user-button")
    menu.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(dark)
    page.reload()
    assert page.evaluate(dark)
    menu.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Light").click()
    assert not page.evaluate(dark)
    page.keyboard.press("Escape")
    expect(page.locator("#user-menu")).to_be_hidden()
    page.get_by_role("button", name="Navigation", exact=True).focus()
    page.keyboard.press("Space")
    expect(page.locator("#nav-sidebar")).to_be_hidden()
    page.reload()
    expect(page.locator("#nav-sidebar")).to_be_hidden()


def test_a_bulk_action_and_the_filters_work_in_the_list(open_page: Open, dagster: DagsterDouble, ledger: Ledger) -> None:
    for name in ("a.md", "b.md"):
        put(name)
    page = open_page("/admin/documents/document/")
    page.locator("input.action-select").first.check()
    page.select_option("select[name=action]", "ingest")
    page.locator("button[name=index]").click()
    expect(page.get_by_text("1 document to be ingested.")).to_be_visible()
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("link", name="queued").click()
    expect(page.locator("#result_list tbody")).to_have_count(1)


def test_a_phone_shows_every_cell_of_the_list_whole(open_page: Open, ledger: Ledger) -> None:
    """The longest that engines say of themselves, and a sentence."""
    engines = {"parser": "docling, layout without a model", "extractor": "spacy en-core-web-sm"}
    sentence = "The file is not a readable PDF: it is damaged, cut off, or something else under a PDF's name."
    Document.objects.filter(pk=put("a.md")).update(message=sentence, **engines)
    page = open_page("/admin/documents/document/", width=390)
    cells = page.locator("#result_list tbody :is(td, th)")
    assert cells.count() > 9
    cut = cells.evaluate_all("cells => cells.filter((one) => one.scrollHeight > one.clientHeight + 1).map((one) => one.innerText)")
    assert cut == []
    engines_cell = page.locator("#result_list .field-engines_shown")
    assert engines_cell.evaluate("(one) => one.getBoundingClientRect().width") > 300


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_column_of_the_list_is_in_sight_beside_the_sidebar(open_page: Open, ledger: Ledger, language: str) -> None:
    engines = {"parser": "docling, layout without a model", "extractor": "spacy en-core-web-sm"}
    Document.objects.filter(pk=put("early-computers.pdf")).update(**engines)
    page = open_page("/admin/documents/document/", width=1280, language=language)
    table = page.locator("#result_list").bounding_box()
    card = page.locator("#changelist-form").bounding_box()
    assert table is not None
    assert card is not None
    assert table["x"] + table["width"] <= card["x"] + card["width"] <= 1280


def test_the_list_says_how_many_entities_each_document_has_after_it_is_there(open_page: Open, ledger: Ledger) -> None:
    held: dict[str, str] = {}
    for number in range(12):  # more than are counted at once
        document = made([1])
        for name in range(number):
            mention(document.chunks[0], f"name {name}", 0, 3)
        held[str(document.document)] = str(number)
    page = open_page("/admin/documents/document/")
    for document_id, count in held.items():
        expect(page.locator(f'[data-entities="{document_id}"]')).to_have_text(count)


def test_the_dashboard_follows_what_happens_without_being_loaded_again(open_page: Open, ledger: Ledger) -> None:
    put("a.md")
    page = open_page("/admin/")
    expect(page.get_by_text("Nothing is running.")).to_be_visible()
    Document.objects.update(state="queued")
    Document.objects.update(state="running", fraction=0.5)
    expect(page.get_by_text("50 %")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("see make status").or_(page.get_by_text("make up")).first).to_be_visible(timeout=60_000)
