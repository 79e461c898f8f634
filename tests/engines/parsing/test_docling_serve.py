"""The client of docling-serve against a double that speaks its protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from pydantic import SecretStr

from aegis_assets.engines.parsing.docling_serve import DoclingServe
from aegis_assets.engines.parsing.inspect import inspect
from aegis_assets.engines.parsing.parse import parse
from aegis_assets.engines.sandbox import Sandbox
from aegis_assets.engines.service.documents import Documents
from aegis_assets.errors import AegisError, BadInput, EngineFailed, EngineUnavailable, Misconfigured
from aegis_assets.model.parsing import InspectRequest, ParseRequest
from aegis_assets.settings import Settings
from aegis_assets.stores.bucket import open_bucket
from tests.doubles import docling_serve as double
from tests.engines.parsing import makers


@pytest.fixture(scope="module")
def server() -> Iterator[double.Double]:
    with double.running() as running:
        yield running


@pytest.fixture(autouse=True)
def forget(server: double.Double) -> None:
    server.asked.clear()
    server.names.clear()
    server.keys.clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "..\u202ename.pdf"
    path.write_bytes(b"%PDF-1.4 bytes")
    return path


def test_a_document_comes_back_as_docling_json(server: double.Double, file: Path) -> None:
    tree = DoclingServe(server.address("good"), timeout=10, api_key="secret").convert(file, "pdf", (2, 3))
    assert [item["text"] for item in tree["texts"]][-2:] == ["Page 3", "Words of page 3"]
    asked = server.asked[0]
    assert asked["files"] == [b"%PDF-1.4 bytes"]
    assert asked["page_range"] == [b"2", b"3"]
    assert (asked["from_formats"], asked["to_formats"], asked["image_export_mode"]) == ([b"pdf"], [b"json"], [b"embedded"])
    assert server.keys == ["secret"]


def test_the_files_own_name_never_leaves_the_machine(server: double.Double, file: Path) -> None:
    DoclingServe(server.address("good"), timeout=10).convert(file, "docx")
    assert server.names == ["document.docx"]


def test_a_busy_server_is_asked_again(server: double.Double, file: Path) -> None:
    assert DoclingServe(server.address("flaky"), timeout=10).convert(file, "pdf")["texts"]
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("behaviour", "error", "says"),
    [
        ("busy", EngineUnavailable, "overloaded"),
        ("429", EngineUnavailable, "overloaded"),
        ("401", Misconfigured, "AEGIS_DOCLING_SERVE_API_KEY"),
        ("404", Misconfigured, "AEGIS_DOCLING_SERVE_URL"),
        ("413", BadInput, "larger"),
        ("500", EngineFailed, "HTTP 500"),
        ("504", EngineFailed, "too long"),
        ("html", EngineFailed, "not JSON"),
        ("junk", EngineFailed, "damaged"),
        ("nothing", EngineFailed, "without a document"),
        ("empty", EngineFailed, "without a document"),
        ("failure", BadInput, "could not read"),
        ("partial", EngineFailed, "only a part"),
        ("closed", EngineUnavailable, "does not answer"),
        ("hangs", EngineFailed, "did not answer within"),
    ],
)
def test_every_wrong_answer_is_one_clear_sentence(
    server: double.Double, file: Path, behaviour: str, error: type[AegisError], says: str
) -> None:
    with pytest.raises(error, match=says):
        DoclingServe(server.address(behaviour), timeout=1, attempts=1).convert(file, "pdf")


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_windows_of_pages_hold_each_item_once_whatever_their_size(
    server: double.Double, file: Path, tmp_path: Path, size: int
) -> None:
    """Each window also asks for its neighbour pages, and keeps what begins on its own."""
    serve = DoclingServe(server.address("good"), timeout=10)
    texts = []
    for first in range(1, 8, size):
        request = ParseRequest(
            blob="", name="a.pdf", format="pdf", unit="page", whole=None, first=first, last=min(7, first + size - 1), length=7,
            facts={}, artifacts="",
        )  # fmt: skip
        window = parse(file, None, request, tmp_path, 64, "docling-serve", serve)
        assert window.parser == "docling-serve"
        tree = json.loads((tmp_path / window.artifact).read_text())
        texts += [item["text"] for item in tree["texts"]]
    assert texts == [text for page in range(1, 8) for text in (f"Page {page}", f"Words of page {page}")]


def test_a_document_without_pages_is_converted_by_the_server_and_cut_here(server: double.Double, tmp_path: Path) -> None:
    serve = DoclingServe(server.address("good"), timeout=10)
    found = inspect(makers.SAMPLES / "sample.md", "sample.md", tmp_path, 100, 1_000, serve)
    assert (found.parser, found.unit, len(found.parts)) == ("docling-serve", "section", 1)
    assert server.names == ["document.md"]


def test_the_key_of_the_settings_reaches_the_server_and_no_file_that_stays(server: double.Double, tmp_path: Path) -> None:
    chosen = Settings(docling_serve_url=server.address("good"), docling_serve_api_key=SecretStr("hush"))
    bucket = open_bucket((tmp_path / "bucket").as_uri(), chosen)
    bucket.put_file("blobs/a", makers.SAMPLES / "sample.md")
    documents = Documents(chosen, bucket, Sandbox(), tmp_path)
    documents.inspect(InspectRequest(blob="blobs/a", name="a.md", artifacts="b"), Event())
    assert server.keys == ["hush"]
    assert not any(b"hush" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_text_and_csv_stay_here(server: double.Double, tmp_path: Path) -> None:
    serve = DoclingServe(server.address("good"), timeout=10)
    assert inspect(makers.SAMPLES / "sample.txt", "a.txt", tmp_path, 100, 1_000, serve).parser == "plain-text"
    assert server.asked == []


def test_a_server_that_is_not_there_is_unavailable(file: Path) -> None:
    with pytest.raises(EngineUnavailable, match="AEGIS_DOCLING_SERVE_URL"):
        DoclingServe("http://127.0.0.1:9", timeout=1, attempts=1).convert(file, "pdf")


def test_a_proxy_of_the_environment_does_not_see_what_goes_to_this_machine(
    server: double.Double, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert DoclingServe(server.address("good"), timeout=10, attempts=1).convert(file, "pdf")["texts"]


def test_a_format_that_the_server_does_not_know_is_refused_here(file: Path) -> None:
    with pytest.raises(BadInput, match="rtf"):
        DoclingServe("http://127.0.0.1:9", timeout=1).convert(file, "rtf")
