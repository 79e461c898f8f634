"""A docling document of one window into pieces of plain text, each with its heading path and boxes, none longer than a chunk.

Text is taken as it stands in the items. docling's own serializers write Markdown, which turns markup characters in the text
into other ones, and serialize nested lists twice when a chunk is split. Heading paths are built from the levels, starting from
what is open at the window's start. The questionable decision: hidden sheets and page headers are left out, speaker notes are
in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from docling_core.types.doc import ContentLayer, DoclingDocument, NodeItem
from docling_core.types.doc.document import (
    DocItem,
    FloatingItem,
    FormItem,
    InlineGroup,
    KeyValueItem,
    ListGroup,
    ListItem,
    PictureItem,
    SectionHeaderItem,
    TableItem,
    TextItem,
    TitleItem,
)

from aegis_assets.engines.parsing.sections import opened
from aegis_assets.engines.parsing.table_text import table_pieces
from aegis_assets.engines.parsing.tokens import Tokens
from aegis_assets.model.parsing import Heading

_LAYERS: Final = frozenset({ContentLayer.BODY, ContentLayer.NOTES})
_TIGHT: Final = (".", ",", ";", ":", "!", "?", ")", "]", "}", "’", "”", "…", "。", "，")


class Piece(NamedTuple):
    """path: the headings shown, outermost first. ref: of the item it comes from. provenance: docling's boxes."""

    text: str
    path: tuple[str, ...]
    ref: str
    provenance: tuple[Any, ...]


class _Title(NamedTuple):
    heading: Heading
    ref: str
    provenance: tuple[Any, ...]


class Pieces:
    """One walk over one document."""

    def __init__(self, document: DoclingDocument, open_: tuple[Heading, ...], tokens: Tokens) -> None:
        self._document = document
        self._tokens = tokens
        self._room = tokens.max_tokens // 2  # for the path; the body gets the other half at least
        self._stack = open_
        self._shown: tuple[str, ...] = self._path(open_)
        self._unsaid: list[_Title] = []
        self._carried = {
            reference.cref
            for item in (*document.pictures, *document.tables, *document.texts)
            if isinstance(item, FloatingItem)
            for reference in (*item.captions, *item.footnotes)
        }

    def __iter__(self) -> Iterator[Piece]:
        stack: list[tuple[NodeItem, int]] = [(self._document.body, 0)]
        while stack:
            item, depth = stack.pop()
            if item.self_ref in self._carried or (isinstance(item, DocItem) and item.content_layer not in _LAYERS):
                continue
            below = depth + 1 if isinstance(item, ListGroup) else depth
            if isinstance(item, TitleItem | SectionHeaderItem):
                yield from self._enter(item)
            else:
                yield from self._content(item, depth)
            if not isinstance(item, InlineGroup | TableItem):
                inline = isinstance(item, TextItem) and not item.text
                children = [reference.resolve(self._document) for reference in item.children]
                stack.extend((child, below) for child in reversed(children) if not (inline and isinstance(child, InlineGroup)))
        yield from self._say(())

    # Headings

    def _enter(self, item: TitleItem | SectionHeaderItem) -> Iterator[Piece]:
        """A heading that no text followed is a piece itself, so that it is found."""
        text = " ".join((item.text or self._inline(item)).split())
        if not text:
            return
        level = 1 if isinstance(item, TitleItem) else min(20, max(1, item.level))
        # A heading followed by a deeper one is said by the path of the text below both.
        yield from self._say(tuple(title for title in self._unsaid if title.heading.level < level))
        title = _Title(Heading(level=level, text=text), item.self_ref, tuple(item.prov))
        self._stack = opened(self._stack, title.heading)
        self._shown = self._path(self._stack)
        self._unsaid.append(title)

    def _say(self, keep: tuple[_Title, ...]) -> Iterator[Piece]:
        """Pieces of the headings that no path has shown, but for those to keep for later."""
        for title in self._unsaid:
            if title not in keep:
                above = self._path(tuple(each for each in self._stack if each.level < title.heading.level))
                yield from self._cut(title.heading.text, above, title.ref, title.provenance)
        self._unsaid = list(keep)

    def _path(self, headings: tuple[Heading, ...]) -> tuple[str, ...]:
        """What fits: an over-long heading is cut, then the outermost ones go."""
        shown: list[str] = []
        room = self._room
        for text in reversed([each.text for each in headings]):
            size = self._tokens.count(text) + 1
            if size > room and not shown:
                text = self._tokens.split(text, max(1, room - 3))[0].rstrip() + "…"
                size = room
            if size > room:
                break
            shown.append(text)
            room -= size
        return tuple(reversed(shown))

    def _said(self) -> Iterator[Piece]:
        """Before a piece with text: headings open now are shown by its path, unless they were cut or dropped."""
        missing = [title for title in self._unsaid if title.heading.text not in self._shown]
        self._unsaid = missing
        yield from self._say(())

    # Content

    def _content(self, item: NodeItem, depth: int) -> Iterator[Piece]:
        if isinstance(item, TableItem):
            yield from self._table(item)
        else:
            text = self._text(item, depth)
            if text.strip():
                yield from self._said()
                yield from self._cut(text, self._shown, item.self_ref, self._provenance(item))

    def _text(self, item: NodeItem, depth: int) -> str:
        if isinstance(item, InlineGroup):
            return self._inline(item)
        if isinstance(item, PictureItem):
            return self._picture(item)
        if isinstance(item, KeyValueItem | FormItem):
            return "\n".join(cell.text for cell in item.graph.cells if cell.text and cell.item_ref is None)
        if isinstance(item, ListItem):
            text = item.text or self._inline(item)
            return "  " * max(0, depth - 1) + f"{item.marker or '-'} {text}" if text.strip() else ""
        if isinstance(item, FloatingItem):  # code carries a caption too
            return "\n".join([*self._attached(item), getattr(item, "text", "")]).strip("\n")
        if isinstance(item, TextItem):
            text = item.text or self._inline(item) or item.orig
            voice = next((voice for source in item.source if (voice := getattr(source, "voice", None))), None)
            return f"{voice}: {text}" if voice and text else text
        return getattr(item, "text", "") or ""

    def _inline(self, item: NodeItem) -> str:
        """The spans of a line or of an empty text item, joined as they were read."""
        parts: list[str] = []
        stack = [reference.resolve(self._document) for reference in reversed(item.children)]
        if isinstance(item, TextItem):
            stack = [child for child in stack if isinstance(child, InlineGroup)]
        while stack:
            child = stack.pop()
            text = (getattr(child, "text", "") or "").strip()
            if text:
                parts.append(text if not parts or text.startswith(_TIGHT) else f" {text}")
            stack.extend(reference.resolve(self._document) for reference in reversed(child.children))
        return "".join(parts)

    def _attached(self, item: FloatingItem) -> list[str]:
        """Captions and footnotes."""
        texts = [reference.resolve(self._document) for reference in (*item.captions, *item.footnotes)]
        return [text for text in (getattr(each, "text", "") or self._inline(each) for each in texts) if text]

    def _picture(self, item: PictureItem) -> str:
        lines = self._attached(item)
        if item.meta is not None and item.meta.description is not None:
            lines.append(item.meta.description.text)
        if item.meta is not None and getattr(item.meta, "tabular_chart", None) is not None:
            lines.extend(" | ".join(cell.text for cell in row) for row in item.meta.tabular_chart.chart_data.grid)
        return "\n".join(lines)

    def _table(self, item: TableItem) -> Iterator[Piece]:
        room = self._tokens.max_tokens - sum(self._tokens.counts(self._shown)) - len(self._shown) - 1
        said = False
        for text in table_pieces(item.data, self._attached(item), self._tokens, room):
            if not said:
                yield from self._said()
                said = True
            yield Piece(text, self._shown, item.self_ref, tuple(item.prov))
        # The text of a cell's items is in the cell; a table in it and what a picture in it shows are not.
        for child in self._below(item):
            if isinstance(child, PictureItem) and (text := self._picture(child)).strip():
                yield from self._cut(text, self._shown, child.self_ref, tuple(child.prov))
            elif isinstance(child, TableItem):
                yield from self._table(child)

    def _below(self, item: NodeItem) -> Iterator[NodeItem]:
        """Return all that is below an item, but what is below a table in it."""
        stack = [reference.resolve(self._document) for reference in reversed(item.children)]
        while stack:
            child = stack.pop()
            yield child
            if isinstance(child, TableItem):
                continue
            stack.extend(reference.resolve(self._document) for reference in reversed(child.children))

    def _provenance(self, item: NodeItem) -> tuple[Any, ...]:
        own = tuple(getattr(item, "prov", ()))
        if isinstance(item, InlineGroup) or (isinstance(item, TextItem) and not item.text):
            own += tuple(provenance for child in self._below(item) for provenance in getattr(child, "prov", ()))
        return own

    def _cut(self, text: str, path: Sequence[str], ref: str, provenance: tuple[Any, ...]) -> Iterator[Piece]:
        room = self._tokens.max_tokens - sum(self._tokens.counts(path)) - len(path) - 1
        parts = [text] if self._tokens.count(text) <= room else self._tokens.split(text, room)
        yield from (Piece(part.strip("\n"), tuple(path), ref, provenance) for part in parts if part.strip())
