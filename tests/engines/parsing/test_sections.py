"""Sections: cut at headings or by content, all text in one of them, stable under edits."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from docling_core.types.doc import DocItemLabel, DoclingDocument, TableData

from aegis_assets.engines.parsing import sections
from aegis_assets.engines.parsing.inspect import inspect
from aegis_assets.engines.parsing.tree import Tree
from aegis_assets.model.parsing import Part
from tests.engines.parsing import makers
from tests.engines.parsing.conftest import Way
from tests.engines.parsing.test_chunk import Writer

WORD = re.compile(r"q\d+z")


def parts_of(content: str, name: str, tmp_path: Path, window_tokens: int = 1_000) -> tuple[Part, ...]:
    path = tmp_path / "bytes"
    path.write_text(content)
    return inspect(path, name, tmp_path, 100, window_tokens).parts


def words_of(tree: Tree) -> list[str]:
    """In reading order, through docling's own walk."""
    document = DoclingDocument.model_validate(tree)
    found: list[str] = []
    for item, _ in document.iterate_items():
        found += WORD.findall(getattr(item, "text", "") or "")
        if getattr(item, "label", None) == DocItemLabel.TABLE:
            found += [word for cell in item.data.table_cells for word in WORD.findall(cell.text)]  # type: ignore[union-attr]
    return found


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("limit", [60, 400, 10_000])
def test_joined_sections_hold_every_word_once_in_order(tmp_path: Path, seed: int, limit: int) -> None:
    writer = Writer(seed)
    writer.write(30)
    tree = writer.document.export_to_dict()
    expected = words_of(tree)
    sections.write(sections.sections(sections.blocks(tree, limit), limit), tmp_path / "whole")
    lines = list(sections.read(tmp_path / "whole", 1, 10_000))
    found = [word for line in lines for word in words_of(line)]
    header = set(writer.header)
    assert [word for word in found if word not in header] == [word for word in expected if word not in header]
    assert header <= set(found)
    assert [word for word in words_of(sections.join(lines)) if word not in header] == [
        word for word in expected if word not in header
    ]


@pytest.mark.parametrize("seed", range(10))
def test_no_section_is_much_longer_than_the_limit(seed: int) -> None:
    writer = Writer(seed)
    tree = writer.write(60).export_to_dict()
    for section in sections.sections(sections.blocks(tree, 500), 500):
        heads = sum(item["label"] == "section_header" for item in section.tree["texts"])
        assert section.part.weight <= 5 + heads


def test_a_section_starts_at_every_heading_and_knows_what_is_open() -> None:
    document = DoclingDocument(name="d")
    document.add_text(DocItemLabel.TEXT, "Before.")
    document.add_title("Book")
    for level, text in ((1, "One"), (3, "Deep"), (1, "Two")):
        document.add_heading(text, level=level)
        document.add_text(DocItemLabel.TEXT, f"Text of {text}.")
    found = [section.part for section in sections.sections(sections.blocks(document.export_to_dict(), 500), 500)]
    assert [part.starts for part in found] == [None, 1, 4, 2]
    assert [[heading.text for heading in part.headings or ()] for part in found] == [[], [], ["Book", "One"], ["Book"]]


def test_a_row_keeps_its_rich_cells_and_only_its_own() -> None:
    document = DoclingDocument(name="d")
    data = TableData(num_rows=40, num_cols=1)
    for row in range(40):
        data.table_cells.append(makers.cell(f"q{row}z " + "word " * 30, row, 0))
    document.add_table(data, caption=document.add_text(DocItemLabel.CAPTION, "q100z"))
    found = list(sections.sections(sections.blocks(document.export_to_dict(), 200), 200))
    words = [word for section in found for word in words_of(section.tree)]
    assert len(found) > 3
    assert sorted(words) == sorted([f"q{row}z" for row in range(40)] + ["q100z"])


def paragraphs(count: int, seed: int) -> list[str]:
    dice = random.Random(seed)
    return [
        " ".join(dice.choice(["pump", "valve", "bolt", "oil"]) + str(dice.randrange(9999)) for _ in range(12)) for _ in range(count)
    ]


@pytest.mark.parametrize(("name", "join"), [("a.txt", "\n\n"), ("a.csv", "\n"), ("a.md", "\n\n"), ("a.txt", " ")])
def test_an_inserted_piece_changes_few_sections(tmp_path: Path, name: str, join: str) -> None:
    lines = [line.replace(" ", ",") if name == "a.csv" else line + "." for line in paragraphs(900, 1)]
    before = {part.hash for part in parts_of(join.join(lines), name, tmp_path)}
    after = {part.hash for part in parts_of(join.join([*lines[:300], lines[5][::-1], *lines[300:]]), name, tmp_path)}
    assert len(before) > 10
    assert len(before & after) >= 0.7 * len(before)


def test_a_long_plain_text_is_cut(way: Callable[..., Way]) -> None:
    lines = [f"Paragraph q{number}z has some words in it and goes on for a while." for number in range(4_000)]
    done = way("\n\n".join(lines), "a.txt", size=7, window_tokens=2_000)
    assert len(done.inspection.parts) > 20
    assert WORD.findall(done.text) == [f"q{number}z" for number in range(4_000)]


def test_a_csv_of_a_hundred_thousand_rows_is_cut_by_rows(tmp_path: Path) -> None:
    rows = ["id,name,value", *(f"{number},name{number},{number * 7}" for number in range(100_000))]
    parts = parts_of("\n".join(rows), "a.csv", tmp_path, window_tokens=12_800)
    assert len(parts) > 50
    assert max(part.weight for part in parts) <= 65
    found = [row for tree in sections.read(tmp_path / "whole.json", 3, 5) for row in tree["tables"][0]["data"]["table_cells"]]
    assert sum(cell["text"] == "name" and cell["column_header"] for cell in found) == 3


def test_a_csv_keeps_every_row_through_the_chunks(way: Callable[..., Way]) -> None:
    rows = ["id;name", *(f"q{number}z;name" for number in range(3_000))]
    done = way("\n".join(rows), "a.csv", size=3, window_tokens=2_000)
    assert WORD.findall(done.text) == [f"q{number}z" for number in range(3_000)]
    assert all("id | name" in draft.text for draft in done.chunks)
