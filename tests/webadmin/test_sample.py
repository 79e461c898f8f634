"""The demo's sample: what is committed is what the script makes, and it holds what the demo is to show."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pypdf
import pytest

from aegis_assets.settings import ROOT


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_sample", ROOT / "samples" / "make_sample.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_same_source_gives_the_same_bytes(maker: ModuleType) -> None:
    assert maker.build() == maker.build()


def test_the_committed_pdf_has_pages_an_outline_a_figure_and_the_text_of_its_source(maker: ModuleType) -> None:
    reader = pypdf.PdfReader(maker.TARGET)
    text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    assert 8 <= len(reader.pages) <= 10
    assert reader.outline
    assert sum(len(page.images) for page in reader.pages) == 1
    for sentence in ("It ran its first program on 21 June 1948", "Frederic Williams and Tom Kilburn worked at the University"):
        assert sentence in text
