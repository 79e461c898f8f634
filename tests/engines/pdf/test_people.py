"""PDFs as people have them: forms, hyphens, Japanese, fonts without letters, sheets that lie on their side."""

from __future__ import annotations

from pathlib import Path

import pypdf
import pytest
from PIL import Image, ImageDraw, ImageFont
from pypdf.generic import NameObject, TextStringObject
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from aegis_assets.engines.parsing.ocr import Reading
from aegis_assets.engines.parsing.pdf import turning
from aegis_assets.engines.parsing.pdf.garbled import garbled
from aegis_assets.engines.parsing.pdf.geometry import Rect
from aegis_assets.engines.parsing.pdf.joining import Words, joined
from tests.engines.pdf.conftest import inspected, parse


def form(path: Path, owner: str) -> Path:
    """A form whose values stand in its fields alone."""
    drawn = path.with_suffix(".drawn")
    canvas = Canvas(str(drawn), pagesize=A4, invariant=1)
    for row, label in enumerate(("Keeper:", "Heated:", "Shaded:")):
        canvas.drawString(70, 700 - 40 * row, label)
    canvas.acroForm.textfield(name="keeper", x=150, y=694, width=200, height=20)
    canvas.acroForm.checkbox(name="heated", x=150, y=656, size=16, checked=True)
    canvas.acroForm.checkbox(name="shaded", x=150, y=616, size=16, checked=False)
    canvas.save()
    writer = pypdf.PdfWriter(clone_from=str(drawn))
    for annotation in writer.pages[0]["/Annots"]:
        field = annotation.get_object()
        if field.get("/T") == "keeper":
            field[NameObject("/V")] = TextStringObject(owner)
            field.pop("/AP", None)
    writer.write(str(path))
    return path


def test_values_and_states_of_a_form_stand_beside_their_labels(tmp_path: Path) -> None:
    text = "\n".join(item.text for item in parse(form(tmp_path / "form.pdf", "Ines Aalto")).items)
    for label, value in (("Keeper:", "Ines Aalto"), ("Heated:", "[x]"), ("Shaded:", "[ ]")):
        assert text.index(label) < text.index(value)


def test_a_value_that_changes_changes_its_page(tmp_path: Path) -> None:
    one, two = (inspected(form(tmp_path / f"{name}.pdf", name)).parts[0].hash for name in ("Ines", "Olaf"))
    assert one != two


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["The obser-", "vatory closed."], "The observatory closed."),
        (["It ran 1998-", "2004 there."], "It ran 1998-2004 there."),
        (["Input- and", "output"], "Input- and output"),
        (["Input-", "and output"], "Input- and output"),
        (["of m-", "xylene"], "of m-xylene"),
        (["a self-", "made man"], "a self-made man"),
        (["A co-worker said that the co-", "worker left."], "A co-worker said that the co-worker left."),
        (["an up-to-", "date map"], "an up-to-date map"),
        (["the Anglo-", "Norman coast"], "the Anglo-Norman coast"),
        (["橋は毎年検", "査される。"], "橋は毎年検査される。"),
        (["다리를 매년", "검사한다"], "다리를 매년 검사한다"),
    ],
)
def test_lines_are_put_together_as_they_were_written(lines: list[str], text: str) -> None:
    assert joined(lines, Words(lines)) == text


def test_hyphens_of_a_page_go_through_the_whole_parse(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "hyphens.pdf"), pagesize=A4, invariant=1)
    for row, line in enumerate(("The levels of 1998-", "2004 were read in the obser-", "vatory of the northern harbour.")):
        canvas.drawString(70, 700 - 14 * row, line)
    canvas.save()
    assert "of 1998-2004 were read in the observatory" in parse(tmp_path / "hyphens.pdf").items[0].text


def test_glyphs_without_letters_are_no_text() -> None:
    assert garbled(["\ufffd\ufffd\ufffd \ufffd\ufffd\ufffd\ufffd", "\ue001\ue002\ue003\ue004\ue005\ue006 a"])
    assert not garbled(["\uf0b7 A point of a list", "\uf0b7 Łódź, Straße, 水門"])


def test_a_sheet_upside_down_is_turned_and_a_good_one_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Picture:
        def __init__(self, degrees: int) -> None:
            self.degrees = degrees

        def rotate(self, degrees: int, *, expand: bool) -> Picture:
            return Picture((self.degrees + degrees) % 360)

    def read(image: Picture) -> list[Reading]:
        asked.append(image.degrees)
        wide = image.degrees in (0, 180)
        score = 0.98 if image.degrees in (0, 270) else 0.7
        return [Reading(0, 0, 300 if wide else 20, 20 if wide else 300, "The tower of the mill", score)]

    monkeypatch.setattr(turning, "readings", read)
    assert turning.upright(Picture(0))[0] == 0
    assert asked == [0]
    assert turning.upright(Picture(180))[0] == 180
    assert turning.upright(Picture(90))[0] == 270
    assert turning.upright(Picture(270))[0] == 90


def test_places_on_a_turned_sheet_are_those_of_the_page() -> None:
    word = Rect(10, 20, 40, 30)  # on a page of 200 x 100 that was turned
    assert turning.turned_back(word, 90, 200, 100) == Rect(170, 10, 180, 40)
    assert turning.turned_back(word, 180, 200, 100) == Rect(160, 70, 190, 80)
    assert turning.turned_back(word, 270, 200, 100) == Rect(20, 60, 30, 90)


def test_a_poster_below_the_limit_of_pixels_is_read(tmp_path: Path) -> None:
    poster = Image.new("1", (10_400, 8_800), 1)
    ImageDraw.Draw(poster).text((900, 900), "Fair at the mill", fill=0, font_size=600)
    poster.save(tmp_path / "poster.png")
    assert parse(tmp_path / "poster.png").items[0].text == "Fair at the mill"


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_the_recogniser_reads_a_sheet_however_it_lay_on_the_scanner(degrees: int) -> None:
    sheet = Image.new("RGB", (900, 500), "white")
    font = ImageFont.load_default(size=36)
    lines = ("The tower of the mill was built in 1612", "by masons of the town of Dordrecht", "and paid for by the millers")
    for row, line in enumerate(lines):
        ImageDraw.Draw(sheet).text((60, 80 + 110 * row), line, "black", font)
    turned, _, found = turning.upright(sheet.rotate(degrees, expand=True))
    assert (turned + degrees) % 360 == 0
    assert "Dordrecht" in " ".join(reading.text for reading in found)
