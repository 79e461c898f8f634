"""HTML whose words and cells stay whole: docling's backend over a tree without the markup inside its paragraphs.

docling makes an item of every span, strips it and joins the spans with blanks, so that H<sub>2</sub>O falls apart. Formatting and
links show nothing in a chunk, so their tags go before it reads. A footer inside an article is part of it, a table that only holds
other tables is layout, and blocks in a cell are parted by blanks.
"""

from __future__ import annotations

from typing import Any, Final

from bs4.element import NavigableString, Tag
from docling.backend.html_backend import HTMLDocumentBackend
from docling_core.types.doc import DoclingDocument

_SPANS: Final = frozenset(
    """
    a abbr acronym b bdi bdo big cite data dfn em font i ins mark q rb ruby s small span strike strong sub sup time u var del nobr
    """.split()  # noqa: SIM905
)
_CODE: Final = frozenset({"code", "kbd", "samp", "tt"})
_SILENT: Final = frozenset({"rt", "rp", "rtc", "wbr"})
_BLOCKS: Final = frozenset(
    "address article aside blockquote dd details div dl dt figcaption figure h1 h2 h3 h4 h5 h6 hr ol p pre section ul".split()  # noqa: SIM905
)
_WHOLES: Final = ["article", "main", "section", "blockquote"]


class HtmlBackend(HTMLDocumentBackend):
    def convert(self) -> DoclingDocument:
        if self.soup is not None:
            self._make_plain(self.soup)
        return super().convert()

    def _make_plain(self, soup: Any) -> None:
        for tag in soup.find_all(True):
            if tag.decomposed:
                continue
            name = tag.name
            if name in _SILENT or ((name in _SPANS or name in _CODE) and self._is_invisible_tag(tag)):
                tag.decompose()
            elif name in _SPANS or (name in _CODE and tag.find_parent("pre") is None):
                tag.unwrap()
            elif name == "math":
                _flatten_math(tag)
            elif name == "footer" and tag.find_parent(_WHOLES) is not None:
                tag.name = "div"
            elif name == "table" and _is_layout(tag):
                _dissolve(tag)
            elif name in _BLOCKS and tag.find_parent(["td", "th"]) is not None:
                tag.insert_before(NavigableString(" "))
                tag.insert_after(NavigableString(" "))
        soup.smooth()

    def _is_rich_table_cell(self, table_cell: Tag) -> bool:
        return table_cell.find("table") is not None or super()._is_rich_table_cell(table_cell)

    @staticmethod
    def get_text(item: Any) -> str:
        """Leave out tables inside a cell: they are items themselves."""
        if not isinstance(item, Tag) or item.name not in ("td", "th") or item.find("table") is None:
            return HTMLDocumentBackend.get_text(item)
        places = []
        while (table := item.find("table")) is not None:
            place = NavigableString(" ")
            table.replace_with(place)
            places.append((place, table))
        text = HTMLDocumentBackend.get_text(item)
        for place, table in places:
            place.replace_with(table)
        return text


def _flatten_math(math: Tag) -> None:
    """Write a formula as one word: its letters stand in elements of their own."""
    for note in math.find_all(["annotation", "annotation-xml"]):
        note.decompose()
    math.replace_with(NavigableString("".join(math.stripped_strings)))


def _is_layout(table: Tag) -> bool:
    """A table without header or caption that holds a table, or is a single cell."""
    if table.find(["th", "caption"]) is not None and not table.find("table"):
        return False
    cells = [cell for cell in table.find_all(["td", "th", "caption"]) if cell.find_parent("table") is table]
    if any(cell.name != "td" for cell in cells):
        return False
    return len(cells) == 1 or table.find("table") is not None


def _dissolve(table: Tag) -> None:
    for part in table.find_all(["tbody", "thead", "tfoot", "tr", "td"]):
        if part.find_parent("table") is table:
            part.name = "div"
    table.name = "div"
