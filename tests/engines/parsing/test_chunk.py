"""Chunks hold all text of a window, none twice, none beyond the limit, each under its headings."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from docling_core.types.doc import (
    BoundingBox,
    CoordOrigin,
    DocItemLabel,
    DoclingDocument,
    ProvenanceItem,
    Size,
    TableData,
)

from aegis_assets.engines.parsing.chunk import chunk
from aegis_assets.engines.parsing.tokens import Tokens
from aegis_assets.errors import EngineFailed, Misconfigured
from aegis_assets.model.parsing import ChunkDraft, ChunkRequest, Heading, PictureDescription
from tests.engines.parsing import makers
from tests.engines.parsing.conftest import TOKENIZER, Way

WORD = re.compile(r"\bq\d+z\b")


def chunked(
    document: DoclingDocument,
    tmp_path: Path,
    headings: tuple[Heading, ...] = (),
    descriptions: tuple[PictureDescription, ...] = (),
    max_tokens: int = 128,
) -> tuple[ChunkDraft, ...]:
    artifact = tmp_path / "window.json"
    artifact.write_text(json.dumps(document.export_to_dict()))
    return chunk(artifact, ChunkRequest(artifact="", headings=headings, descriptions=descriptions), TOKENIZER, max_tokens)


def body(draft: ChunkDraft) -> str:
    return draft.text.removeprefix("\n".join(draft.headings)).lstrip("\n") if draft.headings else draft.text


class Writer:
    """A random document whose every word is another one, and which remembers what it wrote where."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.document = DoclingDocument(name="d")
        self.counter = 0
        self.bodies: list[str] = []
        self.titles: list[str] = []
        self.header: list[str] = []
        self.labels: set[str] = set()

    def words(self, count: int) -> list[str]:
        self.counter += count
        return [f"q{number}z" for number in range(self.counter - count, self.counter)]

    def write(self, steps: int) -> DoclingDocument:
        for _ in range(steps):
            self.dice.choice([self.heading, self.text, self.text, self.list, self.table, self.long])()
        return self.document

    def heading(self) -> None:
        words = self.words(self.dice.choice([1, 2, 3, 60]))
        self.titles += words
        self.document.add_heading(" ".join(words), level=self.dice.randint(1, 6))

    def text(self) -> None:
        self._body(self.words(self.dice.randint(1, 30)))

    def long(self) -> None:
        self._body(self.words(self.dice.randint(150, 300)))

    def _body(self, words: list[str]) -> None:
        self.bodies += words
        separators = [self.dice.choice([" ", " ", " ", "\n", ". ", "  "]) for _ in words]
        self.document.add_text(DocItemLabel.TEXT, "".join(a + b for a, b in zip(words, separators, strict=True)).strip())

    def list(self) -> None:
        group = self.document.add_list_group()
        for _ in range(self.dice.randint(1, 12)):
            words = self.words(self.dice.randint(1, 12))
            self.bodies += words
            item = self.document.add_list_item(" ".join(words), parent=group)
            if self.dice.random() < 0.3:
                nested = self.words(2)
                self.bodies += nested
                self.document.add_list_item(" ".join(nested), parent=self.document.add_list_group(parent=item))

    def table(self) -> None:
        rows, columns = self.dice.randint(2, 12), self.dice.randint(1, 6)
        wide = self.dice.random() < 0.2
        cells = []
        for row in range(rows):
            for column in range(columns):
                words = self.words(self.dice.choice([1, 2, 60 if wide else 1]))
                (self.header if row == 0 else self.bodies).extend(words)
                self.labels.update(words if row and column == 0 else ())
                cells.append(makers.cell(" ".join(words), row, column, header=row == 0))
        self.document.add_table(TableData(table_cells=cells, num_rows=rows, num_cols=columns))


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("max_tokens", [48, 256])
def test_every_word_is_in_one_chunk_in_order_and_no_chunk_is_too_long(tmp_path: Path, seed: int, max_tokens: int) -> None:
    writer = Writer(seed)
    writer.write(25)
    drafts = chunked(writer.document, tmp_path, max_tokens=max_tokens)
    in_bodies = [word for draft in drafts for word in WORD.findall(body(draft))]
    kept = set(writer.bodies)
    found = [word for word in in_bodies if word in kept]
    assert list(dict.fromkeys(found)) == writer.bodies
    # Only the first cell of a row longer than a chunk stands in each of its chunks.
    assert {word for word, times in Counter(found).items() if times > 1} <= writer.labels
    everywhere = {word for draft in drafts for word in WORD.findall(draft.text)}
    assert set(writer.titles) - everywhere == set()
    assert set(writer.header) - everywhere == set()
    tokens = Tokens(TOKENIZER, max_tokens)
    for draft in drafts:
        assert draft.tokens == tokens.count(draft.text) <= max_tokens - 2  # two are the model's own


@pytest.mark.parametrize("seed", range(10))
def test_heading_paths_are_in_order_of_their_levels(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    document = DoclingDocument(name="d")
    stack: list[tuple[int, str]] = [(1, "Part"), (3, "Deep")]
    expected = {}
    for number in range(40):
        level = dice.randint(1, 5)
        document.add_heading(f"H{number}", level=level)
        stack = [entry for entry in stack if entry[0] < level] + [(level, f"H{number}")]
        document.add_text(DocItemLabel.TEXT, f"q{number}z")
        expected[f"q{number}z"] = tuple(text for _, text in stack)
    open_ = (Heading(level=1, text="Part"), Heading(level=3, text="Deep"))
    found = {word: draft.headings for draft in chunked(document, tmp_path, open_) for word in WORD.findall(draft.text)}
    assert found == expected


def test_leading_chunks_carry_the_headings_open_at_the_windows_start(tmp_path: Path) -> None:
    document = DoclingDocument(name="d")
    document.add_text(DocItemLabel.TEXT, "Leading words.")
    document.add_heading("New", level=2)
    document.add_text(DocItemLabel.TEXT, "Later words.")
    first, second = chunked(document, tmp_path, (Heading(level=1, text="Book"), Heading(level=2, text="Old")))
    assert first.text == "Book\nOld\n\nLeading words."
    assert second.text == "Book\nNew\n\nLater words."


def test_a_heading_without_text_is_found_once(tmp_path: Path) -> None:
    document = DoclingDocument(name="d")
    for text, level in (("Part", 1), ("Empty", 2), ("Also empty", 2), ("Chapter", 2)):
        document.add_heading(text, level=level)
    document.add_text(DocItemLabel.TEXT, "Words.")
    document.add_heading("Last", level=1)
    texts = [draft.text for draft in chunked(document, tmp_path)]
    assert texts == ["Part\n\nEmpty\nAlso empty", "Part\nChapter\n\nWords.", "Last"]


def test_an_over_long_path_loses_its_outermost_headings_first(tmp_path: Path) -> None:
    document = DoclingDocument(name="d")
    for level in range(1, 7):
        document.add_heading(f"level{level} " + "word " * 20, level=level)
    document.add_text(DocItemLabel.TEXT, "Body.")
    last = next(draft for draft in chunked(document, tmp_path) if "Body." in draft.text)
    assert last.headings[-1].startswith("level6")
    assert not any(text.startswith("level1") for text in last.headings)


def test_tables_repeat_their_header_in_every_chunk(tmp_path: Path) -> None:
    rows = [["Bolt", "Torque"], *([f"M{number}", f"{number} Nm"] for number in range(200))]
    cells = [makers.cell(text, r, c, header=r == 0) for r, row in enumerate(rows) for c, text in enumerate(row)]
    document = DoclingDocument(name="d")
    document.add_heading("Bolts", level=1)
    document.add_table(TableData(table_cells=cells, num_rows=201, num_cols=2))
    drafts = chunked(document, tmp_path)
    assert len(drafts) > 5
    assert all(draft.text.startswith("Bolts\n\nBolt | Torque\nM") for draft in drafts)
    assert [line for draft in drafts for line in body(draft).split("\n")[1:]] == [
        f"M{number} | {number} Nm" for number in range(200)
    ]


def test_descriptions_captions_and_boxes_of_pictures_are_carried(tmp_path: Path) -> None:
    document = DoclingDocument(name="d")
    document.add_page(page_no=3, size=Size(width=600, height=800))
    place = ProvenanceItem(
        page_no=3, bbox=BoundingBox(l=10, t=700, r=90, b=600, coord_origin=CoordOrigin.BOTTOMLEFT), charspan=(0, 0)
    )
    document.add_picture(prov=place, caption=document.add_text(DocItemLabel.CAPTION, "Figure 1: the pump"))
    seen = PictureDescription(ref="#/pictures/0", text="A red pump with <two> valves.", created_by="ocr")
    (draft,) = chunked(document, tmp_path, descriptions=(seen,))
    assert draft.text == "Figure 1: the pump\nA red pump with <two> valves."
    assert draft.pages == (3,)
    assert [(box.page, box.l, box.t, box.r, box.b) for box in draft.boxes] == [(3, 10, 100, 90, 200)]


def test_what_ocr_read_is_left_out_where_the_pictures_own_text_is_known(tmp_path: Path) -> None:
    document = DoclingDocument(name="d")
    picture = document.add_picture()
    document.add_text(DocItemLabel.TEXT, "Valve", parent=picture)
    seen = PictureDescription(ref="#/pictures/0", text="Valve", created_by="ocr")
    assert [draft.text for draft in chunked(document, tmp_path, descriptions=(seen,))] == ["Valve"]
    by_model = seen.model_copy(update={"created_by": "qwen3-vl", "text": "A diagram."})
    assert [draft.text for draft in chunked(document, tmp_path, descriptions=(by_model,))] == ["A diagram.\nValve"]


def test_a_description_of_an_unknown_picture_does_no_harm(tmp_path: Path) -> None:
    document = DoclingDocument(name="d")
    document.add_text(DocItemLabel.TEXT, "Words.")
    gone = PictureDescription(ref="#/pictures/7", text="x", created_by="ocr")
    assert [draft.text for draft in chunked(document, tmp_path, descriptions=(gone,))] == ["Words."]


def test_a_window_without_text_has_no_chunks(tmp_path: Path) -> None:
    document = DoclingDocument(name="d")
    document.add_picture()
    assert chunked(document, tmp_path) == ()


def test_a_damaged_artifact_is_a_clear_failure(tmp_path: Path) -> None:
    (tmp_path / "window.json").write_text('{"body": 3}')
    with pytest.raises(EngineFailed, match="Retry"):
        chunk(tmp_path / "window.json", ChunkRequest(artifact="", headings=(), descriptions=()), TOKENIZER, 128)


def test_a_directory_without_a_tokenizer_is_a_clear_failure(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"tokenizer\.json"):
        Tokens(tmp_path, 128)


@pytest.mark.parametrize("seed", range(30))
def test_splitting_loses_no_character_and_keeps_the_limit(seed: int) -> None:
    dice = random.Random(seed)
    alphabet = ["word", "Grüße", " ", " ", "\n", "\n\n", ". ", "漢字", "😀", "x" * 300, "a" * 90, "\t", "́", "naïve", "</b>", "_"]
    text = "".join(dice.choice(alphabet) for _ in range(400))
    tokens = Tokens(TOKENIZER, 256)
    limit = dice.choice([8, 40, 250])
    pieces = tokens.split(text, limit)
    assert "".join(pieces) == text
    assert max(tokens.count(piece) for piece in pieces) <= limit


class CountingTokens(Tokens):
    """The real tokenizer, which remembers how much it was given."""

    seen = 0

    def count(self, text: str) -> int:
        self.seen += len(text)
        return super().count(text)


@pytest.mark.parametrize("text", ["word " * 40_000, "x" * 200_000, "漢" * 60_000, ("line\n" * 40_000)])
def test_counting_is_linear_in_the_text(text: str) -> None:
    tokens = CountingTokens(TOKENIZER, 256)
    assert "".join(tokens.split(text, 250)) == text
    assert tokens.seen < 6 * len(text)


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html"])
def test_a_very_long_line_is_cut_into_windows_and_chunks_without_loss(way: Callable[..., Way], name: str) -> None:
    text = " ".join(f"q{number}z" for number in range(12_000))
    done = way(f"<html><body><p>{text}</p></body></html>" if name == "a.html" else text, name, size=1, window_tokens=3_000)
    assert len(done.windows) >= 5
    assert WORD.findall(done.text) == text.split()
    assert max(draft.tokens for draft in done.chunks) <= 254
