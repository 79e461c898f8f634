"""The format comes from the content; the name decides among text formats alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from aegis_assets.engines.parsing.sniff import sniff
from aegis_assets.errors import BadInput
from tests.engines.parsing import makers

WRITTEN = {
    "md": "markdown",
    "txt": "text",
    "csv": "csv",
    "html": "html",
    "adoc": "asciidoc",
    "tex": "latex",
    "vtt": "webvtt",
    "eml": "email",
    "rtf": "rtf",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bytes"


@pytest.mark.parametrize(("ending", "kind"), WRITTEN.items())
def test_written_samples_are_recognised_by_name_and_content(ending: str, kind: str) -> None:
    assert sniff(makers.SAMPLES / f"sample.{ending}", f"sample.{ending}").format == kind


@pytest.mark.parametrize(("ending", "kind"), WRITTEN.items())
def test_written_samples_are_recognised_without_a_name(ending: str, kind: str) -> None:
    assert sniff(makers.SAMPLES / f"sample.{ending}", "upload").format == kind


@pytest.mark.parametrize("kind", makers.BINARY)
@pytest.mark.parametrize("name", ["right", "report.pdf", "x.txt", ""])
def test_binary_formats_are_recognised_whatever_their_name(file: Path, kind: str, name: str) -> None:
    file.write_bytes(makers.binary(kind))
    found = sniff(file, name)
    assert found.format == kind
    assert "/" in found.media_type


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (makers.png(), "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "image/jpeg"),
        (b"II*\x00\x08\x00\x00\x00", "image/tiff"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
def test_pictures_are_recognised_by_signature(file: Path, head: bytes, media_type: str) -> None:
    file.write_bytes(head)
    assert sniff(file, "notes.txt") == ("image", media_type)


def test_a_pdf_named_txt_is_a_pdf(file: Path) -> None:
    file.write_bytes(b"junk before\n%PDF-1.7\n")
    assert sniff(file, "notes.txt").format == "pdf"


def test_text_that_begins_like_a_bitmap_is_text(file: Path) -> None:
    file.write_text("BMW builds cars and this is a plain sentence about it.")
    assert sniff(file, "notes").format == "text"


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.txt", "<!DOCTYPE html><html><body>x</body></html>", "html"),
        ("a.md", "WEBVTT\n\n00:01.000 --> 00:02.000\nHello", "webvtt"),
        ("a.txt", "% a comment\n\\documentclass{article}\n\\begin{document}x\\end{document}", "latex"),
        ("a.txt", "From: a@b.c\nSubject: s\nDate: today\n\nText", "email"),
        ("a.txt", "From: me\nTo: you\nThis is a letter, not a mail.\n", "text"),
        ("a.txt", "# not a heading\n* nor a list", "text"),
        ("a.md", "a;b\n1;2\n3;4\n5;6", "markdown"),
        ("a.vtt", "no signature here", "text"),
        ("data", "a;b\n1;2\n3;4\n5;6\n", "csv"),
        ("data", "one line, with a comma\nanother line", "text"),
        ("data", "= Title\n:toc:\n\n== Section\n\ntext", "asciidoc"),
        ("..\\..\\x.MD", "plain", "markdown"),
        ("a\x00.md", "plain", "markdown"),
    ],
)
def test_a_clear_mark_in_the_text_beats_the_name_and_the_name_beats_a_guess(file: Path, name: str, text: str, kind: str) -> None:
    file.write_text(text)
    assert sniff(file, name).format == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<!-- licence -->\n" * 3000 + "# Title\n\n[a](https://b) [c](https://d)", "markdown"),
        ("<!-- licence -->\n" * 3000 + "<?xml version='1.0'?><!DOCTYPE html><p>x", "html"),
        ("\n" * 40_000 + "a text after blank lines", "text"),
        ("\n \t" * 20_000 + "// a comment\n\n= Title", "asciidoc"),
        (":a:\n" * 16_000, "text"),
        ("[" * 65_000, "text"),
        ("- [\n" * 16_000, "text"),
        ("|-" * 30_000, "text"),
        ("%\n" * 30_000, "text"),
    ],
    ids=lambda value: value if len(value) < 12 else value[:4].strip() or "blank",
)
def test_long_beginnings_of_a_mark_are_sniffed_in_linear_time(file: Path, text: str, kind: str) -> None:
    """26 comments or 28 blank lines at the head of a file took the sniffer longer than a window may take."""
    file.write_text(text)
    began = time.process_time()
    assert sniff(file, "upload").format == kind
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.md", b"", "empty"),
        ("a.pdf", bytes(range(256)) * 20, "named .pdf"),
        ("a.docx", bytes(range(256)) * 20, "named .docx"),
        ("a", bytes(range(256)) * 20, "unknown binary"),
        ("a.txt", b"\x00" * 4000, "not a document|unknown binary"),
        ("a.txt", b"\x1f\x8b\x08" + bytes(range(256)) * 4, "GZIP"),
        ("a.pdf", b"PK\x03\x04junk", "damaged"),
        ("a.zip", makers.zipped({"a.txt": "x"}), "ZIP archive"),
        ("a.docx", makers.zipped({"inner.docx": makers.docx()}), "ZIP archive"),
    ],
)
def test_what_nobody_can_read_is_refused_with_a_reason(file: Path, name: str, content: bytes, says: str) -> None:
    file.write_bytes(content)
    with pytest.raises(BadInput, match=says):
        sniff(file, name)


def test_an_encrypted_opendocument_is_named_so(file: Path) -> None:
    manifest = b'<manifest><file-entry full-path="content.xml"><encryption-data/></file-entry></manifest>'
    file.write_bytes(makers.patched(makers.odf("odt"), {"META-INF/manifest.xml": manifest}))
    with pytest.raises(BadInput, match="password"):
        sniff(file, "a.odt")


def test_a_book_with_drm_is_refused_and_one_with_hidden_fonts_is_not(file: Path) -> None:
    listed = '<encryption><CipherReference URI="{}"/></encryption>'
    file.write_bytes(makers.epub(extra={"META-INF/encryption.xml": listed.format("c.xhtml").encode()}))
    with pytest.raises(BadInput, match="DRM"):
        sniff(file, "a.epub")
    file.write_bytes(makers.epub(extra={"META-INF/encryption.xml": listed.format("font.otf").encode()}))
    assert sniff(file, "a.epub").format == "epub"


def test_a_damaged_compound_file_is_refused(file: Path) -> None:
    file.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    with pytest.raises(BadInput):
        sniff(file, "a.doc")
