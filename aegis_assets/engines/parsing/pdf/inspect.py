"""A PDF or an image -> its pages with a hash each, its outline, and the facts that every window's layout needs.

The whole document is walked once with pdfium, some 150 pages a second, and nothing is rendered. Scanned pages are hashed by their
image bytes and not read here: facts come from text alone.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from aegis_assets.engines.parsing.pdf import measure
from aegis_assets.engines.parsing.pdf.facts import Facts, ranked, without_digits
from aegis_assets.engines.parsing.pdf.fields import with_fields
from aegis_assets.errors import BadInput, LimitExceeded
from aegis_assets.model.parsing import Heading, Inspection, Part

OUTLINE_LIMIT = 20_000
TITLE_LIMIT = 300
BAND = 0.12  # of the page's height; running headers stand within it
SCAN_LETTERS, SCAN_COVERED = 40, 0.5  # fewer letters, on a page with more than this share under images, are a stamp on a scan
SCAN_WEIGHT = 4  # reading a page's pixels takes 12 s of CPU, and a window has a time limit: windows of scans are shorter
STRIP = 256  # rows of pixels
RECURS = 3  # pages; fewer are no pattern


@dataclass(frozen=True, slots=True)
class PageFacts:
    """One page's share. sizes: characters by size. heads: sizes above its running text's. edges: (at top, distance, text)."""

    sizes: dict[float, int]
    fonts: dict[str, int]
    heads: frozenset[float]
    edges: tuple[tuple[bool, float, str], ...]
    scanned: bool = False


def inspect_pdf(path: Path, name: str, out: Path, *, max_pages: int = 20_000) -> Inspection:
    """Raises BadInput for what is no PDF, is encrypted or has no pages, LimitExceeded beyond max_pages."""
    started = time.monotonic()
    with measure.opened(path) as document:
        count = len(document)
        if count == 0:
            raise BadInput("The PDF has no pages.")
        if count > max_pages:
            raise LimitExceeded(f"The PDF has {count} pages; the limit is {max_pages} (AEGIS_MAX_PAGES).")
        outline = _outline(document, count)
        hashes, pages = [], []
        for index in range(count):
            digest, page = _page(document, index)
            hashes.append(digest)
            pages.append(page)
    facts = _facts(pages, outline)
    return Inspection(
        format="pdf",
        media_type="application/pdf",
        unit="page",
        parts=tuple(_parts(hashes, [page.scanned for page in pages], outline)),
        pages=count,
        parser="",
        facts=facts.model_dump(mode="json"),
        seconds=time.monotonic() - started,
    )


def inspect_image(path: Path, name: str, out: Path, *, max_pages: int = 20_000) -> Inspection:
    """A part per frame. Raises BadInput for what is no image."""
    from PIL import Image, ImageSequence, UnidentifiedImageError

    from aegis_assets.engines.parsing.ocr import MAX_PIXELS

    started, hashes = time.monotonic(), list[str]()
    try:
        with Image.open(path) as image:
            count = getattr(image, "n_frames", 1)
            if count > max_pages:
                raise LimitExceeded(f"The image has {count} frames; the limit is {max_pages} (AEGIS_MAX_PAGES).")
            media_type = Image.MIME.get(image.format or "", "application/octet-stream")
            for frame in ImageSequence.Iterator(image):
                if frame.width * frame.height > MAX_PIXELS:
                    raise BadInput(f"The image has {frame.width} x {frame.height} pixels, more than can be read.")
                hashes.append(_frame_digest(frame))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput("The image is damaged or of an unknown kind.") from error
    return Inspection(
        format="image",
        media_type=media_type,
        unit="page",
        parts=tuple(Part(hash=digest, weight=SCAN_WEIGHT) for digest in hashes),
        pages=count,
        parser="",
        facts=Facts().model_dump(mode="json"),
        seconds=time.monotonic() - started,
    )


def _frame_digest(frame: Any) -> str:
    """Hash by strips: a poster's pixels in one piece would be held four times."""
    digest = hashlib.sha256(f"{frame.size}".encode())
    for top in range(0, frame.height, STRIP):
        strip = frame.crop((0, top, frame.width, min(frame.height, top + STRIP)))
        digest.update(strip.convert("RGB").tobytes())
    return digest.hexdigest()


def _outline(document: Any, count: int) -> dict[int, tuple[Heading, ...]]:
    """Outline entries by page from 1. Levels are made gapless: some writers begin at 3."""
    found: list[tuple[int, int, str]] = []
    for entry in islice(document.get_toc(max_depth=19), OUTLINE_LIMIT):
        target = entry.get_dest()
        index = target.get_index() if target is not None else None
        title = " ".join("".join(c if c.isprintable() else " " for c in entry.get_title() or "").split())[:TITLE_LIMIT]
        if index is not None and 0 <= index < count and title:
            found.append((index + 1, entry.level, title))
    lowest = min((level for _, level, _ in found), default=0)
    pages: dict[int, tuple[Heading, ...]] = {}
    for page, level, title in found:
        pages[page] = (*pages.get(page, ()), Heading(level=min(20, level - lowest + 1), text=title))
    return pages


def _parts(hashes: list[str], scanned: list[bool], outline: dict[int, tuple[Heading, ...]]) -> Iterable[Part]:
    open_headings: list[Heading] = []
    for number, digest in enumerate(hashes, 1):
        starting = outline.get(number, ())
        yield Part(
            hash=digest,
            weight=SCAN_WEIGHT if scanned[number - 1] else 1,
            starts=min((heading.level for heading in starting), default=None),
            headings=tuple(open_headings) if outline else None,
        )
        for heading in starting:
            open_headings = [*(x for x in open_headings if x.level < heading.level), heading]


def _page(document: Any, index: int) -> tuple[str, PageFacts]:
    """A page that cannot be loaded is hashed by its number: parsing it will say what is wrong."""
    import pypdfium2

    try:
        page = document[index]
    except pypdfium2.PdfiumError:
        return f"unreadable-{index}", PageFacts({}, {}, frozenset(), ())
    text = page.get_textpage()
    try:
        words = text.get_text_range()
        content = measure.content(page, words)
        facts = _page_facts(page, text, content.runs)
        digest = with_fields(content.digest, page) if document.formenv else content.digest
        return digest, replace(facts, scanned=len(words.strip()) < SCAN_LETTERS and content.imaged > SCAN_COVERED)
    finally:
        text.close()
        page.close()


def _page_facts(page: Any, text: Any, runs: list[measure.Run]) -> PageFacts:
    sizes, fonts = Counter[float](), Counter[str]()
    for run in runs:
        if run.size > 0:
            letters = max(1, round((run.r - run.l) / (0.5 * run.size)))
            fonts[run.font] += letters
            if not measure.MONO.search(run.font):
                sizes[_half(run.size)] += letters
    shape = measure.frame(page)
    own = sizes.most_common(1)[0][0] if sizes else 0.0
    heads = frozenset(_half(run.size) for run in runs if run.size >= 1.12 * own and not measure.MONO.search(run.font))
    return PageFacts(dict(sizes), dict(fonts), heads, tuple(_edges(text, shape, runs)))


def _edges(text: Any, shape: measure.Frame, runs: list[measure.Run]) -> Iterable[tuple[bool, float, str]]:
    """The outermost lines at the top and at the bottom."""
    height = shape.size[1]
    if shape.rotation or not runs:
        return
    for top in (True, False):
        band = [run for run in runs if (run.b < BAND * height if top else run.t > (1 - BAND) * height)]
        if not band:
            continue
        first = min(run.t for run in band) if top else max(run.b for run in band)
        row = [run for run in band if (run.t < first + 8 if top else run.b > first - 8)]
        low, high = max(run.b for run in row), min(run.t for run in row)
        words = text.get_text_bounded(shape.left, shape.bottom + height - low, shape.right, shape.bottom + height - high)
        distance = low if top else height - high
        yield top, round(distance / 2) * 2.0, without_digits(words)[:120]


def _facts(pages: list[PageFacts], outline: dict[int, tuple[Heading, ...]]) -> Facts:
    sizes, fonts = Counter[float](), Counter[str]()
    heads = Counter[float]()
    for page in pages:
        sizes.update(page.sizes)
        fonts.update(page.fonts)
        heads.update(page.heads)
    if not sizes:
        return Facts(pages=outline)
    body = sizes.most_common(1)[0][0]
    often = 2 if len(pages) > 20 else 1
    larger = [size for size, count in heads.items() if size >= 1.12 * body and count >= often]
    tops, bottoms, texts = _furniture(pages)
    return Facts(
        body_size=body,
        body_bold=bool(measure.BOLD.search(fonts.most_common(1)[0][0])),
        levels=ranked(larger)[:12],
        top=tops,
        bottom=bottoms,
        furniture=texts,
        pages=outline,
    )


def _furniture(pages: list[PageFacts]) -> tuple[float, float, tuple[str, ...]]:
    """How far from the edges running headers and footers reach, and their texts.

    A distance counts when a third of the pages have a line there and most of these lines' texts recur.
    """
    texts = Counter(text for page in pages for text in {text for _, _, text in page.edges})
    reach = dict.fromkeys((True, False), 0.0)
    for top in reach:
        at = Counter(distance for page in pages for side, distance, text in page.edges if side is top and texts[text] >= RECURS)
        for distance, count in at.items():
            if count >= max(RECURS, len(pages) / 3):
                reach[top] = max(reach[top], distance + 2)
    often = sorted(text for text, count in texts.items() if text and count >= max(RECURS, len(pages) / 5))
    return reach[True], reach[False], tuple(often[:50])


def _half(size: float) -> float:
    return round(size * 2) / 2
