"""One window of a document into the docling document of just that window, with its pictures as PNG files.

Pages are laid out by the PDF parser or by a docling-serve server; sections were converted by inspect and are only joined here.
Pictures leave the artifact: as text inside JSON they are a third larger, and the chunker, which reads it next, needs their
descriptions only.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import resource
import time
from pathlib import Path
from typing import Final

from aegis_assets.engines.parsing import sections
from aegis_assets.engines.parsing.docling_serve.client import DoclingServe
from aegis_assets.engines.parsing.docling_serve.pages import Span, set_levels
from aegis_assets.engines.parsing.pdf.facts import Facts
from aegis_assets.engines.parsing.textual import Native
from aegis_assets.engines.parsing.tree import Assembly, Node, Slice, Tree, carried, children, node, walk
from aegis_assets.errors import EngineFailed
from aegis_assets.model.parsing import Box, Heading, ParsedWindow, ParseRequest, Picture

WINDOW: Final = "window.json"
_PIXELS: Final = 89_478_485  # Pillow's own limit: a larger picture is a decompression bomb


def parse(
    path: Path,
    whole: Path | None,
    request: ParseRequest,
    out: Path,
    picture_min_pixels: int,
    parser: str,
    serve: DoclingServe | None = None,
    native: bool = True,
) -> ParsedWindow:
    """Writes window.json and picture-<n>.png into `out`. whole: the artifact that inspect wrote, for unit 'section'.

    native: decode pictures; else the first one raises Native.
    """
    started = time.monotonic()
    if request.unit == "page" and serve is not None:
        tree, parser = _served(path, request, serve), "docling-serve"
    elif request.unit == "page":
        from aegis_assets.engines.parsing.pdf.window import parse_pages

        return parse_pages(path, request, out, picture_min_pixels, parser)
    elif whole is None:
        raise EngineFailed(
            "The converted document is missing, so this window cannot be parsed. Retry the document.", retryable=False
        )
    else:
        tree = sections.join(sections.read(whole, request.first, request.last))
    if not native and any(picture.get("image") for picture in tree["pictures"]):
        raise Native
    pictures = tuple(_pictures(tree, out, picture_min_pixels))
    refs = list(walk(tree))
    (out / WINDOW).write_text(json.dumps(tree, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    return ParsedWindow(
        artifact=WINDOW,
        items=sum(not ref.startswith(("#/body", "#/groups/")) for ref in refs),
        characters=sum(_characters(node(tree, ref)) for ref in refs),
        headings=tuple(_headings(tree, refs)),
        pictures=pictures,
        parser=parser,
        seconds=time.monotonic() - started,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _served(path: Path, request: ParseRequest, serve: DoclingServe) -> Tree:
    """Return the items that begin in the window. One neighbour page on each side is converted too, so that they are whole."""
    own, near = Span(request.first, request.last), Span(max(1, request.first - 1), min(request.length, request.last + 1))
    several = request.length > 1
    tree = serve.convert(path, request.format, near, own) if several else serve.convert(path, request.format)
    assembly = Assembly()
    owned = {ref for each in ("pictures", "tables", "texts") for item in tree.get(each, ()) for ref in carried(item)}
    for ref in children(tree["body"]):
        if ref not in owned and (not several or _begins(tree, ref, request.first) in own):
            assembly.add(Slice(tree, ref))
    if serve.options.headings:
        set_levels(assembly.tree, Facts.model_validate(request.facts))
    return assembly.tree


def _begins(tree: Tree, root: str, otherwise: int) -> int:
    """The page on which a node or the first of its children begins."""
    for ref in walk(tree, root):
        for provenance in node(tree, ref).get("prov", ()):
            return int(provenance["page_no"])
    return otherwise


def _characters(item: Node) -> int:
    cells = item["data"].get("table_cells", ()) if isinstance(item.get("data"), dict) else ()
    return len(item.get("text", "")) + sum(len(cell.get("text", "")) for cell in cells)


def _headings(tree: Tree, refs: list[str]) -> list[Heading]:
    found = []
    for ref in refs:
        item = node(tree, ref)
        if item.get("label") == "title":
            found.append(sections.heading(1, item.get("text", "")))
        elif item.get("label") == "section_header":
            found.append(sections.heading(min(sections.DEEPEST, max(1, int(item.get("level", 1)))), item.get("text", "")))
    return found


def _pictures(tree: Tree, out: Path, smallest: int) -> list[Picture]:
    found: list[Picture] = []
    for item in tree["pictures"]:
        image = item.pop("image", None)
        png = _png(image["uri"], smallest) if image and isinstance(image.get("uri"), str) else None
        if png is None:
            continue
        file = f"picture-{len(found)}.png"
        (out / file).write_bytes(png)
        caption = " ".join(node(tree, ref).get("text", "") for ref in carried(item) if ref in children(item))
        found.append(Picture(ref=item["self_ref"], image=file, box=_box(tree, item), caption=caption))
    return found


def _png(uri: str, smallest: int) -> bytes | None:
    """The picture of a data URI as PNG; None where it is small, damaged, or no data URI: nothing outside the document is read."""
    if not uri.startswith("data:image/"):
        return None
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2], validate=False)))
        if min(image.size) < smallest or image.width * image.height > _PIXELS:
            return None
        buffer = io.BytesIO()
        (image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGBA")).save(buffer, "PNG")
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return buffer.getvalue()


def _box(tree: Tree, item: Node) -> Box | None:
    for provenance in item.get("prov", ()):
        page = tree["pages"].get(str(provenance["page_no"]))
        return box(provenance, page["size"]["height"] if page and page.get("size") else None)
    return None


def box(provenance: Node, height: float | None) -> Box | None:
    """docling counts from the bottom left or the top left, as the box says; None where the page's height is not known."""
    from docling_core.types.doc.base import BoundingBox

    frame = BoundingBox.model_validate(provenance["bbox"])
    if height is None and frame.coord_origin.value != "TOPLEFT":
        return None
    top = frame.to_top_left_origin(height) if height is not None else frame
    return Box(page=max(1, provenance["page_no"]), l=top.l, t=top.t, r=top.r, b=top.b)
