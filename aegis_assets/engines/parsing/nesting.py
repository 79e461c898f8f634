"""HTML that is nested too deeply for docling into HTML that is not, or a refusal.

docling walks HTML by recursion over a tree in which an unclosed `<p>` or `<li>` holds everything after it: 3,000 paragraphs of
an old page are 3,000 levels there, and 50,000 nested `<div>` take it hours. lxml closes what HTML lets authors leave open; what
is still deep after that is an attack or a defect.
"""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final

from aegis_assets.errors import BadInput

DEEPEST: Final = 150  # levels; generated pages have about 40
TOO_DEEP: Final = "The document is nested too deeply to be read. Simplify its structure and upload it again."
_VOID: Final = frozenset("area base br col embed hr img input link meta param source track wbr".split())  # noqa: SIM905


class _Depth(HTMLParser):
    """Counts levels the way html.parser trees have them: an end tag closes up to its start tag, if there is one."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self._open: list[str] = []
        self._count: dict[str, int] = {}
        self.deepest = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in _VOID:
            self._open.append(tag)
            self._count[tag] = self._count.get(tag, 0) + 1
            self.deepest = max(self.deepest, len(self._open))

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if self._count.get(tag, 0):
            while (closed := self._open.pop()) != tag:
                self._count[closed] -= 1
            self._count[tag] -= 1


def depth(text: str) -> int:
    counter = _Depth()
    counter.feed(text)
    counter.close()
    return counter.deepest


def shallow(text: str) -> str:
    """The same HTML with what was left open closed. Raises BadInput where it is deep even so."""
    if depth(text) <= DEEPEST:
        return text
    import lxml.html

    try:
        parser = lxml.html.HTMLParser(huge_tree=True, no_network=True)
        repaired: str = lxml.html.tostring(lxml.html.document_fromstring(text, parser=parser), encoding="unicode")
    except (ValueError, lxml.etree.LxmlError) as error:
        raise BadInput(TOO_DEEP) from error
    check(repaired)
    return repaired


def check(text: str) -> None:
    """For HTML inside other formats, which cannot be repaired on the way."""
    if depth(text) > DEEPEST:
        raise BadInput(TOO_DEEP)
