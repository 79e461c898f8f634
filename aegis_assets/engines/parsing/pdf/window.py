"""One window of a PDF or image -> a docling JSON with the items that begin in it, PNGs of its pictures, its headings.

The pages on either side are converted too, so that a paragraph over a page break is whole. Where they do not show its end, or
whether the first paragraph began before them, more pages are added: a window of one page gives the same items as the whole
document.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aegis_assets.engines.parsing.pdf.facts import Facts
from aegis_assets.engines.parsing.pdf.geometry import Rect
from aegis_assets.errors import BadInput, Misconfigured
from aegis_assets.model.parsing import Box, Heading, ParsedWindow, ParseRequest, Picture

if TYPE_CHECKING:
    from aegis_assets.engines.parsing.pdf.render import Pages

ARTIFACT = "window.json"
LABELS = {"rules": "docling, layout without a model", "docling": "docling, its own models"}  # as people read them
PICTURE_SCALE = 2.0  # pixels per point: 144 dpi


def parse_pages(path: Path, request: ParseRequest, out: Path, picture_min_pixels: int, parser: str) -> ParsedWindow:
    """Artifact and picture names are relative to `out`. parser: 'rules' or 'docling' (its own models, extra [gpu]).

    Raises BadInput for pages that cannot be read, Misconfigured where docling's models are not installed.
    """
    from aegis_assets.engines.parsing.pdf.render import ImagePages, PdfPages

    started = time.monotonic()
    if not 1 <= request.first <= request.last <= request.length:
        raise BadInput(f"There are no pages {request.first} to {request.last} in a document of {request.length}.")
    facts = Facts.model_validate(request.facts)
    with ImagePages(path) if request.format == "image" else PdfPages(path) as pages:
        document = _document(path, request, facts, pages, parser)
        pictures = _pictures(document, pages, out, picture_min_pixels)
    (out / ARTIFACT).write_text(json.dumps(document.export_to_dict(), ensure_ascii=False), "utf-8")
    items, characters, headings = _counted(document)
    return ParsedWindow(
        artifact=ARTIFACT,
        items=items,
        characters=characters,
        headings=headings,
        pictures=pictures,
        parser=LABELS[parser],
        seconds=time.monotonic() - started,
        peak_mb=_peak_mb(),
    )


def _document(path: Path, request: ParseRequest, facts: Facts, pages: Pages, parser: str) -> Any:
    """Converts the window with its neighbours, and again with more of them while its edges are in doubt."""
    from aegis_assets.engines.parsing.pdf.pipeline import converted
    from aegis_assets.engines.parsing.pdf.reading import REACH

    start, end = max(1, request.first - 1), min(request.length, request.last + 1)
    while True:
        pipeline = _pipeline(parser, pages, facts, request.first, request.last)
        result = converted(pipeline, path, start, end, image=request.format == "image")
        reading = pipeline.reading_order_model
        earlier = max(1, request.first - REACH) if reading.short_before else start
        later = min(request.length, end + REACH) if reading.short_after else end
        if (earlier, later) == (start, end):
            break
        start, end = earlier, later
    document = result.document
    used = {source.page_no for item, _ in _every_item(document) for source in getattr(item, "prov", ())}
    keep = used | set(range(request.first, request.last + 1))
    document.pages = {number: page for number, page in document.pages.items() if number in keep}
    document.name, document.origin = "document", None  # they would carry the name of a temporary file
    return document


def _pipeline(parser: str, pages: Pages, facts: Facts, first: int, last: int) -> Any:
    if parser == "rules":
        from aegis_assets.engines.parsing.pdf.pipeline import RulePipeline

        return RulePipeline(pages, facts, first, last)
    if parser != "docling":
        raise Misconfigured(f"There is no PDF parser named {parser!r}; AEGIS_PARSER is rules or docling.")
    if importlib.util.find_spec("torchvision") is None:
        raise Misconfigured(
            "AEGIS_PARSER is docling, but its models are not installed: install aegis with the extra [gpu], or set rules."
        )
    from aegis_assets.engines.parsing.pdf.stock import pipeline

    return pipeline(facts, first, last)


def _every_item(document: Any) -> Any:
    from docling_core.types.doc.document import ContentLayer

    return document.iterate_items(traverse_pictures=True, included_content_layers=set(ContentLayer))


def _pictures(document: Any, pages: Pages, out: Path, smallest: int) -> tuple[Picture, ...]:
    """Crops of the pictures whose shorter side has `smallest` pixels or more."""
    found = []
    for index, picture in enumerate(document.pictures):
        if not picture.prov:
            continue
        number = picture.prov[0].page_no
        box = picture.prov[0].bbox.to_top_left_origin(document.pages[number].size.height)
        image, _ = pages.image(number, PICTURE_SCALE, Rect(box.l, box.t, box.r, box.b))
        if min(image.size) < smallest:
            continue
        name = f"picture-{index}.png"
        image.save(out / name, "PNG")
        found.append(
            Picture(
                ref=picture.self_ref,
                image=name,
                box=Box(page=number, l=box.l, t=box.t, r=box.r, b=box.b),
                caption=picture.caption_text(document),
            )
        )
    return tuple(found)


def _counted(document: Any) -> tuple[int, int, tuple[Heading, ...]]:
    from docling_core.types.doc import SectionHeaderItem, TableItem

    items = characters = 0
    headings = []
    for item, _ in _every_item(document):
        if not hasattr(item, "prov"):
            continue  # a group
        items += 1
        characters += len(getattr(item, "text", ""))
        if isinstance(item, TableItem):
            characters += sum(len(cell.text) for cell in item.data.table_cells)
        elif isinstance(item, SectionHeaderItem):
            headings.append(Heading(level=item.level, text=item.text))
    return items, characters, tuple(headings)


def _peak_mb() -> float:
    """Of this process, ever: ru_maxrss is in kilobytes on Linux and in bytes on macOS."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
