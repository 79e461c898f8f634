"""A presentation is read with its diagrams."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

import pptx
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.oxml import parse_xml

from tests.engines.parsing.conftest import Way

Run = Callable[..., Way]
OFFICE: Final = "http://schemas.openxmlformats.org"
SPACES: Final = (
    f'xmlns:dgm="{OFFICE}/drawingml/2006/diagram" xmlns:a="{OFFICE}/drawingml/2006/main" '
    f'xmlns:p="{OFFICE}/presentationml/2006/main" xmlns:r="{OFFICE}/officeDocument/2006/relationships"'
)


def test_smartart_is_read_in_its_order(way: Run) -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Path"
    names = {"doc": "", "b": "Second step", "a": "First step", "c": "Below the first"}
    points = "".join(
        f'<dgm:pt modelId="{key}" type="{"doc" if key == "doc" else "node"}"><dgm:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t>'
        "</dgm:pt>"
        for key, text in names.items()
    )
    links = "".join(
        f'<dgm:cxn srcId="{source}" destId="{target}" srcOrd="{order}"/>'
        for source, target, order in (("doc", "a", 0), ("doc", "b", 1), ("a", "c", 0))
    )
    model = f"<dgm:dataModel {SPACES}><dgm:ptLst>{points}</dgm:ptLst><dgm:cxnLst>{links}</dgm:cxnLst></dgm:dataModel>".encode()
    kind = "application/vnd.openxmlformats-officedocument.drawingml.diagramData+xml"
    part = Part(PackURI("/ppt/diagrams/data1.xml"), kind, deck.part.package, model)
    related = slide.part.relate_to(part, f"{OFFICE}/officeDocument/2006/relationships/diagramData")
    frame = f"""<p:graphicFrame {SPACES}>
    <p:nvGraphicFramePr><p:cNvPr id="9" name="D"/><p:cNvGraphicFramePr/><p:nvPr/></p:nvGraphicFramePr>
    <p:xfrm><a:off x="0" y="1828800"/><a:ext cx="9" cy="9"/></p:xfrm>
    <a:graphic><a:graphicData uri="{OFFICE}/drawingml/2006/diagram"><dgm:relIds r:dm="{related}"/></a:graphicData></a:graphic>
    </p:graphicFrame>"""
    slide.shapes._spTree.append(parse_xml(frame))
    buffer = io.BytesIO()
    deck.save(buffer)
    assert way(buffer.getvalue(), "a.pptx").text == "Path\n\nFirst step\nBelow the first\nSecond step"
