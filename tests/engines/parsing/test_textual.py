"""What may share a child with other documents: nothing that a parser in C would see."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aegis_assets.engines.parsing import textual
from aegis_assets.engines.parsing.inspect import inspect
from aegis_assets.engines.parsing.parse import parse
from aegis_assets.engines.parsing.textual import Native, only_python
from aegis_assets.model.parsing import ParsedWindow, ParseRequest
from tests.engines.parsing import makers

Parsed = Callable[[bool], ParsedWindow]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bytes"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"Words.", "a.txt"),
        (b"a,b\n1,2\n3,4\n", "a.csv"),
        (b"# Title\n\n1 < 2 and ![x](data:image/png;base64,AAAA)\n", "a.md"),
        ("# Größe\n".encode("utf-16"), "a.md"),
        (b"# Title\n\n[link](https://example.org)\n", "a.pdf"),
    ],
)
def test_text_is_read_by_python_alone(file: Path, content: bytes, name: str) -> None:
    file.write_bytes(content)
    assert only_python(file, name)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "a.txt"),
        (b"# Title\n\n<b>bold</b>\n", "a.md"),
        (b"# Title\n\n<!-- hidden -->\n", "a.md"),
        ("# Title\n\n<b>bold</b>\n".encode("utf-16"), "a.md"),
        (b'charset <meta charset="utf-7">\n\n+ADw-b+AD4-\xff\n', "a.md"),
        (b"<html><body>Words.</body></html>", "a.txt"),
        (b"%PDF-1.7\n", "a.txt"),
        (b"\xef\xbb\xbf\n%PDF-1.7\n", "a.md"),
        (b"PK\x03\x04", "a.md"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.csv"),
        (b"{\\rtf1 Words.}", "a.txt"),
        (b"GIF89a", "a.txt"),
        (bytes(range(32)) * 4, "a.txt"),
        (b"From: a@b\nSubject: c\n\nWords.", "a.txt"),
        (b"\\documentclass{article}", "a.txt"),
        (b"= Title\n", "a.adoc"),
        (makers.docx(), "a.md"),
        (makers.epub(), "a.txt"),
    ],
)
def test_everything_else_is_not(file: Path, content: bytes, name: str) -> None:
    file.write_bytes(content)
    assert not only_python(file, name)


def test_a_large_file_has_a_child_of_its_own(file: Path) -> None:
    file.write_bytes(b"a" * (textual.LARGEST + 1))
    assert not only_python(file, "a.txt")


@pytest.mark.parametrize("name", ["sample.html", "sample.rtf", "sample.vtt", "sample.eml"])
def test_samples_of_other_formats_are_not(name: str) -> None:
    assert not only_python(makers.SAMPLES / name, name)


@pytest.fixture
def parsed(tmp_path: Path) -> Callable[[bytes], Parsed]:
    """parsed(docx)(native): the one window of it."""

    def run(content: bytes) -> Parsed:
        (tmp_path / "bytes").write_bytes(content)
        found = inspect(tmp_path / "bytes", "a.docx", tmp_path, 100, 10_000)
        request = ParseRequest(
            blob="", name="a.docx", format=found.format, unit=found.unit, whole=found.whole, first=1, last=len(found.parts),
            length=len(found.parts), facts={}, artifacts="",
        )  # fmt: skip
        return lambda native: parse(tmp_path / "bytes", tmp_path / "whole.json", request, tmp_path, 64, "rules", native=native)

    return run


def test_sections_with_a_picture_are_not_joined_without_native_code(parsed: Callable[[bytes], Parsed], tmp_path: Path) -> None:
    window = parsed(makers.docx(makers.png()))
    assert len(window(True).pictures) == 1
    (tmp_path / "window.json").unlink()
    with pytest.raises(Native):
        window(False)
    assert not (tmp_path / "window.json").exists()


def test_sections_without_one_are(parsed: Callable[[bytes], Parsed], tmp_path: Path) -> None:
    parsed(makers.docx())(False)
    assert json.loads((tmp_path / "window.json").read_text())["texts"]
