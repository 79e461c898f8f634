"""The client of docling-serve against a double that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis_assets.engines.parsing.docling_serve import DoclingServe
from aegis_assets.errors import AegisError, BadInput, EngineFailed, EngineUnavailable, Misconfigured
from tests.doubles import docling_serve as double


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
        ("401", Misconfigured, "key"),
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


def test_a_server_that_is_not_there_is_unavailable(file: Path) -> None:
    with pytest.raises(EngineUnavailable, match="AEGIS_DOCLING_SERVE_URL"):
        DoclingServe("http://127.0.0.1:9", timeout=1, attempts=1).convert(file, "pdf")
    with pytest.raises(EngineUnavailable):
        DoclingServe("http://127.0.0.1:9", timeout=1).version()


def test_the_version_names_the_server(server: double.Double) -> None:
    assert "2.143.0" in DoclingServe(server.address("good"), timeout=5).version()


def test_a_format_that_the_server_does_not_know_is_refused_here(file: Path) -> None:
    with pytest.raises(BadInput, match="rtf"):
        DoclingServe("http://127.0.0.1:9", timeout=1).convert(file, "rtf")
