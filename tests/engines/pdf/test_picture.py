"""A page drawn for a person: its size is the one that boxes are in, and no document makes the picture large."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfWriter

from aegis_assets.engines.parsing.pdf.picture import LONGEST, draw_page
from aegis_assets.errors import BadInput


def pdf(path: Path, width: float, height: float, turned: int = 0) -> Path:
    writer = PdfWriter()
    page = writer.add_blank_page(width, height)
    if turned:
        page.rotate(turned)
    writer.write(path)
    return path


def drawn(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


@pytest.mark.parametrize(("turned", "shown"), [(0, (612.0, 792.0)), (90, (792.0, 612.0))])
def test_a_page_is_drawn_as_it_is_shown_with_its_size_in_points(tmp_path: Path, turned: int, shown: tuple[float, float]) -> None:
    size = draw_page(pdf(tmp_path / "a.pdf", 612, 792, turned), "pdf", 1, tmp_path / "page")
    picture = drawn(tmp_path / "page")
    assert size == shown
    assert (picture.format, picture.size) == ("WEBP", (round(shown[0] * 2), round(shown[1] * 2)))


@pytest.mark.parametrize(("width", "height"), [(14400, 14400), (14400, 3), (2384, 3370)])
def test_a_poster_is_drawn_smaller(tmp_path: Path, width: float, height: float) -> None:
    size = draw_page(pdf(tmp_path / "a.pdf", width, height), "pdf", 1, tmp_path / "page")
    assert size == (width, height)
    assert max(drawn(tmp_path / "page").size) <= LONGEST + 1


def test_an_image_is_its_own_page_and_never_enlarged(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), "white").save(tmp_path / "a.png", dpi=(72, 72))
    size = draw_page(tmp_path / "a.png", "image", 1, tmp_path / "page")
    assert size == pytest.approx((300, 200), rel=0.001)  # PNG keeps dots per metre
    assert drawn(tmp_path / "page").size == (300, 200)


@pytest.mark.parametrize("page", [2, 10**9])
def test_a_page_that_is_not_there_is_bad_input(tmp_path: Path, page: int) -> None:
    with pytest.raises(BadInput, match=f"Page {page} cannot be drawn"):
        draw_page(pdf(tmp_path / "a.pdf", 100, 100), "pdf", page, tmp_path / "page")


@pytest.mark.parametrize("content", [b"", b"junk", b"%PDF-1.7\n" + b"1 0 obj<<>>" * 50])
def test_what_is_no_pdf_is_bad_input(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pdf").write_bytes(content)
    with pytest.raises(BadInput):
        draw_page(tmp_path / "a.pdf", "pdf", 1, tmp_path / "page")
