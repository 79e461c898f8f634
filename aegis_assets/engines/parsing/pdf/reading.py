"""Elements of converted pages -> the docling document of one window: what begins in it, whole, in reading order.

A paragraph belongs to the page it begins on. Where it goes on over a page break, its continuation is taken in from the neighbour
page, and the window that begins on that page leaves it out. docling asks the head of a chain whether the page changes, and so
would join a third paragraph; here each link is judged by its own two ends, so that every window judges alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from docling.models.postprocessing.reading_order_rb import ReadingOrderPredictor
from docling.models.stages.reading_order.readingorder_model import ReadingOrderModel, ReadingOrderOptions
from docling_core.types.doc import DocItemLabel, SectionHeaderItem

from aegis_assets.engines.parsing.pdf.facts import Facts
from aegis_assets.engines.parsing.pdf.joining import Words, joined

REACH = 2  # pages from one part of a paragraph to the next: one page of figures may lie between
PASSED = {
    DocItemLabel.PAGE_HEADER,
    DocItemLabel.PAGE_FOOTER,
    DocItemLabel.TABLE,
    DocItemLabel.PICTURE,
    DocItemLabel.CAPTION,
    DocItemLabel.FOOTNOTE,
}
JOINED = {DocItemLabel.TEXT, DocItemLabel.LIST_ITEM}
ENDS = re.compile(r"[.!?:;。！？：；][\"'”’)\]]*\s*$")


class Predictor(ReadingOrderPredictor):
    """ordered: the layout has put the elements into reading order; otherwise docling orders them."""

    def __init__(self, ordered: bool) -> None:
        super().__init__()
        self._ordered = ordered

    def predict_reading_order(self, page_elements: list[Any], page_separators: list[Any] | None = None) -> list[Any]:
        if not self._ordered:
            return list(super().predict_reading_order(page_elements, page_separators))
        return sorted(page_elements, key=lambda x: (x.page_no, x.cid))

    def predict_merges(self, sorted_elements: list[Any]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        heads: dict[int, int] = {}
        running = [x for x in sorted_elements if x.label not in PASSED]
        for one, two in pairwise(running):
            if continues(one, two):
                head = heads.get(one.cid, one.cid)
                heads[two.cid] = head
                found.setdefault(head, []).append(two.cid)
        return found


def continues(one: Any, two: Any) -> bool:
    """Whether two is the rest of the paragraph one: on a later page or in the column to the right."""
    if one.label not in JOINED or two.label != DocItemLabel.TEXT:
        return False
    elsewhere = one.page_no < two.page_no <= one.page_no + REACH
    beside = one.page_no == two.page_no and one.r <= two.l + 1 and two.t > one.b
    return (elsewhere or beside) and goes_on(one.text) and resumes(two.text, one.text)


def goes_on(text: str) -> bool:
    """Whether a paragraph's text may have a continuation elsewhere."""
    text = text.rstrip()
    return bool(text) and not ENDS.search(text) and (text[-1].isalnum() or text[-1] in ",-–—\u00ad)'\"’”")


def resumes(text: str, before: str) -> bool:
    """Whether text reads on from before: small letters do; capitals only after a small letter, a comma or a hyphen."""
    text, before = text.lstrip(" (\"'“‘"), before.rstrip()
    if not text or not text[0].isalpha():
        return False
    return text[0].islower() or before[-1].islower() or before[-1] in ",-\u00ad"


class WindowReading(ReadingOrderModel):
    """short_before, short_after: the converted pages do not show whether a paragraph at the window's edge goes on beyond them."""

    def __init__(self, first: int, last: int, facts: Facts, bodies: dict[int, float], *, ordered: bool) -> None:
        super().__init__(ReadingOrderOptions())
        self.ro_model = Predictor(ordered)
        self._first, self._last, self._facts, self._bodies = first, last, facts, bodies
        self.short_before = self.short_after = False

    def _readingorder_elements_to_docling_doc(
        self, conv_res: Any, *, ordered_siblings: dict[Any, list[Any]], **mappings: Any
    ) -> Any:
        self._judge_edges(ordered_siblings[None], mappings["el_merges_mapping"])
        within = {
            parent: [x for x in siblings if self._first <= x.page_no <= self._last] if parent is None else siblings
            for parent, siblings in ordered_siblings.items()
        }
        # Continuations on later pages are looked up among the siblings, and left out as items of their own because they are merged.
        taken = {cid for x in within[None] for cid in mappings["el_merges_mapping"].get(x.cid, ())}
        within[None] += [x for x in ordered_siblings[None] if x.cid in taken and x.page_no > self._last]
        return super()._readingorder_elements_to_docling_doc(conv_res, ordered_siblings=within, **mappings)

    def _judge_edges(self, elements: Sequence[Any], merges: dict[int, list[int]]) -> None:
        running = [x for x in elements if x.label not in PASSED]
        head_of = {cid: head for head, cids in merges.items() for cid in cids}
        pages = {x.cid: x.page_no for x in running}
        inside = [x for x in running if self._first <= x.page_no <= self._last]
        if inside and inside[0] is running[0]:
            self.short_before = inside[0].label == DocItemLabel.TEXT and bool(inside[0].text)
        own = [x for x in running if self._first <= pages[head_of.get(x.cid, x.cid)] <= self._last]
        if own and own[-1] is running[-1]:
            self.short_after = own[-1].label in JOINED and goes_on(own[-1].text)

    def _handle_text_element(self, element: Any, **options: Any) -> Any:
        item, group = super()._handle_text_element(element, **options)
        if isinstance(item, SectionHeaderItem):
            heights = [cell.rect.to_bounding_box().height for cell in element.cluster.cells]
            body = self._bodies.get(element.page_no, 0.0)
            item.level = self._facts.level(element.page_no, item.text, median(heights) if heights else 0.0, body)
        return item, group

    def _merge_elements(self, element: Any, merged_elem: Any, new_item: Any, page_height: float) -> None:
        """The rest of a list item stands on the next page without its marker, as text."""
        both = [new_item.text, merged_elem.text]
        super()._merge_elements(element, merged_elem.model_copy(update={"label": new_item.label}), new_item, page_height)
        new_item.text = new_item.orig = joined(both, Words(both))
