from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from aegis_assets.engines.parsing.pdf.facts import letters
from aegis_assets.errors import BadInput, Misconfigured
from tests.engines.pdf import samples
from tests.engines.pdf.conftest import in_windows, inspected, parse, whole

Made = Callable[[str], Path]


@pytest.mark.parametrize("size", [1, 3, 16])
def test_windows_of_any_size_give_the_items_of_the_whole(made: Made, size: int) -> None:
    path = made("report")
    assert len(inspected(path).parts) > 20
    assert in_windows(path, size) == whole(path)


def test_no_letter_of_the_text_is_lost_or_doubled(made: Made) -> None:
    import pypdfium2

    path = made("report")
    with pypdfium2.PdfDocument(path) as document:
        source = "".join(letters(page.get_textpage().get_text_range()) for page in document)
    got = "".join(letters(item.text) for item in parse(path).items)
    assert sorted(got) == sorted(source)


def test_the_parser_is_named_in_words_that_a_person_understands(made: Made) -> None:
    assert parse(made("report"), 1, 1).window.parser == "docling, layout without a model"


def test_a_paragraph_over_a_page_break_is_whole_and_on_its_first_page(made: Made) -> None:
    path = made("report")
    broken = [item for item in parse(path).document.texts if len(item.prov) > 1]
    assert len(broken) > 5
    for item in broken:
        assert item.text[0].isupper()
        assert item.text.endswith(".")
    assert {str(item.label) for item in broken} == {"text", "list_item"}


@pytest.mark.parametrize("first", [1, 2, 3, 4])
def test_a_paragraph_longer_than_the_neighbour_page_is_whole_in_one_window(made: Made, first: int) -> None:
    texts = [item.text for item in parse(made("long_paragraph"), first, first).items if item.label == "text"]
    if first == 1:
        assert len(texts) == 2
        assert texts[1].startswith("Begin ")
        assert texts[1].endswith(" end.")
        assert len(texts[1].split()) == 2302
    else:
        assert texts == (["After it."] if first == 4 else [])


def test_headings_have_the_levels_of_the_outline(made: Made) -> None:
    parsed = parse(made("report"), 1, 6)
    outline = {heading["text"]: heading["level"] for page in inspected(made("report")).facts["pages"].values() for heading in page}  # type: ignore[attr-defined]
    assert len(parsed.window.headings) >= 3
    for heading in parsed.window.headings:
        assert outline[heading.text] == heading.level


def test_running_headers_and_page_numbers_are_furniture(made: Made) -> None:
    labels = {item.text: item.label for item in parse(made("report"), 2, 3).items}
    assert labels["Annual report of the harbour office"] == "page_header"
    assert labels["2"] == labels["3"] == "page_footer"


def test_the_artifact_is_a_docling_document_of_real_pages_that_chunks(made: Made) -> None:
    from docling_core.transforms.chunker.hierarchical_chunker import HierarchicalChunker

    parsed = parse(made("report"), 5, 6)
    raw = json.loads((parsed.out / "window.json").read_text())
    assert raw["schema_name"] == "DoclingDocument"
    assert {5, 6} <= set(parsed.document.pages) <= {5, 6, 7}
    assert {item.page for item in parsed.items} == {5, 6}
    chunks = list(HierarchicalChunker().chunk(parsed.document))
    assert chunks
    assert {p.page_no for c in chunks for i in c.meta.doc_items for p in i.prov} <= {5, 6, 7}


def test_two_columns_are_read_one_after_the_other(made: Made) -> None:
    items = parse(made("two_columns")).items
    marks = [item.text.split()[0] for item in items if item.text.startswith("Mark")]
    assert marks == [f"Mark{n}{i}" for n in range(1, 5) for i in range(4)]
    headings = [item.text for item in items if item.label == "section_header"]
    assert headings[0] == "On the Measurement of Harbour Lanterns"
    assert [text[0] for text in headings[1:]] == ["1", "2", "3", "4"]
    assert in_windows(made("two_columns"), 1) == items


def test_a_slide_has_its_title_bullets_and_picture(made: Made) -> None:
    parsed = parse(made("slides"), 2, 2)
    labels = [item.label for item in parsed.items]
    assert labels == ["section_header", *["list_item"] * 4, "picture"]
    assert parsed.items[0].text == "Topic 2 of the harbour"


def test_a_form_in_boxes_becomes_a_table_of_labels_and_values(made: Made) -> None:
    table = parse(made("form")).document.tables[0].data
    grid = [[cell.text for cell in row] for row in table.grid]
    assert grid == [["Name", "Ada Miller"], ["Vessel", "Northern Star"], ["Length", "12 m"], ["Port", "Aberdeen"]]


def test_a_ruled_table_keeps_its_spanning_cells(made: Made) -> None:
    table = parse(made("zoo"), 1, 1).document.tables[0].data
    assert (table.num_rows, table.num_cols) == (4, 3)
    spans = {cell.text: (cell.row_span, cell.col_span) for cell in table.table_cells}
    assert spans["Quarter"] == (2, 1)
    assert spans["Ships"] == (1, 2)
    assert spans["First"] == (1, 1)


def test_an_unruled_table_stands_between_its_paragraphs(made: Made) -> None:
    parsed = parse(made("zoo"), 2, 2)
    assert [item.label for item in parsed.items] == ["text", "table", "text"]
    assert [[c.text for c in row] for row in parsed.document.tables[0].data.grid][2] == ["South", "9.7", "9.9"]


def test_a_table_with_horizontal_rules_has_its_caption(made: Made) -> None:
    table = parse(made("zoo"), 7, 7).document.tables[0]
    assert (table.data.num_rows, table.data.num_cols) == (4, 3)
    assert table.captions


def test_code_keeps_its_lines_and_indentation(made: Made) -> None:
    code = [item.text for item in parse(made("zoo"), 3, 3).items if item.label == "code"]
    assert code == ["def depth(basin):\n    for reading in basin:\n        if reading:\n            return reading"]


def test_a_footnote_is_told_from_the_text(made: Made) -> None:
    assert [item.label for item in parse(made("zoo"), 4, 4).items] == ["text", "footnote"]


def test_pictures_are_cropped_with_caption_and_box_and_small_ones_left_out(made: Made) -> None:
    parsed = parse(made("zoo"), 5, 5)
    photo, drawing = parsed.window.pictures
    assert photo.caption.startswith("Figure 1")
    assert drawing.caption.startswith("Figure 2")
    assert photo.box is not None
    assert (photo.box.page, round(photo.box.l), round(photo.box.r)) == (5, 120, 360)
    with Image.open(parsed.out / photo.image) as image:
        assert image.size == (480, 380)
        assert len(image.getcolors(1 << 20) or []) > 10
    assert photo.ref in {picture.self_ref for picture in parsed.document.pictures}
    assert parse(made("zoo"), 5, 5, smallest=2000).window.pictures == ()


def test_a_plot_of_thousands_of_strokes_is_no_table(made: Made) -> None:
    parsed = parse(made("plot"))
    assert not parsed.document.tables


def test_an_empty_page_gives_an_empty_window(made: Made) -> None:
    parsed = parse(made("zoo"), 6, 6)
    assert (parsed.window.items, parsed.window.characters, parsed.items) == (0, 0, [])
    assert set(parsed.document.pages) == {6}


def test_a_turned_page_is_read_as_shown(made: Made) -> None:
    items = parse(made("zoo"), 8, 8).items
    assert [item.text for item in items] == [
        "This page lies on its side in the file and is shown upright, so its lines are read from left to right as any others."
    ]


def test_a_scanned_page_is_read_and_laid_out(made: Made, tmp_path: Path) -> None:
    path = samples.scan(tmp_path / "scan.pdf", made("scan_source"), [1])
    items = parse(path).items
    assert [item.label for item in items] == ["section_header", "text"]
    assert items[0].text == "Harbour Regulations"
    assert "report to the harbour office before it enters" in items[1].text


def test_an_image_is_read_like_a_scan(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "page.png"
    samples.page_image(made("scan_source"), 1).save(path)
    parsed = parse(path)
    assert parsed.items[0].label == "section_header"
    assert "Lanterns are lit at dusk" in parsed.items[-1].text


def test_a_photograph_is_a_picture_to_be_described(tmp_path: Path) -> None:
    path = tmp_path / "photo.webp"
    samples.photo(3).save(path)
    parsed = parse(path)
    assert [item.label for item in parsed.items] == ["picture"]
    assert len(parsed.window.pictures) == 1


def test_pages_beyond_the_document_are_refused(made: Made) -> None:
    with pytest.raises(BadInput):
        parse(made("form"), 2, 2)


def test_an_unknown_parser_is_a_wrong_setting(made: Made) -> None:
    with pytest.raises(Misconfigured, match="AEGIS_PARSER"):
        parse(made("form"), parser="magic")


def test_doclings_models_are_asked_for_by_name_where_they_are_missing(made: Made) -> None:
    pytest.importorskip("docling")
    try:
        import torchvision  # noqa: F401
    except ImportError:
        with pytest.raises(Misconfigured, match=r"\[gpu\]"):
            parse(made("form"), parser="docling")
