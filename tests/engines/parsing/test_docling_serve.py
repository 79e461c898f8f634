"""The client of docling-serve against a double that speaks its protocol."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from aegis_assets.engines.parsing.docling_serve.options import ServeOptions
from aegis_assets.engines.parsing.docling_serve.pages import Span
from aegis_assets.engines.parsing.docling_serve.trial import seconds_of_a_page
from aegis_assets.engines.parsing.inspect import inspect
from aegis_assets.errors import BadInput, EngineFailed, EngineUnavailable
from aegis_assets.pipeline.plan import cut
from tests import waiting
from tests.doubles import docling_serve as double
from tests.doubles import docling_serve_work as work
from tests.engines.parsing import makers
from tests.engines.parsing.serving import client, items, request, window


@pytest.fixture
def server(docling_serve: double.Double) -> double.Double:
    return docling_serve


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "..\u202ename.pdf"
    path.write_bytes(work.pdf(list(work.texts(3))))
    return path


def test_a_document_comes_back_as_docling_json(server: double.Double, file: Path) -> None:
    tree = client(server.address(), key="secret").convert(file, "pdf")
    assert [item["text"] for item in tree["texts"]][:2] == ["Page 1", "Words of page 1"]
    assert server.files == [file.read_bytes()]
    assert server.keys == ["secret"]


def test_the_request_says_all_that_decides_the_result(server: double.Double, file: Path) -> None:
    """Nothing is left to the server's default, which may be another one after its upgrade."""
    client(server.address()).convert(file, "pdf")
    assert server.asked[0] == {
        "from_formats": ["pdf"],
        "to_formats": ["json"],
        "image_export_mode": ["embedded"],
        "include_images": ["true"],
        "include_page_images": ["false"],
        "images_scale": ["2.0"],
        "do_ocr": ["false"],
        "force_ocr": ["false"],
        "do_table_structure": ["true"],
        "table_mode": ["accurate"],
        "do_pdf_heading_hierarchy": ["true"],
        "abort_on_error": ["false"],
    }
    assert server.schemas == ["1.10.0"]


def test_options_of_the_settings_reach_the_server(server: double.Double, file: Path) -> None:
    options = ServeOptions(
        ocr="force", languages=("de", "en"), table_mode="fast", headings=False, picture_scale=1.5, document_timeout=90
    )
    client(server.address(), options).convert(file, "pdf")
    asked = server.asked[0]
    assert (asked["do_ocr"], asked["force_ocr"], asked["ocr_lang"]) == (["true"], ["true"], ["de", "en"])
    assert (asked["table_mode"], asked["do_pdf_heading_hierarchy"]) == (["fast"], ["false"])
    assert (asked["images_scale"], asked["document_timeout"]) == (["1.5"], ["90.0"])


@pytest.mark.parametrize(("ocr", "expected"), [("auto", "true"), ("on", "true"), ("off", "false")])
def test_a_scanned_page_is_read_unless_the_settings_say_no(server: double.Double, tmp_path: Path, ocr: str, expected: str) -> None:
    path = tmp_path / "scan.pdf"
    path.write_bytes(makers.png_pdf())
    client(server.address(), ServeOptions.model_validate({"ocr": ocr})).convert(path, "pdf")
    assert server.asked[0]["do_ocr"] == [expected]


def test_the_files_own_name_never_leaves_the_machine(server: double.Double, file: Path) -> None:
    client(server.address()).convert(file, "docx")
    assert server.names == ["document.docx"]


def test_a_busy_server_is_asked_again(server: double.Double, file: Path) -> None:
    assert client(server.address("flaky"), patience=10).convert(file, "pdf")["texts"]
    assert server.calls["POST /v1/convert/file/async"] == 2


# Windows


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_windows_of_pages_hold_each_item_once_whatever_their_size(server: double.Double, tmp_path: Path, size: int) -> None:
    """Each window also asks for its neighbour pages, and keeps what begins on its own."""
    path = tmp_path / "a.pdf"
    path.write_bytes(work.pdf(list(work.texts(7))))
    pages = []
    for first in range(1, 8, size):
        parsed, tree = window(path, request(first, min(7, first + size - 1), 7), tmp_path, client(server.address()))
        assert parsed.parser == "docling-serve"
        pages += [item["prov"][0]["page_no"] for item in tree["texts"]]
        assert all(
            tree["pages"][str(item["prov"][0]["page_no"])]["page_no"] == item["prov"][0]["page_no"] for item in tree["texts"]
        )
    assert pages == [page for page in range(1, 8) for _ in range(4)]


def test_forty_pages_in_windows_upload_little_more_than_the_file(server: double.Double, tmp_path: Path) -> None:
    """Sent whole with each window, they were three times the file. What comes back is what the whole gives in one piece."""
    path = tmp_path / "forty.pdf"
    path.write_bytes(work.pdf(list(work.texts(40)), side=120))
    found = inspect(path, "forty.pdf", tmp_path, 100, 1_000)
    serve = client(server.address())
    plans = cut(found, 16, 64, "")
    assert len(plans) >= 3
    windows = [window(path, request(plan.first, plan.last, 40, found.facts), tmp_path, serve) for plan in plans]
    assert server.uploaded <= 1.3 * path.stat().st_size
    assert server.done == len(plans)
    parsed, whole = window(path, request(1, 40, 40, found.facts), tmp_path, serve)
    assert sorted(map(repr, (item for _, tree in windows for item in items(tree)))) == sorted(map(repr, items(whole)))
    assert len(items(whole)) == 40 * 5
    assert sum(len(each.pictures) for each, _ in windows) == len(parsed.pictures) == 40
    boxes = [picture.box.page for each, _ in windows for picture in each.pictures if picture.box is not None]
    assert boxes == list(range(1, 41))


def test_the_outline_that_stays_behind_gives_headings_their_levels(server: double.Double, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(work.pdf(list(work.texts(5))))
    facts: dict[str, object] = {"pages": {"3": [{"level": 4, "text": "Page 3"}]}}
    _, tree = window(path, request(2, 4, 5, facts), tmp_path, client(server.address()))
    assert [item["level"] for item in tree["texts"] if item["label"] == "section_header"] == [1, 4, 1]
    _, flat = window(path, request(2, 4, 5, facts), tmp_path, client(server.address(), ServeOptions(headings=False)))
    assert [item["level"] for item in flat["texts"] if item["label"] == "section_header"] == [1, 1, 1]


def test_a_damaged_pdf_that_cannot_be_cut_is_sent_whole(server: double.Double, tmp_path: Path) -> None:
    """Its second page is no page any more: pdfium copies nothing of it."""
    path = tmp_path / "damaged.pdf"
    path.write_bytes(makers.pdf_with_a_lost_page(4))
    window(path, request(2, 3, 4), tmp_path, client(server.address()))
    assert server.files == [path.read_bytes()]
    assert server.asked[0]["page_range"] == ["1", "4"]


@pytest.mark.parametrize("page", [1, 4])
def test_a_bad_page_that_is_only_context_fails_no_window(server: double.Double, tmp_path: Path, page: int) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(work.pdf([work.UNREADABLE if number == page else text for number, text in enumerate(work.texts(5), 1)]))
    _, tree = window(path, request(2, 3, 5), tmp_path, client(server.address()))
    assert [item["text"] for item in tree["texts"] if item["label"] == "section_header"] == ["Page 2", "Page 3"]
    assert server.done == 1


@pytest.mark.parametrize("page", [1, 4])
def test_where_a_page_of_context_fails_everything_the_window_is_converted_without_it(
    server: double.Double, tmp_path: Path, page: int
) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(work.pdf([work.UNREADABLE if number == page else text for number, text in enumerate(work.texts(5), 1)]))
    server.work.aborts = True
    _, tree = window(path, request(2, 3, 5), tmp_path, client(server.address()))
    assert [item["text"] for item in tree["texts"] if item["label"] == "section_header"] == ["Page 2", "Page 3"]
    assert server.done == 2


def test_a_bad_page_of_the_window_itself_is_named_as_the_document_counts(server: double.Double, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(work.pdf([work.UNREADABLE if number == 6 else text for number, text in enumerate(work.texts(8), 1)]))
    with pytest.raises(BadInput, match=r"\(page 6\): Page failed to parse\."):
        window(path, request(5, 7, 8), tmp_path, client(server.address()))


# Tasks


def test_after_a_time_out_the_task_is_taken_up_again_and_not_done_twice(server: double.Double, file: Path, tmp_path: Path) -> None:
    note = tmp_path / "task.json"
    server.gate.clear()
    with pytest.raises(EngineUnavailable, match=r"AEGIS_PARSE_TIMEOUT.*the next attempt takes its result") as caught:
        client(server.address(), seconds=0.3, note=note).convert(file, "pdf")
    assert caught.value.retryable
    assert note.exists()
    server.gate.set()
    assert client(server.address(), note=note).convert(file, "pdf")["texts"]
    assert (server.done, server.calls["POST /v1/convert/file/async"]) == (1, 1)
    assert not note.exists()


def test_a_note_of_another_request_is_not_believed(server: double.Double, file: Path, tmp_path: Path) -> None:
    note = tmp_path / "task.json"
    server.gate.clear()
    with pytest.raises(EngineUnavailable):
        client(server.address(), seconds=0.2, note=note).convert(file, "pdf")
    server.gate.set()
    client(server.address(), ServeOptions(table_mode="fast"), note=note).convert(file, "pdf")
    assert server.calls["POST /v1/convert/file/async"] == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"task": 3}', '{"task": "../../x", "request": "y"}'])
def test_a_damaged_note_is_as_none(server: double.Double, file: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "task.json").write_text(content)
    assert client(server.address(), note=tmp_path / "task.json").convert(file, "pdf")["texts"]


def test_a_server_that_was_started_anew_gets_the_document_again(server: double.Double, file: Path, tmp_path: Path) -> None:
    server.gate.clear()
    answers: list[dict[str, object]] = []
    serve = client(server.address(), note=tmp_path / "task.json")
    thread = Thread(target=lambda: answers.append(serve.convert(file, "pdf")))
    thread.start()
    waiting.until(lambda: server.tasks, 10)
    server.forget()
    server.gate.set()
    thread.join(20)
    assert answers
    assert answers[0]["texts"]
    assert server.calls["POST /v1/convert/file/async"] == 2


def test_a_server_that_is_away_for_a_moment_while_it_converts_loses_nothing(file: Path) -> None:
    answers: list[dict[str, object]] = []
    with double.running() as first:
        first.gate.clear()
        port, serve = first.server_address[1], client(first.address(), patience=20)
        thread = Thread(target=lambda: answers.append(serve.convert(file, "pdf")))
        thread.start()
        waiting.until(lambda: first.calls["poll"], 10)
    with double.running(port=int(port)):
        thread.join(20)
    assert answers
    assert answers[0]["texts"]


def test_a_server_that_forgets_every_task_is_not_asked_for_ever(server: double.Double, file: Path) -> None:
    with pytest.raises(EngineUnavailable, match="forgot the conversion 3 times"):
        client(server.address("loses")).convert(file, "pdf")
    assert server.calls["POST /v1/convert/file/async"] == 3


def test_one_page_is_converted_to_see_that_the_server_works(server: double.Double) -> None:
    assert seconds_of_a_page(client(server.address())) < 20
    assert server.done == 1


def test_a_server_that_loses_the_words_of_a_page_does_not_pass(server: double.Double) -> None:
    server.work.silent = True
    with pytest.raises(EngineFailed, match="did not find the word"):
        seconds_of_a_page(client(server.address()))


# Formats without pages


def test_a_document_without_pages_is_converted_by_the_server_and_cut_here(server: double.Double, tmp_path: Path) -> None:
    found = inspect(makers.SAMPLES / "sample.md", "sample.md", tmp_path, 100, 1_000, client(server.address()))
    assert (found.parser, found.unit, len(found.parts)) == ("docling-serve", "section", 1)
    assert server.names == ["document.md"]


def test_text_and_csv_stay_here(server: double.Double, tmp_path: Path) -> None:
    serve = client(server.address())
    assert inspect(makers.SAMPLES / "sample.txt", "a.txt", tmp_path, 100, 1_000, serve).parser == "plain-text"
    assert server.asked == []


def test_a_format_that_the_server_does_not_know_is_refused_here(file: Path) -> None:
    with pytest.raises(BadInput, match="rtf"):
        client("http://127.0.0.1:9").convert(file, "rtf")


def test_pages_of_an_image_are_asked_for_by_their_numbers(server: double.Double, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(makers.png())
    client(server.address()).convert(path, "image", Span(2, 4), Span(3, 3))
    assert (server.asked[0]["page_range"], server.asked[0]["do_ocr"]) == (["2", "4"], ["true"])


def test_a_proxy_of_the_environment_does_not_see_what_goes_to_this_machine(
    server: double.Double, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert client(server.address()).convert(file, "pdf")["texts"]
