from __future__ import annotations

import pytest
from PIL import Image, ImageDraw

from aegis_assets.engines.parsing.ocr import Reading, in_rows, read_text
from aegis_assets.errors import BadInput
from tests.engines.pdf.samples import png


def test_text_in_pixels_is_read_line_by_line() -> None:
    image = Image.new("RGB", (800, 160), "white")
    draw = ImageDraw.Draw(image)
    draw.text((20, 20), "Harbour lights 42", fill="black", font_size=40)
    draw.text((20, 90), "Second line", fill="black", font_size=40)
    assert read_text(png(image)) == "Harbour lights 42\nSecond line"


def test_an_image_without_text_gives_nothing() -> None:
    assert read_text(png(Image.new("RGB", (200, 200), "white"))) == ""
    assert read_text(png(Image.new("RGB", (3, 3), "white"))) == ""


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(BadInput):
        read_text(b"not a png")


def test_readings_on_one_row_go_from_left_to_right() -> None:
    found = [Reading(50, 1, 90, 11, "b", 1), Reading(0, 0, 40, 10, "a", 1), Reading(0, 30, 40, 40, "c", 1)]
    assert [reading.text for reading in in_rows(found)] == ["a", "b", "c"]
