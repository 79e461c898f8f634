"""XML as its text, never its markup: journal articles by docling, all others by what their elements are called.

An element with text of its own is a paragraph, one that is called a title or head is a heading as deep as its section, and rows of
cells are tables, in DocBook, TEI and whatever else keeps to such names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lxml import etree

from aegis_assets.engines.parsing.attached import add_heading, add_text
from aegis_assets.engines.parsing.decode import decode
from aegis_assets.engines.parsing.plain import table_tree
from aegis_assets.engines.parsing.tree import Assembly, Slice, Tree, children

_DECLARATION: Final = re.compile(r"\s*<\?xml[^>]*\?>")
_HEADINGS: Final = frozenset({"title", "head", "heading", "bridgehead", "headline", "h1", "h2", "h3", "h4", "h5", "h6"})
_ROWS: Final = frozenset({"row", "tr"})
_CELLS: Final = frozenset({"entry", "td", "th", "cell"})
_INLINE: Final = (
    "bold", "italic", "underline", "strike", "sub", "sup", "sc", "monospace", "emphasis", "subscript", "superscript", "hi", "emph",
    "b", "i", "u", "em", "strong", "styled-content", "named-content", "ext-link", "xref",
)  # fmt: skip
_DEEPEST: Final = 6


def read(path: Path) -> Tree | None:
    """Return the document; None where the file is no XML, or has no text outside its markup."""
    text = _DECLARATION.sub("", decode(path.read_bytes()), count=1)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, recover=True, remove_comments=True, remove_pis=True
    )
    root = etree.fromstring(text.encode(), parser)
    if root is None:
        return None
    if _name(root) == "article" and next(_named(root, "article-meta"), None) is not None:
        return _journal(root)
    assembly = Assembly()
    _add(assembly, root, 0)
    return assembly.tree if assembly.tree["body"]["children"] else None


def _journal(root: Any) -> Tree:
    """An article in JATS, by docling, which makes an item of every formatted span: so their tags go before."""
    from aegis_assets.engines.parsing.convert import convert_bytes

    etree.strip_tags(root, *_INLINE)
    return convert_bytes(etree.tostring(root, encoding="utf-8", doctype=_JATS), "jats")


_JATS: Final = (
    '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) Journal Publishing DTD v1.2 20190208//EN" "JATS-journalpublishing1.dtd">'
)


def _add(assembly: Assembly, root: Any, level: int) -> None:
    lines: list[str] = []  # of short elements beside each other, as data has them

    def flush() -> None:
        if lines:
            add_text(assembly, "\n".join(lines))
            lines.clear()

    stack: list[tuple[Any, int]] = [(root, level)]
    while stack:
        element, depth = stack.pop()
        name = _name(element)
        if not name:
            continue
        if name in _HEADINGS and (text := _text(element)):
            flush()
            add_heading(assembly, text, min(_DEEPEST, max(0, depth - 1)))
        elif _is_table(element):
            flush()
            for ref in children((tree := table_tree([*_rows(element)]))["body"]):
                assembly.add(Slice(tree, ref))
        elif _is_text(element):
            if len(element) == 0 and len(element.text or "") < 200:
                lines.append(_text(element))
            else:
                flush()
                add_text(assembly, _text(element))
        else:
            titled = any(_name(child) in _HEADINGS for child in element)
            stack.extend((child, depth + 1 if titled else depth) for child in reversed(element))
    flush()


def _name(element: Any) -> str:
    """Return the name without its namespace; '' for comments and the like."""
    return etree.QName(element).localname.lower() if isinstance(element.tag, str) else ""


def _named(root: Any, name: str) -> Iterator[Any]:
    return (element for element in root.iter() if _name(element) == name)


def _is_text(element: Any) -> bool:
    return bool((element.text or "").strip() or any((child.tail or "").strip() for child in element))


def _text(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def _is_table(element: Any) -> bool:
    rows = [child for child in element if _name(child) in _ROWS] or [
        row
        for part in element
        if _name(part) in ("thead", "tbody", "tgroup", "tfoot")
        for row in part.iter()
        if _name(row) in _ROWS
    ]
    return bool(rows) and all(any(_name(cell) in _CELLS for cell in row) for row in rows)


def _rows(table: Any) -> Iterator[list[str]]:
    for row in table.iter():
        if _name(row) in _ROWS:
            yield [_text(cell) for cell in row if _name(cell) in _CELLS]
