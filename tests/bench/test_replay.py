"""A replayed document is what it says: its file, its seconds, its windows; and its picture is a picture."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from aegis_assets.model.parsing import InspectRequest, ParseRequest
from bench import replay, waterfall
from bench.simulation import Lanes, sequential, simulate
from tests.doubles.engine_work import Page, Works

SECONDS = replay.Seconds(parse=30, pictures=3, chunk=1, embed=6, extract=60)


@pytest.fixture
def document() -> replay.Replay:
    return replay.Replay(replay.pages(40, seed=1, chunks=3, picture_every=8), SECONDS, seed=1)


def cut(pages: int, size: int) -> list[tuple[int, int]]:
    return [(first, min(first + size - 1, pages)) for first in range(1, pages + 1, size)]


def test_windows_take_together_what_the_whole_takes_however_they_are_cut(document: replay.Replay) -> None:
    whole = sequential(document.windows([(1, 40)]))
    assert whole == pytest.approx(sequential(document.windows(cut(40, 7))))
    assert whole == pytest.approx(100, rel=0.1), "latencies are drawn, the rest is exact"
    assert sum(len(window.chunks) for window in document.windows(cut(40, 7))) == 120


def test_the_same_seed_is_the_same_document_and_another_shares_no_chunk(document: replay.Replay) -> None:
    assert replay.pages(40, seed=1, chunks=3, picture_every=8) == document.pages
    texts = {text for page in document.pages for text in Page.of(page).texts()}
    others = {text for page in replay.pages(40, seed=2, chunks=3) for text in Page.of(page).texts()}
    assert len(texts) == 120
    assert not texts & others


def test_the_engine_double_reads_what_was_written(document: replay.Replay, tmp_path: Path) -> None:
    document.write(tmp_path / "blob")
    works = Works(tmp_path)
    assert works.inspect(InspectRequest(blob="blob", name="a.pdf", artifacts="a")).pages == 40
    request = ParseRequest(
        blob="blob", name="a.pdf", format="pdf", unit="page", whole=None, first=9, last=16, length=40, facts={}, artifacts="a/9"
    )
    assert [picture.caption for picture in works.parse(request).pictures] == ["Figure 16 of edition 1"]


def test_the_waterfall_is_well_formed_and_has_a_row_per_slot(document: replay.Replay) -> None:
    windows = document.windows(cut(40, 8))
    spans = [(span.lane, span.start, span.end) for span in simulate(windows, Lanes(slots=3)) if span.lane == "llm"]
    rows = waterfall.rows([("extract", start, end) for _, start, end in spans], "LLM slot")
    assert {bar.lane for bar in rows} == {"LLM slot 1", "LLM slot 2", "LLM slot 3"}
    drawn = waterfall.svg(waterfall.in_sequence(windows), rows, ("above", "below"), "note")
    assert len(ElementTree.fromstring(drawn).findall(".//{*}title")) == 5 * len(windows) + len(rows)
