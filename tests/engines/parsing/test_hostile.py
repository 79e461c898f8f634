"""Files made to hurt: each ends in one clear sentence, or is read without loss."""

from __future__ import annotations

import logging
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from aegis_assets.engines.parsing import archive
from aegis_assets.engines.parsing.convert import complaints
from aegis_assets.engines.parsing.inspect import inspect
from aegis_assets.errors import AegisError, BadInput, LimitExceeded
from tests.engines.parsing import makers
from tests.engines.parsing.conftest import Way

BILLION = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><l>&b;</l>'


def refused(tmp_path: Path, name: str, content: bytes) -> AegisError:
    path = tmp_path / "bytes"
    path.write_bytes(content)
    with pytest.raises(AegisError) as caught:
        inspect(path, name, tmp_path, 100, 12_800)
    message = caught.value.message
    assert message.count("\n") == 0
    assert message.endswith((".", "pictures."))
    assert "Traceback" not in message
    assert str(tmp_path) not in message
    assert not caught.value.retryable
    return caught.value


MARKUP = [
    *(
        "# ",
        "*",
        "_",
        "`",
        "|",
        "---",
        "\n",
        "\n\n",
        "<b>",
        "</div>",
        "<table>",
        "\\begin{x}",
        "\\input{/etc/passwd}",
        "{",
        "}",
        "$",
    ),
    *(
        "&amp;",
        "= ",
        "====",
        "|===",
        "include::/etc/passwd[]",
        '"',
        ",",
        ";",
        "word ",
        "ü",
        "\x00",
        "\x1b",
        "From: a\n",
        "WEBVTT\n",
    ),
    *("{\\rtf1 ", "00:01.000 --> 00:02.000\n"),
]


def outcome(path: Path, name: str, out: Path) -> str:
    """'read', or the kind of the error; anything but an AegisError is a defect and comes through."""
    try:
        inspect(path, name, out, 100, 12_800)
    except AegisError as error:
        return error.kind
    return "read"


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.csv", "a.html", "a.tex", "a.adoc", "a.vtt", "a.pdf", "a"])
@pytest.mark.parametrize("content", [b"", b" \n\t \n", b"\xef\xbb\xbf", b"\xff\xfe \x00\n\x00"])
def test_empty_and_blank_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert isinstance(refused(tmp_path, name, content), BadInput)


@pytest.mark.parametrize("kind", makers.BINARY)
@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_truncated_containers_are_refused(tmp_path: Path, kind: str, cut: float) -> None:
    content = makers.binary(kind)
    assert isinstance(refused(tmp_path, f"a.{kind}", content[: int(len(content) * cut)]), BadInput)


@pytest.mark.parametrize("kind", makers.BINARY)
@pytest.mark.parametrize("seed", range(3))
def test_containers_with_flipped_bytes_are_read_or_refused_but_never_crash(tmp_path: Path, kind: str, seed: int) -> None:
    dice = random.Random(seed)
    content = bytearray(makers.binary(kind))
    for _ in range(20):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    path = tmp_path / "bytes"
    path.write_bytes(content)
    assert outcome(path, f"a.{kind}", tmp_path) in {"read", "bad_input", "limit", "engine_failed"}


@pytest.mark.parametrize(
    ("kind", "main"), [("docx", "word/document.xml"), ("xlsx", "xl/worksheets/sheet1.xml"), ("epub", "c.xhtml")]
)
def test_zip_bombs_are_refused_before_they_are_opened(tmp_path: Path, kind: str, main: str) -> None:
    content = makers.patched(makers.binary(kind), {main: b"<a>" + b" " * (30 * 2**20) + b"</a>"})
    assert len(content) < 200_000
    error = refused(tmp_path, f"a.{kind}", content)
    assert isinstance(error, LimitExceeded)
    assert "bomb" in error.message


def test_a_bomb_of_many_modest_members_is_refused(tmp_path: Path) -> None:
    members = {f"word/media/{number}.bin": bytes(3 * 2**20) for number in range(180)}
    assert isinstance(refused(tmp_path, "a.docx", makers.patched(makers.docx(), members)), LimitExceeded)


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    """The declared size is forged; the archive must be refused all the same."""
    content = makers.patched(makers.docx(), {"word/media/x.bin": bytes(20 * 2**20)})
    forged = content.replace((20 * 2**20).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert forged != content
    refused(tmp_path, "a.docx", forged)


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    content = makers.patched(makers.docx(), {f"x/{number}": b"" for number in range(archive.MEMBERS + 1)})
    assert isinstance(refused(tmp_path, "a.docx", content), LimitExceeded)


@pytest.mark.parametrize(("kind", "main"), [("docx", "word/document.xml"), ("odt", "content.xml"), ("epub", "c.xhtml")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entity_bombs_are_refused(tmp_path: Path, kind: str, main: str, encoding: str) -> None:
    bomb = BILLION.decode().encode(encoding)
    assert "entities" in refused(tmp_path, f"a.{kind}", makers.patched(makers.binary(kind), {main: bomb})).message


def test_an_entity_declaration_across_two_pieces_is_found(tmp_path: Path) -> None:
    head = b"<a>" + random.Random(1).randbytes(2**19).hex().encode()
    content = head[: 2**20 - 4] + BILLION[: BILLION.index(b"<!ENT") + 0] + BILLION[BILLION.index(b"<!ENT") :]
    assert "entities" in refused(tmp_path, "a.docx", makers.patched(makers.docx(), {"word/x.xml": content})).message


def test_entities_in_html_and_plain_xml_are_not_expanded(way: Callable[..., Way]) -> None:
    assert "lollollol" not in way(BILLION, "a.xml").text
    assert "lollollol" not in way(BILLION.replace(b"<l>", b"<html><p>x").replace(b"</l>", b"</p></html>"), "a.html").text


def test_password_protected_office_files_are_named_so(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as made:
        made.writestr("[Content_Types].xml", "x")
        made.writestr("word/document.xml", "x")
    content = bytearray((tmp_path / "x.zip").read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 4)
    assert "password" in refused(tmp_path, "a.docx", bytes(content)).message


@pytest.mark.parametrize(
    "content",
    [
        b"<html><body>" + b"<div>" * 50_000 + b"text" + b"</div>" * 50_000,
        b"<html><body>" + b"<ul><li>" * 3_000 + b"text",
        b"<html><body>" + b"<table><tr><td>" * 300 + b"text",
    ],
)
def test_html_nested_without_end_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "nested" in refused(tmp_path, "a.html", content).message


def test_an_old_page_that_closes_nothing_is_read_whole(way: Callable[..., Way]) -> None:
    text = way("<html><body>" + "".join(f"<p>paragraph w{number}x" for number in range(800)), "a.html").text
    assert [number for number in range(800) if f"w{number}x" not in text] == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.md", b">" * 500 + b" text"),
        ("a.md", b"\n".join(b"  " * depth + b"- x" for depth in range(200))),
        ("a.epub", makers.epub("<div>" * 3_000 + "x" + "</div>" * 3_000)),
    ],
)
def test_other_deep_nesting_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert "nested" in refused(tmp_path, name, content).message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "a.tex",
            b"\\documentclass{article}\\begin{document}" + b"{" * 3_000 + b"text" + b"}" * 3_000 + b"\\end{document}",
            "text",
        ),
        ("a.adoc", b"= T\n\n" + b"\n".join(b"*" * depth + b" item%d" % depth for depth in range(1, 40)), "item39"),
        ("a.md", b"[" * 20_000 + b"word", "word"),
        ("a.rtf", b"{\\rtf1 " + b"{" * 20_000 + b"word" + b"}" * 20_000, "word"),
        ("a.csv", b'a,b\n"never closed,y\n1,2\n' * 20, "never closed"),
        ("a.html", b"<html><body><p>a\x01b\x00c &#1; &#0; end</p></body></html>", "abc"),
        ("a.txt", b"The pump\x00 moves water, and one NUL in a long text is damage and nothing more than that.", "pump moves"),
        ("a.vtt", b"WEBVTT\n\nno cue --> here\nfoo", "foo"),
    ],
)
def test_broken_text_is_read_as_far_as_it_is_text(way: Callable[..., Way], name: str, content: bytes, words: str) -> None:
    done = way(content, name)
    assert words in done.text
    assert "\x00" not in done.text


def test_an_error_that_doclings_latex_backend_only_logs_is_heard_with_all_logging_off() -> None:
    """The backend then returns the half that it had read, and the parser's children run with logging off."""
    logging.disable(logging.CRITICAL)
    try:
        with complaints("latex") as heard:
            logging.getLogger("docling.backend.latex.backend").error("Error processing LaTeX nodes: x")
        assert heard == ["Error processing LaTeX nodes: x"]
        assert logging.root.manager.disable == logging.CRITICAL
    finally:
        logging.disable(logging.NOTSET)
    with complaints("markdown") as heard:
        logging.getLogger("docling.backend.md_backend").error("x")
    assert heard == []


def test_a_fallback_is_named_as_the_parser(way: Callable[..., Way]) -> None:
    assert way(b"= T\n\n" + b"\n".join(b"*" * depth + b" x" for depth in range(1, 40)), "a.adoc").inspection.parser == "plain-text"


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["a.md", "a.html", "a.tex", "a.adoc", "a.csv", "a.eml", "a.vtt", "a.rtf", "a.txt"])
def test_random_markup_is_read_or_refused_but_never_crashes(tmp_path: Path, name: str, seed: int) -> None:
    dice = random.Random(seed)
    path = tmp_path / "bytes"
    path.write_text("".join(dice.choice(MARKUP) for _ in range(150)))
    kind = outcome(path, name, tmp_path)
    assert kind in {"read", "bad_input", "limit"}
    assert kind != "read" or "root:" not in (tmp_path / "whole.json").read_text()
