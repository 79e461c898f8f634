from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pypdf
import pytest
from PIL import Image

from aegis_assets.engines.parsing.pdf.facts import Facts, numbering
from aegis_assets.engines.parsing.pdf.inspect import inspect_image, inspect_pdf
from aegis_assets.errors import AegisError, BadInput
from tests.engines.pdf import samples
from tests.engines.pdf.conftest import inspected

Made = Callable[[str], Path]


def test_outline_gives_each_page_its_level_and_open_headings(made: Made) -> None:
    inspection = inspected(made("report"))
    first = inspection.parts[0]
    assert (first.starts, first.headings) == (1, ())
    number, part = next((n, p) for n, p in enumerate(inspection.parts, 1) if p.starts is None)
    assert [heading.level for heading in part.headings or ()] == [1, 2], number
    assert part.headings is not None
    assert part.headings[0].text[0] == part.headings[1].text[0]


def test_without_an_outline_open_headings_are_unknown(made: Made) -> None:
    part = inspected(made("two_columns")).parts[1]
    assert (part.starts, part.headings) == (None, None)


def test_facts_are_json_and_tell_body_size_headings_and_running_headers(made: Made) -> None:
    inspection = inspected(made("report"))
    facts = Facts.model_validate(json.loads(json.dumps(inspection.facts)))
    assert facts.body_size == 11.0
    assert not facts.body_bold
    assert facts.levels == ((18.0, 1), (13.0, 2))
    assert "annual report of the harbour office" in facts.furniture
    assert 45 < facts.top < 60
    assert 35 < facts.bottom < 60


def test_an_edit_of_one_page_changes_one_hash_and_no_facts(made: Made, tmp_path: Path) -> None:
    before = inspected(made("report"))
    reader, writer = pypdf.PdfReader(made("report")), pypdf.PdfWriter()
    writer.append(reader)
    page = writer.pages[4]
    content = page.get_contents()
    assert content is not None
    data = content.get_data()
    at = data.rindex(b".) Tj")
    stream = pypdf.generic.DecodedStreamObject()
    stream.set_data(data[:at] + b"!" + data[at + 1 :])
    page[pypdf.generic.NameObject("/Contents")] = writer._add_object(stream)
    writer.write(tmp_path / "edited.pdf")
    after = inspected(tmp_path / "edited.pdf")
    changed = [n for n, (one, two) in enumerate(zip(before.parts, after.parts, strict=True), 1) if one.hash != two.hash]
    assert changed == [5]
    assert after.facts == before.facts


def test_the_same_page_saved_by_another_writer_keeps_its_hash(made: Made, tmp_path: Path) -> None:
    writer = pypdf.PdfWriter()
    writer.append(pypdf.PdfReader(made("zoo")))
    writer.compress_identical_objects()
    writer.write(tmp_path / "again.pdf")
    assert [p.hash for p in inspected(tmp_path / "again.pdf").parts] == [p.hash for p in inspected(made("zoo")).parts]


def test_pages_that_differ_in_a_picture_alone_differ_in_their_hash(made: Made) -> None:
    hashes = [part.hash for part in inspected(made("slides")).parts]
    assert len(set(hashes)) == 3


def test_a_scanned_page_weighs_more_than_a_page_of_text(made: Made, tmp_path: Path) -> None:
    scan = inspected(samples.scan(tmp_path / "scan.pdf", made("scan_source"), [1]))
    assert scan.parts[0].weight > 1
    assert {part.weight for part in inspected(made("zoo")).parts} == {1}


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "not a readable PDF"), (b"junk" * 999, "not a readable PDF"), (b"%PDF-1.7\n%%EOF\n", "not a readable PDF")],
)
def test_what_is_no_pdf_is_refused_in_a_sentence(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pdf"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=says):
        inspect_pdf(path, "x.pdf", tmp_path)


def test_a_truncated_pdf_is_repaired_or_refused_never_more(made: Made, tmp_path: Path) -> None:
    whole = made("report").read_bytes()
    path = tmp_path / "cut.pdf"
    for share in (0.02, 0.5, 0.95):
        path.write_bytes(whole[: int(share * len(whole))])
        with suppress(BadInput):
            assert inspect_pdf(path, "cut.pdf", tmp_path).pages


def test_an_encrypted_pdf_asks_for_one_without_password(made: Made, tmp_path: Path) -> None:
    writer = pypdf.PdfWriter()
    writer.append(pypdf.PdfReader(made("form")))
    writer.encrypt("secret")
    writer.write(tmp_path / "locked.pdf")
    with pytest.raises(BadInput, match="password"):
        inspect_pdf(tmp_path / "locked.pdf", "locked.pdf", tmp_path)


def test_a_pdf_without_pages_is_refused(tmp_path: Path) -> None:
    pypdf.PdfWriter().write(tmp_path / "none.pdf")
    with pytest.raises(BadInput):
        inspect_pdf(tmp_path / "none.pdf", "none.pdf", tmp_path)


def test_more_pages_than_the_limit_are_refused_with_the_setting_named(made: Made, tmp_path: Path) -> None:
    with pytest.raises(AegisError, match="AEGIS_MAX_PAGES"):
        inspect_pdf(made("zoo"), "zoo.pdf", tmp_path, max_pages=3)


def test_each_frame_of_a_tiff_is_a_part(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (60, 40), color) for color in ("white", "red", "white")]
    frames[0].save(tmp_path / "x.tiff", save_all=True, append_images=frames[1:])
    inspection = inspect_image(tmp_path / "x.tiff", "x.tiff", tmp_path)
    hashes = [part.hash for part in inspection.parts]
    assert (inspection.format, inspection.media_type, inspection.pages) == ("image", "image/tiff", 3)
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_damaged_image_is_refused(tmp_path: Path) -> None:
    whole = samples.png(Image.effect_noise((300, 300), 80))
    (tmp_path / "x.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="damaged"):
        inspect_image(tmp_path / "x.png", "x.png", tmp_path)


@pytest.mark.parametrize(
    ("text", "depth"),
    [("2.1.3 Title", 3), ("Chapter 4: Title", 1), ("B.2 Title", 2), ("A house", 0), ("Title", 0), ("1 Overview", 1), ("1984", 0)],
)
def test_numbering_tells_the_depth_of_a_heading(text: str, depth: int) -> None:
    assert numbering(text) == depth
