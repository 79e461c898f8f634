"""Small documents of the binary formats, each with the same content as the written samples: a pump manual."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from docling_core.types.doc import TableCell

SAMPLES = Path(__file__).parents[2] / "samples"
BINARY = ("docx", "pptx", "xlsx", "odt", "ods", "odp", "epub")


def zipped(members: Mapping[str, bytes | str], stored: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content, zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def patched(source: bytes, changes: Mapping[str, bytes]) -> bytes:
    """The archive with some members replaced or added."""
    with zipfile.ZipFile(io.BytesIO(source)) as archive:
        return zipped({**{name: archive.read(name) for name in archive.namelist()}, **changes}, stored=("mimetype",))


def png(width: int = 120, height: int = 90) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return buffer.getvalue()


def docx(picture: bytes | None = None) -> bytes:
    import docx as library

    document = library.Document()
    document.add_heading("Pump manual", 0)
    document.add_paragraph("The pump moves water.")
    document.add_heading("Installation", 1)
    document.add_paragraph("Mount <it> on a_b_c *level* ground.")
    document.add_paragraph("Fix the bolts", style="List Bullet")
    if picture:
        document.add_picture(io.BytesIO(picture))
    document.add_heading("Bolts", 2)
    table = document.add_table(2, 2)
    for row, texts in enumerate((("Bolt", "Torque"), ("M8", "25 Nm"))):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    document.add_heading("Care", 1)
    document.add_paragraph("Oil it weekly.")
    return _saved(document)


def pptx() -> bytes:
    import pptx as library

    deck = library.Presentation()
    for title, body, note in (("Pump manual", "The pump moves water.", "Say hello"), ("Care", "Oil it weekly.", "M8 needs 25 Nm")):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
        slide.notes_slide.notes_text_frame.text = note
    return _saved(deck)


def xlsx() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Bolts"
    sheet.append(["Bolt", "Torque"])
    sheet.append(["M8", "25 Nm"])
    care = book.create_sheet("Care")
    care.append(["Task", "Every"])
    care.append(["Oil it weekly.", "week"])
    return _saved(book)


def odf(kind: str) -> bytes:
    import odfdo

    document = odfdo.Document({"odt": "text", "ods": "spreadsheet", "odp": "presentation"}[kind])
    body = document.body
    body.clear()
    table = odfdo.Table("Bolts")
    table.append_row(odfdo.Row())
    table.set_values([["Bolt", "Torque"], ["M8", "25 Nm"], ["Care", "Oil it weekly."]])
    if kind == "odt":
        body.append(odfdo.Header(1, "Pump manual"))
        body.append(odfdo.Paragraph("The pump moves water."))
        body.append(odfdo.Header(2, "Bolts"))
        body.append(table)
        body.append(odfdo.Header(2, "Care"))
        body.append(odfdo.Paragraph("Oil it weekly."))
    elif kind == "ods":
        body.append(table)
    else:
        page = odfdo.DrawPage("page1", name="Page 1")
        page.append(odfdo.Frame.text_frame(["M8 needs 25 Nm", "Oil it weekly."], size=("7cm", "5cm"), position=("1cm", "1cm")))
        body.append(page)
    return _saved(document)


def epub(
    chapter: str = "<h2>Bolts</h2><p>M8 needs 25 Nm.</p><h2>Care</h2><p>Oil it weekly.</p>",
    extra: Mapping[str, bytes] | None = None,
) -> bytes:
    members: dict[str, bytes | str] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        "book.opf": '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i"><metadata '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="i">1</dc:identifier><dc:title>Pump manual</dc:title>'
        "<dc:language>en</dc:language></metadata><manifest>"
        '<item id="c" href="c.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="c"/></spine></package>',
        "c.xhtml": '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>c</title></head>'
        f"<body><h1>Pump manual</h1>{chapter}</body></html>",
    }
    return zipped({**members, **(extra or {})}, stored=("mimetype",))


def binary(kind: str) -> bytes:
    if kind in ("odt", "ods", "odp"):
        return odf(kind)
    return {"docx": docx, "pptx": pptx, "xlsx": xlsx, "epub": epub}[kind]()


def _saved(document: object) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)  # type: ignore[attr-defined]
    return buffer.getvalue()


def cell(text: str, row: int, column: int, header: bool = False) -> TableCell:
    """One plain cell of a table."""
    return TableCell(
        text=text,
        start_row_offset_idx=row,
        end_row_offset_idx=row + 1,
        start_col_offset_idx=column,
        end_col_offset_idx=column + 1,
        column_header=header,
    )


def png_pdf() -> bytes:
    """A page without text under one picture: a scan."""
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(400, 600))
    canvas.drawImage(ImageReader(io.BytesIO(png())), 0, 0, 400, 600)
    canvas.save()
    return buffer.getvalue()


def pdf_with_a_lost_page(pages: int) -> bytes:
    """The second of its pages is named, but is nothing."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import NullObject
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    for number in range(1, pages + 1):
        canvas.drawString(72, 700, f"Page {number}")
        canvas.showPage()
    canvas.save()
    writer = PdfWriter(clone_from=PdfReader(buffer))
    lost = writer.pages[1].indirect_reference
    assert lost is not None
    writer._replace_object(lost, NullObject())
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that signed itself, and its key, in files."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "double")]), datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(built.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
