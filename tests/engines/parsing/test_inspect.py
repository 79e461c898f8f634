"""Every format through inspect, parse and chunk: its text is there, its headings lead it, and the parser is named truly."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from docling_core.types.doc import DoclingDocument

from tests.engines.parsing import makers
from tests.engines.parsing.conftest import Way

WRITTEN = {"md": "docling", "html": "docling", "adoc": "docling", "tex": "docling", "vtt": "docling", "eml": "docling",
           "txt": "plain-text", "csv": "csv", "rtf": "llama-index RTFReader"}  # fmt: skip


@pytest.mark.parametrize(("ending", "parser"), WRITTEN.items())
def test_a_written_sample_gives_its_text_and_names_its_parser(way: Callable[..., Way], ending: str, parser: str) -> None:
    name = f"sample.{ending}"
    done = way(makers.SAMPLES / name, name)
    assert done.inspection.parser == parser
    assert done.inspection.unit == "section"
    assert ("25 Nm" in done.text or "Oil it weekly" in done.text) if ending != "csv" else "49" in done.text
    for window in done.windows:
        document = DoclingDocument.load_from_json(done.out / "1" / window.artifact)
        assert window.items == len(list(document.iterate_items(traverse_pictures=True, included_content_layers=None)))


@pytest.mark.parametrize("kind", makers.BINARY)
def test_a_binary_sample_gives_its_text(way: Callable[..., Way], kind: str) -> None:
    done = way(makers.binary(kind), f"a.{kind}")
    assert (done.inspection.format, done.inspection.parser) == (kind, "docling")
    assert "Oil it weekly." in done.text
    assert "25 Nm" in done.text


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        ("sample.md", ("Pump manual", "Installation", "Bolts"), "M10 | 49 Nm"),
        ("sample.html", ("Pump manual", "Skipped level"), "nested"),
        ("sample.adoc", ("Pump manual", "Installation", "Bolts"), "25 Nm"),
        ("sample.tex", ("Pump manual", "Installation", "Bolts"), "25 Nm"),
        ("sample.eml", ("Pump manual über",), "water über all"),
    ],
)
def test_text_stands_under_its_headings(way: Callable[..., Way], name: str, path: tuple[str, ...], words: str) -> None:
    done = way(makers.SAMPLES / name, name)
    found = [draft for draft in done.chunks if words in draft.text]
    assert [draft.headings for draft in found] == [path]
    assert found[0].text.startswith("\n".join(path) + "\n\n")


@pytest.mark.parametrize("kind", ["docx", "odt", "epub"])
def test_office_headings_lead_their_text(way: Callable[..., Way], kind: str) -> None:
    bolts = [draft for draft in way(makers.binary(kind), "x").chunks if "25 Nm" in draft.text]
    assert bolts[0].headings[0] == "Pump manual"
    assert bolts[0].headings[-1] == "Bolts"


@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_the_name_of_a_sheet_leads_its_table(way: Callable[..., Way], kind: str) -> None:
    done = way(makers.binary(kind), "x")
    assert done.chunks[0].headings == ("Bolts",)
    assert done.chunks[0].pages == (1,)
    assert done.inspection.pages


def test_speaker_notes_are_text_and_slides_are_pages(way: Callable[..., Way]) -> None:
    done = way(makers.pptx(), "x")
    assert [draft.pages for draft in done.chunks] == [(1,), (2,)]
    assert "Say hello" in done.chunks[0].text
    assert all(box.t >= 0 and box.b >= box.t for draft in done.chunks for box in draft.boxes)


def test_who_speaks_is_kept_from_subtitles(way: Callable[..., Way]) -> None:
    assert "Anna: The pump moves water." in way(makers.SAMPLES / "sample.vtt", "a.vtt").text


def test_a_picture_leaves_the_document_as_png(way: Callable[..., Way]) -> None:
    done = way(makers.docx(makers.png()), "x")
    (picture,) = done.windows[0].pictures
    assert (done.out / "1" / picture.image).read_bytes().startswith(b"\x89PNG")
    assert "base64" not in (done.out / "1" / done.windows[0].artifact).read_text()


def test_a_picture_below_the_threshold_gets_no_description(way: Callable[..., Way]) -> None:
    assert way(makers.docx(makers.png(20, 200)), "x").windows[0].pictures == ()


@pytest.mark.parametrize("name", ["sample.md", "sample.txt", "sample.html"])
def test_markup_characters_in_the_text_stay_text(way: Callable[..., Way], name: str) -> None:
    words = {
        "sample.md": ["vector<int>", "a_b_c", "3 < 4 && 5 > 2", "std::vector<int> values;"],
        "sample.txt": ["*Stars*", "_underscores_", "<tags>", "# This is no heading.", "1. This is no list."],
        "sample.html": ["water & oil: a_b <c>."],
    }[name]
    text = way(makers.SAMPLES / name, name).text
    assert [word for word in words if word not in text] == []


def test_csv_cells_keep_quotes_line_breaks_and_delimiters(way: Callable[..., Way]) -> None:
    text = way(makers.SAMPLES / "sample.csv", "sample.csv").text
    assert "Bolt | Torque, Nm | Note" in text
    assert 'M8 | 25 | said "tight"' in text
    assert "lines | a b | ok" in text


def test_nothing_outside_the_file_is_read(way: Callable[..., Way]) -> None:
    for name in ("sample.md", "sample.html", "sample.adoc", "sample.tex"):
        done = way(makers.SAMPLES / name, name)
        assert "root:" not in done.text
        assert "root:" not in (done.out / "whole.json").read_text()
        assert all(window.pictures == () for window in done.windows)


def test_external_pictures_and_parts_of_office_files_are_not_fetched(way: Callable[..., Way]) -> None:
    link = (
        b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId9" '
        b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" Target="file:///etc/passwd" '
        b'TargetMode="External"/></Relationships>'
    )
    changed = makers.patched(makers.docx(makers.png()), {"word/charts/_rels/x.xml.rels": link})
    assert "root:" not in way(changed, "x").text


def test_the_same_bytes_give_the_same_parts(way: Callable[..., Way]) -> None:
    for name in ("sample.md", "sample.csv", "sample.txt"):
        assert way(makers.SAMPLES / name, name).inspection.parts == way(makers.SAMPLES / name, "sample" + name[6:]).inspection.parts


def test_an_edited_section_changes_only_its_own_hash(way: Callable[..., Way]) -> None:
    text = (makers.SAMPLES / "sample.md").read_text()
    before = [part.hash for part in way(text, "a.md").inspection.parts]
    after = [part.hash for part in way(text.replace("49 Nm", "50 Nm"), "a.md").inspection.parts]
    assert [left == right for left, right in zip(before, after, strict=True)] == [True, True, False, True]


def test_window_size_does_not_change_the_items(way: Callable[..., Way]) -> None:
    path = makers.SAMPLES / "sample.md"
    texts = []
    for size in (1, 2, 3, 100):
        done = way(path, "a.md", size=size)
        folders = sorted((folder for folder in done.out.iterdir() if folder.is_dir()), key=lambda folder: int(folder.name))
        trees = [json.loads((folder / "window.json").read_text()) for folder in folders]
        texts.append([(item["label"], item["text"]) for tree in trees for item in tree["texts"]])
    assert texts.count(texts[0]) == 4
