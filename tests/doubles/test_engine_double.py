"""The real client talks to the double, and the double takes the time that it was told to take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aegis_assets.engines.client import EngineClient
from aegis_assets.engines.extractor_client import ExtractorClient
from aegis_assets.engines.llm.vision import shrunk
from aegis_assets.engines.ocr_vision import OcrVision
from aegis_assets.model.extraction import Schema
from aegis_assets.model.parsing import ChunkRequest, InspectRequest, ParseRequest, Picture
from tests.doubles.engine import EngineDouble

PAGE = "## Chapter {0}\nKofa{0} controls Neto{0}.\n\n![Picture {0}]()\n\nSabe{0} feeds Koto{0}."


@pytest.fixture
def double(tmp_path: Path) -> Iterator[EngineDouble]:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "one").write_text("\f".join(PAGE.format(number) for number in range(1, 6)))
    with EngineDouble(tmp_path, parsers=1, parse_page=0.05) as double:
        yield double


def window(first: int, last: int) -> ParseRequest:
    return ParseRequest(
        blob="blobs/one", name="one.pdf", format="pdf", unit="page", whole=None, first=first, last=last, length=5, facts={},
        artifacts=f"artifacts/d/{first}",
    )  # fmt: skip


def test_the_real_client_inspects_parses_and_chunks(double: EngineDouble, tmp_path: Path) -> None:
    client = EngineClient(double.url)
    inspection = client.inspect(InspectRequest(blob="blobs/one", name="one.pdf", artifacts="artifacts/d/whole"))
    assert (inspection.unit, inspection.pages, len({part.hash for part in inspection.parts})) == ("page", 5, 5)
    parsed = client.parse(window(2, 3))
    assert [picture.caption for picture in parsed.pictures] == ["Picture 2", "Picture 3"]
    image = (tmp_path / parsed.pictures[0].image).read_bytes()
    assert shrunk(image) == image
    drafts = client.chunk(ChunkRequest(artifact=parsed.artifact, headings=(), descriptions=()))
    assert [(draft.pages, draft.text.splitlines()[0]) for draft in drafts] == [
        ((2,), "Chapter 2"),
        ((2,), "Chapter 2"),
        ((3,), "Chapter 3"),
        ((3,), "Chapter 3"),
    ]


def test_the_real_client_embeds_and_extracts(double: EngineDouble) -> None:
    client = EngineClient(double.url)
    texts = [f"text {number}" for number in range(70)]
    vectors = client.embed(texts, "passage")
    assert vectors == client.embed(texts, "passage")
    assert len({vector.dense for vector in vectors}) == 70
    assert all(abs(sum(value * value for value in vector.dense) - 1) < 1e-3 for vector in vectors)
    found = asyncio.run(ExtractorClient(client).extract("Kofa controls Neto.", Schema()))
    assert [(mention.name, mention.start) for mention in found.mentions] == [("Kofa", 0), ("Neto", 14)]
    assert [(one.source, one.target, one.type) for one in found.relations] == [(0, 1, "CONTROLS")]
    picture = Picture(ref="#/pictures/0", image="x", box=None, caption="")
    assert asyncio.run(OcrVision(client).describe(picture, b"png")).text == ""


def test_windows_queue_for_one_parser(double: EngineDouble) -> None:
    client = EngineClient(double.url)
    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(client.parse, [window(1, 2), window(3, 4)]))
    assert time.monotonic() - started >= 0.2
    first, second = sorted((call for call in double.calls() if call["call"] == "parse"), key=lambda call: call["started"])
    assert second["arrived"] < first["ended"] <= second["started"]
