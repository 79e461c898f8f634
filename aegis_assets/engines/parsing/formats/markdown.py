"""Markdown whose words stay whole: docling's backend over a syntax tree in which each block holds its text in one piece.

docling makes an item of every span, strips it and joins the spans with blanks, so that **D**ocument, my\\_module and C**3**PO fall
apart. Emphasis, links and code spans show nothing in a chunk; pictures stay elements of their own.
"""

from __future__ import annotations

import html
import re
from typing import Any, Final

import marko.block
import marko.inline
from docling.backend.md_backend import MarkdownDocumentBackend
from marko.ext.gfm.elements import TableCell

_TEXTS: Final = (marko.block.Paragraph, marko.block.Heading, marko.block.SetextHeading, TableCell)
_BREAK: Final = re.compile(r"<br\b", re.I)


class MarkdownBackend(MarkdownDocumentBackend):
    def _iterate_elements(self, *, element: Any, depth: int, **kwargs: Any) -> None:
        if depth == 0:
            join_spans(element)
        super()._iterate_elements(element=element, depth=depth, **kwargs)


def join_spans(root: Any) -> None:
    """Make the spans of every paragraph, heading and cell one text, as far as no picture parts them."""
    stack = [root]
    while stack:
        element = stack.pop()
        if isinstance(element, _TEXTS):
            element.children = _joined([*_task(element), *element.children])
        elif isinstance(getattr(element, "children", None), list):
            stack.extend(element.children)


def _task(element: Any) -> list[Any]:
    """Return the box of a task, which marko takes out of its text."""
    state = getattr(element, "checked", None)
    return [] if state is None else [marko.inline.RawText("[x]" if state else "[ ]")]


def _joined(spans: list[Any]) -> list[Any]:
    parts: list[Any] = []
    stack = list(reversed(spans))
    while stack:
        span = stack.pop()
        if isinstance(span, marko.inline.Image):
            parts.append(span)
        elif isinstance(span.children, list) and not isinstance(span, marko.inline.InlineHTML | marko.inline.LineBreak):
            stack.extend(reversed(span.children))
        elif parts and isinstance(parts[-1], str):
            parts[-1] += _text(span)
        else:
            parts.append(_text(span))
    return [marko.inline.RawText(part) if isinstance(part, str) else part for part in parts if part != ""]


def _text(span: Any) -> str:
    """The text of a span without children. docling resolves entities in it, which code does not have."""
    if isinstance(span, marko.inline.LineBreak):
        return " " if span.soft else "\n"
    if isinstance(span, marko.inline.InlineHTML):
        return "\n" if _BREAK.match(str(span.children)) else ""
    return html.escape(str(span.children), quote=False) if isinstance(span, marko.inline.CodeSpan) else str(span.children)
