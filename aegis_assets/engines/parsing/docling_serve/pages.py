"""A window's pages cut out of a PDF before it is sent, and the numbers of its pages put back into the answer.

Sent whole with every window, 40 pages of a PDF of 7.3 MB were 21.9 MB of uploads; a window is cut in 9 ms. pdfium
copies a page with its fonts, pictures and notes as they are. The outline stays behind: levels of headings are set from the facts of
the whole document.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from aegis_assets.engines.parsing.pdf.facts import Facts
from aegis_assets.engines.parsing.tree import Tree

_HEADINGS: Final = "section_header"


class Span(NamedTuple):
    """Pages, from 1, inclusive."""

    first: int
    last: int

    def __contains__(self, page: object) -> bool:
        return isinstance(page, int) and self.first <= page <= self.last


class Cut(NamedTuple):
    """path: a PDF of the pages alone, None where it could not be made. scanned: a page has next to no text, but is a picture."""

    path: Path | None
    scanned: bool


def cut(path: Path, pages: Span, out: Path) -> Cut:
    """Write the pages into `out`. A PDF too damaged for that is not cut: the server gets all of it, and may repair more."""
    import pypdfium2

    from aegis_assets.engines.parsing.pdf.measure import opened

    with opened(path) as document:
        scanned = _scanned(document, range(pages.first - 1, min(pages.last, len(document))))
        try:
            part = pypdfium2.PdfDocument.new()
            try:
                part.import_pages(document, pages=list(range(pages.first - 1, pages.last)))
                whole = len(part) == pages.last - pages.first + 1
                if whole:
                    part.save(out)
            finally:
                part.close()
        except (pypdfium2.PdfiumError, IndexError, OSError):
            whole = False
    return Cut(out if whole and _opens(out) else None, scanned)


def scanned(path: Path) -> bool:
    """Return whether a PDF that is sent whole holds a scanned page."""
    from aegis_assets.engines.parsing.pdf.measure import opened

    with opened(path) as document:
        return _scanned(document, range(len(document)))


def move(tree: Tree, by: int) -> Tree:
    """Add to every page number in a docling document as its JSON has it. Iterative: hostile documents nest."""
    stack: list[Any] = [tree] if by else []
    while stack:
        node = stack.pop()
        if isinstance(node, dict) and isinstance(node.get("page_no"), int):
            node["page_no"] += by
        stack.extend(child for child in (node.values() if isinstance(node, dict) else node) if isinstance(child, dict | list))
    if by and isinstance(tree.get("pages"), dict):
        tree["pages"] = {str(int(number) + by): page for number, page in tree["pages"].items()}
    return tree


def set_levels(tree: Tree, facts: Facts) -> None:
    """Give headings the level of the document's outline, which the server has not seen, where they stand in it."""
    if not facts.pages:
        return
    for item in tree["texts"]:
        provenance = item.get("prov") or [{}]
        page = provenance[0].get("page_no")
        if item.get("label") == _HEADINGS and page is not None:
            entry = facts.outlined(page, str(item.get("text", "")))
            if entry is not None:
                item["level"] = entry.level


def _opens(path: Path) -> bool:
    import pypdfium2

    try:
        pypdfium2.PdfDocument(path).close()
    except pypdfium2.PdfiumError:
        return False
    return True


def _scanned(document: Any, indices: range) -> bool:
    return any(_is_scan(document, index) for index in indices)


def _is_scan(document: Any, index: int) -> bool:
    """Return whether a page is a picture of text. One that does not load is not: the server will say what is wrong with it."""
    import pypdfium2

    from aegis_assets.engines.parsing.pdf.inspect import SCAN_COVERED, SCAN_LETTERS
    from aegis_assets.engines.parsing.pdf.measure import content

    try:
        page = document[index]
    except pypdfium2.PdfiumError:
        return False
    text = page.get_textpage()
    try:
        words = text.get_text_range()
        return len(words.strip()) < SCAN_LETTERS and content(page, words).imaged > SCAN_COVERED
    finally:
        text.close()
        page.close()
