"""The docling document of one window into chunk drafts: text with heading path, pages and boxes, each within the embedder's limit.

A chunk's text is its heading path, one heading per line, an empty line, and the body; without headings it is the body alone. So
search, extraction and people all see the same text. Pictures come in as their descriptions.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aegis_assets.errors import EngineFailed
from aegis_assets.model.parsing import Box, ChunkDraft, ChunkRequest, PictureDescription


def chunk(artifact: Path, request: ChunkRequest, tokenizer: Path, max_tokens: int) -> tuple[ChunkDraft, ...]:
    """artifact: window.json of parse. tokenizer: a directory with tokenizer.json. max_tokens: the embedder's limit."""
    from docling_core.types.doc import DoclingDocument

    from aegis_assets.engines.parsing.hybrid import Counter, WindowChunker
    from aegis_assets.engines.parsing.tokens import Tokens

    try:
        document = DoclingDocument.load_from_json(artifact)
    except ValueError as error:
        raise EngineFailed("The parsed window cannot be read. Retry the document to parse it again.", retryable=False) from error
    describe(document, request.descriptions)
    tokens = Tokens(tokenizer, max_tokens)
    chunker = WindowChunker(tokenizer=Counter(tokens=tokens), open_headings=request.headings)
    chunks = list(chunker.chunk(document))
    texts = [chunker.contextualize(each) for each in chunks]
    return tuple(_draft(document, each, text, count) for each, text, count in zip(chunks, texts, tokens.counts(texts), strict=True))


def _draft(document: Any, each: Any, text: str, count: int) -> ChunkDraft:
    numbers = {provenance.page_no for item in each.meta.doc_items for provenance in item.prov}
    return ChunkDraft(
        text=text,
        headings=tuple(each.meta.headings or ()),
        pages=tuple(sorted(numbers)),
        boxes=boxes(document, each.meta.doc_items),
        tokens=count,
    )


def describe(document: Any, descriptions: Iterable[PictureDescription]) -> None:
    """Write the descriptions into the pictures. What OCR found is left out where the picture's own text is in the document."""
    from docling_core.types.doc import DescriptionMetaField, PictureMeta

    pictures = {picture.self_ref: picture for picture in document.pictures}
    for description in descriptions:
        picture = pictures.get(description.ref)
        if picture is None or not description.text.strip():
            continue
        captions = {reference.cref for reference in picture.captions}
        if description.created_by == "ocr" and any(child.cref not in captions for child in picture.children):
            continue
        field = DescriptionMetaField(text=description.text, created_by=description.created_by)
        picture.meta = picture.meta.model_copy(update={"description": field}) if picture.meta else PictureMeta(description=field)


def boxes(document: Any, items: Iterable[Any]) -> tuple[Box, ...]:
    """In reading order, each once, from the top left corner."""
    found: dict[Box, None] = {}
    for item in items:
        for provenance in item.prov:
            page = document.pages.get(provenance.page_no)
            frame = provenance.bbox
            if page is not None and page.size is not None:
                frame = frame.to_top_left_origin(page.size.height)
            elif frame.coord_origin.value != "TOPLEFT":
                continue
            found[Box(page=provenance.page_no, l=frame.l, t=frame.t, r=frame.r, b=frame.b)] = None
    return tuple(found)
