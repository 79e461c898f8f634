"""What passes between plan, parse, enrich and the parser: parts, windows, pictures, chunk drafts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aegis_assets.model.frozen import Frozen as Frozen  # re-exported


class Heading(Frozen):
    """level: 1 is the document's title or chapter, larger is deeper."""

    level: int = Field(ge=1, le=20)
    text: str


class Part(Frozen):
    """The smallest thing a window is cut from: a page of a PDF or image, a section of another format.

    hash: of the part's own content (text with positions, pictures), so that an equal part is not parsed again.
    weight: 1 for a page, the estimated number of chunks for a section.
    starts: level of the heading that the part begins with, None when it begins inside a section or this is unknown.
    headings: the headings open at its start, outermost first; None when only parsing the parts before it can tell.
    """

    hash: str
    weight: int = 1
    starts: int | None = None
    headings: tuple[Heading, ...] | None = None


class Box(Frozen):
    """A box on a page. page: from 1. l, t, r, b: PDF points from the page's top left corner."""

    page: int
    l: float  # noqa: E741
    t: float
    r: float
    b: float


class InspectRequest(Frozen):
    """blob: bucket key of the bytes. name: the file's name, a hint of last resort. artifacts: bucket key prefix to write to."""

    blob: str
    name: str
    artifacts: str


class Inspection(Frozen):
    """What plan knows of a document's bytes before any window is parsed.

    format: pdf, image, docx, pptx, xlsx, odt, ods, odp, html, markdown, text, csv, asciidoc, latex, epub, email, webvtt, rtf, ...
    unit: 'page' (parts are pages) or 'section' (parts are sections of `whole`).
    whole: bucket key of the whole converted document where unit is 'section'.
    facts: what a layout engine learns from the whole document (body size, heading sizes, running headers, outline).
    """

    format: str
    media_type: str
    unit: Literal["page", "section"]
    parts: tuple[Part, ...]
    pages: int | None
    parser: str
    whole: str | None = None
    facts: dict[str, object] = Field(default_factory=dict)
    seconds: float = 0.0


class WindowPlan(Frozen):
    """A run of parts, first and last from 1, inclusive. key: hash of all that decides its parse, its neighbours included."""

    ordinal: int
    first: int
    last: int
    key: str
    headings: tuple[Heading, ...] | None


class ParseRequest(Frozen):
    """Parse one window. length: number of parts of the document. artifacts: bucket key prefix for the results."""

    blob: str
    name: str
    format: str
    unit: Literal["page", "section"]
    whole: str | None
    first: int
    last: int
    length: int
    facts: dict[str, object]
    artifacts: str


class Picture(Frozen):
    """ref: docling's reference (#/pictures/3). image: bucket key of a PNG."""

    ref: str
    image: str
    box: Box | None
    caption: str


class ParsedWindow(Frozen):
    """artifact: bucket key of the docling JSON that holds just the items that begin in the window, in reading order.

    headings: all headings in the window in order, for the heading path of the windows after it. first: the part that the window
    began with when it was parsed; a window that takes this over elsewhere in the document moves its page numbers by the difference.
    """

    artifact: str
    items: int
    characters: int
    headings: tuple[Heading, ...]
    pictures: tuple[Picture, ...]
    parser: str
    seconds: float
    peak_mb: float
    first: int = 1


class PictureDescription(Frozen):
    """created_by: model name, or 'ocr'."""

    ref: str
    text: str
    created_by: str


class ChunkRequest(Frozen):
    """headings: open at the window's start, outermost first."""

    artifact: str
    headings: tuple[Heading, ...]
    descriptions: tuple[PictureDescription, ...]


class ChunkDraft(Frozen):
    """text: what is embedded, extracted and shown: heading path, then body. tokens: of `text`, by the embedder's tokenizer."""

    text: str
    headings: tuple[str, ...]
    pages: tuple[int, ...]
    boxes: tuple[Box, ...]
    tokens: int


def moved(draft: ChunkDraft, pages: int) -> ChunkDraft:
    """The same chunk, so many pages further on."""
    if not pages:
        return draft
    boxes = tuple(box.model_copy(update={"page": box.page + pages}) for box in draft.boxes)
    return draft.model_copy(update={"pages": tuple(page + pages for page in draft.pages), "boxes": boxes})
